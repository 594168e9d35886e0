//! Secrets: never printed, and read again where they stand in a file.

use std::path::PathBuf;

use secrecy::SecretString;

use super::environment::unreadable;

/// A password, token or URL with credentials. `Debug` shows none of it.
#[derive(Clone, Debug)]
pub struct Secret(Source);

#[derive(Clone, Debug)]
enum Source {
    Given(SecretString),
    File(PathBuf),
}

/// A secret's file cannot be read, or is empty.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Secret {
    /// A secret that stood in the environment.
    pub fn given(value: String) -> Self {
        Self(Source::Given(value.into()))
    }

    /// A secret that stands in a file.
    pub fn in_file(path: PathBuf) -> Self {
        Self(Source::File(path))
    }

    /// The secret as it is now: a file is read each time, so that a password can be changed while the relay runs.
    /// One line break at the end of the file is not part of it.
    ///
    /// # Errors
    /// The file cannot be read or holds nothing.
    pub fn read(&self) -> Result<SecretString, Unreadable> {
        let path = match &self.0 {
            Source::Given(value) => return Ok(value.clone()),
            Source::File(path) => path,
        };
        let text = std::fs::read_to_string(path).map_err(|error| Unreadable(unreadable(path, &error)))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(Unreadable(format!("{} is empty", path.display())));
        }
        Ok(text.to_owned().into())
    }
}
