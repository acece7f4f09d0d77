//! Variables that a host is told on its standard input: secrets, which are in no configuration and no argument.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

/// The most that is read: what an environment may hold, many times over.
const MOST: usize = 64 << 20;

/// Reads the length, a line of digits, and as many bytes of JSON: an object of texts. Nothing behind it is read.
///
/// # Errors
/// Nothing is told, or something else.
pub fn hear(from: impl AsFd) -> io::Result<BTreeMap<String, String>> {
    // Not through a buffer, which would take what is meant for others.
    read(File::from(from.as_fd().try_clone_to_owned()?))
}

fn read(mut from: impl Read) -> io::Result<BTreeMap<String, String>> {
    let wrong = || io::Error::other("it begins with no length");
    let (mut length, mut byte) = (0_usize, [0]);
    loop {
        from.read_exact(&mut byte)?;
        match byte[0] {
            b'\n' => break,
            digit @ b'0'..=b'9' if length <= MOST => length = length * 10 + usize::from(digit - b'0'),
            _ => return Err(wrong()),
        }
    }
    if length > MOST {
        return Err(wrong());
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text)?;
    let told: BTreeMap<String, String> =
        serde_json::from_slice(&text).map_err(|_| io::Error::other("it is no JSON of texts"))?;
    // What the system's call would end this program for.
    let is_fit =
        |(name, value): (&String, &String)| !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
    told.iter().all(is_fit).then_some(told).ok_or_else(|| io::Error::other("a name or a value is none"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_and_nothing_behind_it() {
        let mut text: &[u8] = b"9\n{\"A\":\"b\"}rest";
        assert_eq!(read(&mut text).unwrap(), BTreeMap::from([("A".to_owned(), "b".to_owned())]));
        assert_eq!(text, b"rest");
        for wrong in ["", "x\n{}", "2", "9\n{}", "99999999999\n", "4\nnull", "7\n{\"\":1}", "8\n{\"\":\"x\"}"] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
