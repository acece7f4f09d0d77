//! The key of an app's page: tickets and cookies prove themselves by it, so nothing of them is kept on disk.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// 32 random bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PageKey([u8; 32]);

impl std::fmt::Debug for PageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageKey")
    }
}

/// The rights of a browser that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It acts for the session's user.
    Owner,
    /// It may look, and change nothing.
    Reader,
}

impl Role {
    pub(crate) const ALL: [Self; 2] = [Self::Owner, Self::Reader];
}

/// What a token is for: one of a kind is none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenUse {
    Ticket(Role),
    Cookie(Role),
    Proof,
}

/// A token's own bytes: moments in seconds since 1970, and what makes it one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) moment: u64,
    /// Seconds that the access lasts which it stands for.
    pub(crate) access: u32,
    pub(crate) random: [u8; 16],
}

impl PageKey {
    pub(crate) fn new() -> Self {
        Self(rand::random())
    }

    /// The key of an app, made where there is none.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        match Self::read(folder) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Self::renew(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::renew(folder),
            Err(error) => Err(error),
        }
    }

    /// The key that is there; none where the file holds none.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Self>> {
        Ok(<[u8; 32]>::try_from(fs::read(file(folder))?).ok().map(Self))
    }

    /// Another key in its place: what was made by the old one proves nothing any more.
    pub(crate) fn renew(folder: &Path) -> io::Result<Self> {
        let key = Self::new();
        // A session and a command may both write: each aside for itself.
        let mut aside = tempfile::NamedTempFile::new_in(folder)?;
        aside.write_all(&key.0)?;
        aside.persist(file(folder)).map_err(|error| error.error)?;
        Ok(key)
    }

    /// A token as text.
    pub(crate) fn seal(&self, of: TokenUse, token: Token) -> String {
        let mut bytes = token.bytes().to_vec();
        bytes.extend(self.mac(of, &token.bytes()).finalize().into_bytes());
        BASE64.encode(bytes)
    }

    /// A token's bytes, where this key made it for this use. How long that takes tells nothing of the key.
    pub(crate) fn open_token(&self, of: TokenUse, text: &str) -> Option<Token> {
        let bytes = BASE64.decode(text).ok()?;
        let (own, proof) = bytes.split_at_checked(TOKEN)?;
        self.mac(of, own).verify_slice(proof).ok()?;
        let (moment, rest) = own.split_at(8);
        let (access, random) = rest.split_at(4);
        let (moment, access) =
            (u64::from_be_bytes(moment.try_into().ok()?), u32::from_be_bytes(access.try_into().ok()?));
        Some(Token { moment, access, random: random.try_into().ok()? })
    }

    /// A key that only this page and who holds that token know.
    pub(crate) fn proof_key(&self, id: &[u8]) -> [u8; 32] {
        self.mac(TokenUse::Proof, id).finalize().into_bytes().into()
    }

    fn mac(&self, of: TokenUse, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = keyed(&self.0);
        mac.update(match of {
            TokenUse::Ticket(Role::Owner) => &b"ticket\0"[..],
            TokenUse::Ticket(Role::Reader) => b"reader's ticket\0",
            TokenUse::Cookie(Role::Owner) => b"cookie\0",
            TokenUse::Cookie(Role::Reader) => b"reader's cookie\0",
            TokenUse::Proof => b"proof\0",
        });
        mac.update(bytes);
        mac
    }
}

/// Bytes of a token without its proof.
const TOKEN: usize = 28;

impl Token {
    pub(crate) fn new(moment: u64, access: u32) -> Self {
        Self { moment, access, random: rand::random() }
    }

    fn bytes(&self) -> [u8; TOKEN] {
        let mut bytes = [0; TOKEN];
        bytes[..8].copy_from_slice(&self.moment.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.access.to_be_bytes());
        bytes[12..].copy_from_slice(&self.random);
        bytes
    }
}

/// HMAC-SHA-256 of a text.
pub(crate) fn signed(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC takes keys of any length: this never fails.
    Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("a key of 32 bytes"))
}

fn file(folder: &Path) -> PathBuf {
    folder.join("page.key")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_kept_for_its_owner_and_another_opens_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = PageKey::open(folder.path()).unwrap();
        assert_eq!(fs::metadata(file(folder.path())).unwrap().permissions().mode() & 0o777, 0o600);
        let token = Token::new(7, 60);
        let (ticket, cookie) = (TokenUse::Ticket(Role::Owner), TokenUse::Cookie(Role::Owner));
        let text = key.seal(ticket, token);
        assert_eq!(PageKey::open(folder.path()).unwrap().open_token(ticket, &text), Some(token));
        assert_eq!(key.open_token(cookie, &text), None, "a ticket is no cookie");
        assert_eq!(key.open_token(TokenUse::Ticket(Role::Reader), &text), None, "it is no reader's");
        assert_eq!(PageKey::renew(folder.path()).unwrap().open_token(ticket, &text), None);
    }

    #[test]
    fn a_session_and_commands_renew_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        PageKey::renew(folder.path()).unwrap();
                        assert!(PageKey::read(folder.path()).unwrap().is_some());
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    proptest! {
        #[test]
        fn a_token_that_was_changed_opens_nothing(at in 0_usize..80, by in 1_u8..64, text in "\\PC{0,96}") {
            let key = PageKey::new();
            let cookie = TokenUse::Cookie(Role::Owner);
            let sealed = key.seal(cookie, Token::new(9, 60));
            let mut bytes = BASE64.decode(&sealed).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= by;
            prop_assert_eq!(key.open_token(cookie, &BASE64.encode(bytes)), None);
            prop_assert_eq!(key.open_token(cookie, &text), None);
        }
    }
}
