//! The token of the server, and secrets that settings name.

use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use data::settings::SecretSource;

/// A token's beginning, by which it is found where it should not be.
const PREFIX: &str = "dynd_";

/// A token that opens the API.
#[derive(Clone)]
pub(crate) struct ServerToken {
    text: String,
}

impl ServerToken {
    /// Reads the token of a file, or makes both. The file is readable by its owner alone.
    pub(crate) fn open(file: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(file) {
            Ok(text) if text.trim().starts_with(PREFIX) => Ok(Self { text: text.trim().to_owned() }),
            Ok(_) => Err("it holds no token; remove it to have a new one".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("{PREFIX}{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
                let mut options = std::fs::OpenOptions::new();
                let made = options.write(true).create_new(true).mode(0o600).open(file);
                let written = made.and_then(|mut made| io::Write::write_all(&mut made, format!("{text}\n").as_bytes()));
                written.map_err(|error| error.to_string())?;
                Ok(Self { text })
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether a text is this token. Hashes are compared, which takes the same time whatever they are.
    pub(crate) fn is(&self, text: &str) -> bool {
        blake3::hash(text.as_bytes()) == blake3::hash(self.text.as_bytes())
    }

    /// The token by which a store may send events, and nothing else.
    pub(crate) fn of_store(&self, store: &str) -> Self {
        let key = blake3::derive_key("dyninka data 2026 events of a store", self.text.as_bytes());
        let hash = blake3::keyed_hash(&key, store.as_bytes());
        Self { text: format!("dynh_{}", hash.to_hex()) }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Reads a secret that settings name. The answer never has it in an error.
pub(crate) fn read(source: &SecretSource) -> Result<String, String> {
    match source {
        SecretSource::Env(name) => {
            std::env::var(name).map_err(|_| format!("the variable {name} is not set in the server's environment"))
        }
        SecretSource::File(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
            Ok(text.trim().to_owned())
        }
    }
}
