//! Invitations: a line that lets a machine into a fleet, and the book of those that were given.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::token_bucket::TokenBucket;

const PREFIX: &str = "dynj1_";
const SECRET: usize = 16;
const FINGERPRINT: usize = 32;
const CHECK: usize = 4;
const LONGEST_ADDRESS: usize = 255;
/// Tries a second that are looked at, right ones and wrong ones.
const TRIES: f64 = 5.0;

/// What a certificate lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FleetRole {
    /// Share load.
    Node,
    /// Deploy.
    Operator,
}

impl FleetRole {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Operator => "operator",
        }
    }
}

/// An invitation, as one line: where to go, whom to find there, and the secret that lets in.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationToken {
    /// `host:port`.
    pub address: String,
    /// Hash of the fleet's certificate.
    pub fingerprint: [u8; FINGERPRINT],
    pub secret: [u8; SECRET],
}

/// A text that is no invitation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationTokenError {
    #[error("an invitation begins with {PREFIX}")]
    Prefix,
    #[error("the invitation has a character that none has, at place {0}")]
    Character(usize),
    #[error("the invitation is not whole: a part of it is missing or changed")]
    Cut,
    #[error("the invitation leads to {0}, which is no host:port")]
    Address(String),
}

impl fmt::Display for InvitationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::new();
        bytes.extend(self.secret);
        bytes.extend(self.fingerprint);
        bytes.extend(self.address.bytes());
        let check = blake3::hash(&bytes);
        bytes.extend(&check.as_bytes()[..CHECK]);
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The secret is in no log.
impl fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvitationToken").field("address", &self.address).finish_non_exhaustive()
    }
}

impl FromStr for InvitationToken {
    type Err = InvitationTokenError;

    fn from_str(text: &str) -> Result<Self, InvitationTokenError> {
        let coded = text.trim().strip_prefix(PREFIX).ok_or(InvitationTokenError::Prefix)?;
        let bytes = URL_SAFE_NO_PAD.decode(coded).map_err(|error| match error {
            base64::DecodeError::InvalidByte(at, _) => InvitationTokenError::Character(PREFIX.len() + at + 1),
            _ => InvitationTokenError::Cut,
        })?;
        let (told, check) = bytes.split_at_checked(bytes.len().saturating_sub(CHECK)).unwrap_or_default();
        if blake3::hash(told).as_bytes()[..CHECK] != *check {
            return Err(InvitationTokenError::Cut);
        }
        let (secret, rest) = told.split_first_chunk().ok_or(InvitationTokenError::Cut)?;
        let (fingerprint, address) = rest.split_first_chunk().ok_or(InvitationTokenError::Cut)?;
        let address = String::from_utf8_lossy(address).into_owned();
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if address.len() > LONGEST_ADDRESS || !matches!(port, Some(Ok(1..))) {
            return Err(InvitationTokenError::Address(address));
        }
        Ok(Self { address, fingerprint: *fingerprint, secret: *secret })
    }
}

/// An invitation that was given, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    /// Hash of the secret.
    hash: [u8; 32],
    left: u32,
    /// Seconds since 1970.
    until: u64,
    role: FleetRole,
}

/// The invitations of a fleet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InvitationBook {
    given: Vec<Given>,
    #[serde(skip)]
    tries: Option<TokenBucket>,
}

/// Why somebody is not let in. Of an invitation that was used, is late or was guessed the same is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationRefusal {
    #[error("the invitation is not valid: it was used, it has expired, or it was never given")]
    Invalid,
    #[error("too many tries: wait a second")]
    TooOften,
}

impl InvitationBook {
    /// Notes an invitation for a number of uses. `until` in seconds since 1970.
    pub fn give(&mut self, secret: &[u8; SECRET], uses: u32, until: u64, role: FleetRole) {
        self.given.push(Given { hash: *blake3::hash(secret).as_bytes(), left: uses, until, role });
    }

    /// Uses an invitation. `clock` is the time of day in seconds since 1970, `now` that of a clock that does not jump.
    pub fn redeem(&mut self, secret: &[u8], clock: u64, now: Duration) -> Result<FleetRole, InvitationRefusal> {
        let tries = self.tries.get_or_insert_with(|| TokenBucket::with_burst(TRIES, TRIES, now));
        if !tries.take(now) {
            return Err(InvitationRefusal::TooOften);
        }
        self.given.retain(|given| given.left > 0 && given.until > clock);
        let hash = blake3::hash(secret);
        // Hashes are compared in constant time, and every one of them.
        let mut found = None;
        for given in &mut self.given {
            if blake3::Hash::from(given.hash) == hash {
                found = Some(given);
            }
        }
        let given = found.ok_or(InvitationRefusal::Invalid)?;
        given.left -= 1;
        Ok(given.role)
    }

    /// Gives back a use: nobody came in by it.
    pub fn give_back(&mut self, secret: &[u8]) {
        let hash = blake3::hash(secret);
        if let Some(given) = self.given.iter_mut().find(|given| blake3::Hash::from(given.hash) == hash) {
            given.left += 1;
        }
    }
}
