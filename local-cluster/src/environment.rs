//! What a service finds in its environment, and how it comes to a container without the engine knowing all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use bollard::Docker as Engine;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::backend::BackendError;

/// The variables that a service finds.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// For everyone's eyes: an engine shows them to its users.
    pub open: BTreeMap<String, String>,
    /// For the service alone: secrets. They go before what is open.
    pub hidden: BTreeMap<String, String>,
    /// Addresses of this machine's loopback, which a container finds elsewhere. They go before everything else.
    pub here: BTreeMap<String, SocketAddr>,
    /// URLs with such an address in them, for the service alone. They go before everything else, too.
    pub urls: BTreeMap<String, LocalUrl>,
}

/// A URL of a server on this machine's loopback. It may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalUrl {
    /// Scheme, user and password.
    pub head: String,
    pub at: SocketAddr,
    /// Path.
    pub tail: String,
}

impl LocalUrl {
    /// The URL as one finds it who reaches the server at another address.
    pub fn by(&self, at: SocketAddr) -> String {
        format!("{}{at}{}", self.head, self.tail)
    }
}

impl Environment {
    /// All of it, as a process finds it.
    pub fn all(&self) -> BTreeMap<String, String> {
        let texts = self.open.iter().chain(&self.hidden).map(|(name, value)| (name.clone(), value.clone()));
        let addresses = self.here.iter().map(|(name, at)| (name.clone(), at.to_string()));
        texts.chain(addresses).chain(self.urls.iter().map(|(name, url)| (name.clone(), url.by(url.at)))).collect()
    }

    /// Whether there is anything that an engine is not told.
    pub(crate) fn hides(&self) -> bool {
        !self.hidden.is_empty() || !self.urls.is_empty()
    }

    /// The addresses of this machine in it.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.here.values().copied().chain(self.urls.values().map(|url| url.at))
    }

    /// Whether the service finds a variable.
    pub fn has(&self, name: &str) -> bool {
        let texts = self.open.contains_key(name) || self.hidden.contains_key(name);
        texts || self.here.contains_key(name) || self.urls.contains_key(name)
    }

    /// What is written to the standard input of a program that was started with [`FLAG`]: a line with the length, and as
    /// many bytes of JSON.
    pub(crate) fn told(&self) -> Vec<u8> {
        let text = serde_json::to_string(&self.hidden).unwrap_or_else(|_| "{}".to_owned());
        format!("{}\n{text}", text.len()).into_bytes()
    }
}

/// Values that are hidden are in no log.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden: Vec<&String> = self.hidden.keys().collect();
        f.debug_struct("Environment")
            .field("open", &self.open)
            .field("hidden", &hidden)
            .field("here", &self.here)
            .field("urls", &self.urls)
            .finish()
    }
}

impl fmt::Debug for LocalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalUrl").field(&self.at).finish()
    }
}

/// Has `dyn host` and `dyn replay-worker` read what is hidden from their standard input before they do anything else.
pub(crate) const FLAG: &str = "--environment";

/// The standard input of a container that is about to be started.
pub(crate) type Input = std::pin::Pin<Box<dyn AsyncWrite + Send>>;

/// Attaches to the standard input of a container. Before it is started: one that waits for its environment is then told.
pub(crate) async fn attach(engine: &Engine, name: &str, service: &str) -> Result<Input, BackendError> {
    let options = AttachContainerOptionsBuilder::default().stream(true).stdin(true).build();
    let attached = engine.attach_container(name, Some(options)).await;
    Ok(attached.map_err(BackendError::engine(format!("attach to {service}")))?.input)
}

/// Tells a container what is hidden.
pub(crate) async fn tell(
    input: &mut (impl AsyncWrite + Unpin + ?Sized),
    environment: &Environment,
    service: &str,
) -> Result<(), BackendError> {
    let failed = |source| BackendError::io(format!("tell {service} its environment"))(source);
    input.write_all(&environment.told()).await.map_err(failed)?;
    input.flush().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_wins_and_is_in_no_debug_output() {
        let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let environment = Environment { open: one("A", "open"), hidden: one("A", "s3cret"), ..Environment::default() };
        assert_eq!(environment.all(), one("A", "s3cret"));
        assert!(!format!("{environment:?}").contains("s3cret"), "{environment:?}");
        assert_eq!(environment.told(), b"14\n{\"A\":\"s3cret\"}");
    }

    #[test]
    fn a_url_of_this_machine_goes_before_what_is_said_and_its_password_is_in_no_debug_output() {
        let at = SocketAddr::from(([127, 0, 0, 1], 5432));
        let url = LocalUrl { head: "db://app:s3cret@".to_owned(), at, tail: "/x".to_owned() };
        let open = BTreeMap::from([("A".to_owned(), "open".to_owned())]);
        let urls = BTreeMap::from([("A".to_owned(), url)]);
        let environment = Environment { open, urls, ..Environment::default() };
        assert_eq!(environment.all()["A"], "db://app:s3cret@127.0.0.1:5432/x");
        assert!(environment.has("A") && environment.hides());
        assert_eq!(environment.addresses().collect::<Vec<_>>(), [at]);
        assert!(!format!("{environment:?}").contains("s3cret"), "{environment:?}");
    }
}
