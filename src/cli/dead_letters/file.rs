//! A new file that holds letters: one JSON object a line, for its owner only.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::desk::Failure;
use crate::amqp::Letter;
use crate::cli::terminal;

/// A file under writing.
pub(super) struct LettersFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl LettersFile {
    /// A file that was not there before.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|file| {
            // The file's name, too, has to survive a crash of the machine.
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(file)
        });
        let file =
            created.map_err(|error| Failure::Usage(format!("{} cannot be created: {error}", terminal::path(path))))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a letter; it is safe after [`LettersFile::sync`].
    pub(super) fn add(&mut self, letter: &Letter) -> Result<(), Failure> {
        write_letter(&mut self.file, letter).map_err(|error| self.failed(&error))
    }

    /// Waits until all that was added is on the disk.
    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::Failed(format!("{} cannot be written: {error}", terminal::path(&self.path)))
    }
}

/// Writes `letter` as one line.
pub(super) fn write_letter(to: &mut impl Write, letter: &Letter) -> std::io::Result<()> {
    writeln!(to, "{}", terminal::json(&letter.to_json())?)
}
