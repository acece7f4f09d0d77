//! Files of a server that are its owner's alone.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::ResourceError;

/// Makes a folder for this user alone.
pub(super) fn make(folder: &Path) -> Result<(), ResourceError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(ResourceError::io(format!("create {}", folder.display())))
}

/// Writes a file for this user alone, whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), ResourceError> {
    let failed = || ResourceError::io(format!("write {}", path.display()));
    let fresh = path.with_extension("new");
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&fresh).map_err(failed())?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed())?;
    file.write_all(text.as_bytes()).map_err(failed())?;
    fs::rename(&fresh, path).map_err(failed())
}

/// The password of a server: the one before, or a new one that nobody guesses.
pub(super) fn password(path: &Path) -> Result<String, ResourceError> {
    match fs::read_to_string(path) {
        Ok(text) if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => return Ok(text),
        Ok(_) => {
            let source = io::Error::other("it is no password that dyn wrote");
            return Err(ResourceError::Io { doing: format!("read {}", path.display()), source });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(ResourceError::Io { doing: format!("read {}", path.display()), source }),
    }
    let mut drawn = [0; 16];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut drawn));
    read.map_err(ResourceError::io("read /dev/urandom"))?;
    let text: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
    write(path, &text)?;
    Ok(text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_drawn_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let first = password(&path).unwrap();
        assert!(first.len() == 32 && first == password(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(first, password(&folder.path().join("other")).unwrap());
        fs::write(&path, "hunter2").unwrap();
        let refused = password(&path).unwrap_err().to_string();
        assert!(refused.contains("no password that dyn wrote") && !refused.contains("hunter2"), "{refused}");
    }
}
