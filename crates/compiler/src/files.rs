//! Files written whole or not at all.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::error::{BuildError, io};

/// Writes aside and renames, so that a reader sees the old bytes or the new ones.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io("create", folder))?;
    let mut aside = tempfile::NamedTempFile::new_in(folder).map_err(io("write", file))?;
    aside.write_all(bytes).map_err(io("write", file))?;
    aside.persist(file).map_err(|error| io("write", file)(error.error))?;
    Ok(())
}

/// [`write()`], unless the bytes are there already. Answers whether it wrote.
pub(crate) fn write_changed(file: &Path, bytes: &[u8]) -> Result<bool, BuildError> {
    if fs::read(file).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    write(file, bytes).map(|()| true)
}
