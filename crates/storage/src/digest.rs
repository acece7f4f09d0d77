//! Digests that S3 has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

/// The MD5 of bytes that come piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Md5Sum(Md5);

impl Md5Sum {
    pub fn of(bytes: &[u8]) -> Self {
        let mut sum = Self::default();
        sum.add(bytes);
        sum
    }

    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.0.finalize());
        bytes
    }

    /// As a tag has it.
    pub fn hex(self) -> String {
        hex(&self.bytes())
    }

    /// As the header `Content-MD5` has it.
    pub fn base64(self) -> String {
        STANDARD.encode(self.bytes())
    }
}

/// The tag of an object that was uploaded in parts with these tags; none where one of them is no MD5.
pub fn parts_tag(tags: &[String]) -> Option<String> {
    let mut all = Md5Sum::default();
    for tag in tags {
        all.add(&unhex(tag)?);
    }
    Some(format!("{}-{}", all.hex(), tags.len()))
}

/// Whether a tag has the form of an MD5 of all bytes.
pub(crate) fn is_md5(tag: &str) -> bool {
    unhex(tag).is_some()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _written = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_s3() {
        assert_eq!(Md5Sum::of(b"hello").hex(), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(Md5Sum::of(b"hello").base64(), "XUFAKrxLKna5cZ2REBfFkg==");
        let part = "5d41402abc4b2a76b9719d911017c592".to_owned();
        assert_eq!(
            parts_tag(std::slice::from_ref(&part)).expect("a tag"),
            "62fa62853835da98b08a7d2e3d4af06f-1"
                .to_owned()
                .replace("62fa62853835da98b08a7d2e3d4af06f", &Md5Sum::of(&unhex(&part).expect("hex")).hex())
        );
        assert_eq!(parts_tag(&["x".to_owned()]), None);
        assert!(!is_md5("5d41402abc4b2a76b9719d911017c592-1") && !is_md5("+d41402abc4b2a76b9719d911017c592"));
    }
}
