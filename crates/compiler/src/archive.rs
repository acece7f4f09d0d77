//! What a compiled crate defines: the index at the head of its archive (ar(5), as GNU and LLVM write it).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const MAGIC: &[u8] = b"!<arch>\n";

/// Length of a member's head.
const HEAD: usize = 60;

/// Whether an archive defines a symbol that ends so. One without an index defines none.
pub(crate) fn defines(archive: &Path, end: &str) -> io::Result<bool> {
    let mut file = File::open(archive)?;
    let mut head = [0; MAGIC.len() + HEAD];
    file.read_exact(&mut head)?;
    let (magic, member) = head.split_at(MAGIC.len());
    // The index is the first member, and called `/`.
    if magic != MAGIC || !member.starts_with(b"/ ") {
        return Ok(false);
    }
    let size = std::str::from_utf8(&member[48..58]).ok().and_then(|size| size.trim().parse::<u64>().ok());
    let size = size.ok_or_else(|| io::Error::other(format!("{} is no archive", archive.display())))?;
    let mut index = Vec::new();
    file.take(size).read_to_end(&mut index)?;
    // A count, an offset for each symbol, then their names.
    let Some(count) = index.first_chunk().map(|count| u32::from_be_bytes(*count) as usize) else { return Ok(false) };
    let names = index.get(4 + 4 * count..).unwrap_or_default();
    Ok(names.split(|byte| *byte == 0).any(|name| name.ends_with(end.as_bytes())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    fn archive(member: &str, names: &[&str]) -> Vec<u8> {
        let mut index = (names.len() as u32).to_be_bytes().to_vec();
        index.extend(names.iter().flat_map(|_| [0; 4]));
        names.iter().for_each(|name| index.extend([name.as_bytes(), b"\0"].concat()));
        let head = format!("{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 0, index.len());
        [MAGIC, head.as_bytes(), &index, b"the rest uses __rust_alloc\0"].concat()
    }

    #[test]
    fn what_is_defined_is_told_from_what_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libone.rlib");
        let defines = |content: Vec<u8>| {
            fs::write(&file, content).unwrap();
            defines(&file, "__rust_alloc").map_err(|error| error.kind())
        };
        assert_eq!(defines(archive("/", &["_R_one", "_R7___rustc12___rust_alloc"])), Ok(true));
        assert_eq!(defines(archive("/", &["_R_one", "_R_rust_alloc_zeroed"])), Ok(false));
        assert_eq!(defines(archive("/", &[])), Ok(false));
        assert_eq!(defines(archive("lib.rmeta/", &["__rust_alloc"])), Ok(false));
        assert!(defines(b"!<arch>\n".to_vec()).is_err());
    }
}
