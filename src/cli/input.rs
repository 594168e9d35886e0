//! Reading what a command is given.

use std::fs;
use std::io::{Read, stdin};
use std::path::Path;

use super::output::say;
use super::{Exit, terminal};

/// All bytes of a file, or of stdin for `-`. Says what is wrong if it cannot be read.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Exit> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        stdin().read_to_end(&mut bytes).map(drop)
    } else {
        fs::read(file).map(|content| bytes = content)
    };
    read.map(|()| bytes).map_err(|error| {
        say!("{} cannot be read: {error}", terminal::path(file));
        Exit::Usage
    })
}
