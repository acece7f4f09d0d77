//! Tokens: `dyn_ID_SECRETCHECK`. Nothing that can be guessed, and only a hash is kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters of the parts: six bits each, the same for every eye.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID: usize = 8;
/// 43 of 62 characters hold 256 bits.
const SECRET: usize = 43;
const CHECK: usize = 6;

/// Bytes of chance that a token is made of.
pub const CHANCE: usize = ID + SECRET;

/// A token's text, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct JobToken {
    /// Names it, and is no secret.
    pub id: String,
    secret: String,
}

impl std::fmt::Debug for JobToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a token lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum TokenScope {
    #[serde(rename = "jobs:write")]
    JobsWrite,
    #[serde(rename = "jobs:read")]
    JobsRead,
    #[serde(rename = "functions")]
    Functions,
    #[serde(rename = "schedules")]
    Schedules,
    #[serde(rename = "usage")]
    Usage,
    #[serde(rename = "tenants")]
    Tenants,
    #[serde(rename = "metrics")]
    Metrics,
}

impl TokenScope {
    /// What a tenant's token may do where nothing is said.
    pub const TENANT: [Self; 5] = [Self::JobsWrite, Self::JobsRead, Self::Functions, Self::Schedules, Self::Usage];
    /// All there is.
    pub const ALL: [Self; 7] =
        [Self::JobsWrite, Self::JobsRead, Self::Functions, Self::Schedules, Self::Usage, Self::Tenants, Self::Metrics];
}

impl JobToken {
    /// A new token of bytes of chance.
    pub fn new(chance: &[u8; CHANCE * 2]) -> Self {
        // Two bytes a character: no character is likelier than another by more than a thousandth.
        let text: String = chance
            .chunks_exact(2)
            .map(|pair| char::from(ALPHABET[usize::from(u16::from_be_bytes([pair[0], pair[1]])) % ALPHABET.len()]))
            .collect();
        let (id, secret) = text.split_at(ID);
        Self { id: id.to_owned(), secret: secret.to_owned() }
    }

    /// Reads a token. One that was cut, mistyped or made up does not read.
    pub fn read(text: &str) -> Option<Self> {
        let (id, rest) = text.strip_prefix("dyn_")?.split_once('_')?;
        if id.len() != ID || rest.len() != SECRET + CHECK || !rest.is_ascii() || !id.is_ascii() {
            return None;
        }
        let (secret, check) = rest.split_at(SECRET);
        let token = Self { id: id.to_owned(), secret: secret.to_owned() };
        (token.check() == check).then_some(token)
    }

    /// The text to give away, once.
    pub fn text(&self) -> String {
        format!("dyn_{}_{}{}", self.id, self.secret, self.check())
    }

    fn check(&self) -> String {
        let hash =
            blake3::derive_key("dyninka jobs: check of a token", format!("{}{}", self.id, self.secret).as_bytes());
        hash.iter().take(CHECK).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
    }

    /// What is kept of it.
    pub fn hash(&self) -> String {
        blake3::Hash::from(blake3::derive_key("dyninka jobs: secret of a token", self.secret.as_bytes()))
            .to_hex()
            .to_string()
    }

    /// Whether this is the token that was kept as `hash`; as long in coming for a wrong one as for the right one.
    pub fn is(&self, hash: &str) -> bool {
        // Comparing two of these takes the same time whatever they are.
        blake3::Hash::from_hex(hash).is_ok_and(|kept| blake3::Hash::from_hex(self.hash()).is_ok_and(|own| own == kept))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_reads_as_it_was_given_and_not_otherwise() {
        let token = JobToken::new(&[7; CHANCE * 2]);
        let text = token.text();
        assert_eq!(text.len(), "dyn_".len() + ID + 1 + SECRET + CHECK);
        assert_eq!(JobToken::read(&text), Some(token.clone()));
        assert!(token.is(&token.hash()));
        let other = JobToken::new(&[8; CHANCE * 2]);
        assert!(!other.is(&token.hash()) && !token.is("") && !token.is("zz"));
        for wrong in
            ["", "dyn_", &text[1..], &text[..text.len() - 1], &format!("{text}x"), &text.replace("dyn_", "Dyn_")]
        {
            assert_eq!(JobToken::read(wrong), None, "{wrong}");
        }
        assert!(!format!("{token:?}").contains(&token.secret), "no log shows a secret");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,80}", at in 0_usize..61, c in "[0-9A-Za-z]") {
            let _any = JobToken::read(&text);
            let mut typed = JobToken::new(&[9; CHANCE * 2]).text();
            let at = 13.max(at);
            if typed.as_bytes()[at] != c.as_bytes()[0] {
                typed.replace_range(at..=at, &c);
                // The last six check the rest.
                prop_assert!(JobToken::read(&typed).is_none_or(|token| !token.is(&JobToken::new(&[9; CHANCE * 2]).hash())));
            }
        }
    }

    #[test]
    fn scopes_have_their_words() {
        let words: Vec<String> = TokenScope::ALL
            .iter()
            .map(|scope| serde_json::to_value(scope).unwrap().as_str().unwrap().to_owned())
            .collect();
        assert_eq!(words, ["jobs:write", "jobs:read", "functions", "schedules", "usage", "tenants", "metrics"]);
    }
}
