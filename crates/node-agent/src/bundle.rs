//! What a push brings to a node: an app, as names of libraries by their content, and how it is to run.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

const FORM: u32 = 1;
const MOST_SERVICES: usize = 1000;
const LONGEST_NAME: usize = 200;
const MOST_RATE: f64 = 1e9;

/// An app as it is to run on a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeBundle {
    pub v: u32,
    pub app: String,
    /// What the libraries are compiled for, `x86_64-linux` as an example.
    pub machine: String,
    /// The version of the C interface between libraries and hosts.
    pub interface: u32,
    /// The last service of the flow.
    #[serde(default)]
    pub entry: Option<String>,
    /// Where it is called from outside of the node; on a port of loopback where nothing is said.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// By Rust name.
    pub services: BTreeMap<String, BundledService>,
}

/// A service of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledService {
    /// Its DNS name.
    pub host: String,
    /// `service@hash`.
    pub version: String,
    /// Hash of the library, by which it travels.
    pub library: String,
    /// Hash of what it reads and writes.
    pub schema: String,
    pub inputs: Vec<String>,
    #[serde(default)]
    pub route: Option<String>,
    /// Services that a request of it needs where it is served.
    #[serde(default)]
    pub needs: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Requests a second that one node serves of it.
    #[serde(default)]
    pub rate: Option<f64>,
    #[serde(default)]
    pub at_once: Option<usize>,
    #[serde(default)]
    pub latency_us: Option<u64>,
    /// May be asked of another node although it may have run.
    #[serde(default)]
    pub idempotent: bool,
    /// Never served on another node.
    #[serde(default)]
    pub stays: bool,
}

impl NodeBundle {
    pub fn new(app: &str, interface: u32) -> Self {
        Self {
            v: FORM,
            app: app.to_owned(),
            machine: machine(),
            interface,
            entry: None,
            listen: None,
            services: BTreeMap::new(),
        }
    }

    /// Checks what somebody sent.
    pub(crate) fn check(&self, interface: u32) -> Result<(), String> {
        if self.v != FORM {
            return Err(format!("the bundle is of form {}: this node reads form {FORM}", self.v));
        }
        if self.machine != machine() {
            return Err(format!("the libraries are for {}, this node is {}", self.machine, machine()));
        }
        if self.interface != interface {
            return Err(format!(
                "the libraries have version {} of the interface to hosts, this node {interface}: update dyn there or here",
                self.interface
            ));
        }
        if self.services.is_empty() || self.services.len() > MOST_SERVICES {
            return Err(format!("the bundle has {} services: 1 to {MOST_SERVICES} can be", self.services.len()));
        }
        if !is_word(&self.app) {
            return Err(format!("{:?} is no name of an app", self.app));
        }
        for (name, service) in &self.services {
            // Both become names of folders and files.
            if !is_word(name) || !is_word(&service.host) || !is_hash(&service.library) {
                return Err(format!("{name:?} is no service, or its library no hash"));
            }
            if service.rate.is_some_and(|rate| !(rate > 0.0 && rate <= MOST_RATE)) || service.at_once == Some(0) {
                return Err(format!("the limits of {name} have to be more than 0"));
            }
            if let Some(missing) = service.needs.iter().find(|needed| !self.services.contains_key(*needed)) {
                return Err(format!("{name} needs {missing}, which is not in the bundle"));
            }
        }
        match &self.entry {
            Some(entry) if !self.services.contains_key(entry) => Err(format!("the entry {entry} is no service of it")),
            _ => Ok(()),
        }
    }
}

/// What this machine runs.
pub(crate) fn machine() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

pub(crate) fn is_word(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> NodeBundle {
        let service = BundledService {
            host: "banner".to_owned(),
            version: "banner@1".to_owned(),
            library: "a".repeat(64),
            schema: String::new(),
            inputs: vec!["text".to_owned()],
            route: None,
            needs: Vec::new(),
            env: BTreeMap::new(),
            rate: Some(100.0),
            at_once: None,
            latency_us: None,
            idempotent: false,
            stays: false,
        };
        let services = BTreeMap::from([("banner".to_owned(), service)]);
        NodeBundle { services, entry: Some("banner".to_owned()), ..NodeBundle::new("banner", 7) }
    }

    #[test]
    fn a_bundle_that_cannot_run_here_is_refused_with_what_is_wrong() {
        assert_eq!(bundle().check(7), Ok(()));
        let text = serde_json::to_string(&bundle()).expect("JSON");
        assert_eq!(serde_json::from_str::<NodeBundle>(&text).expect("it reads"), bundle());
        assert!(serde_json::from_str::<NodeBundle>(&text.replace("\"rate\"", "\"rates\"")).is_err());
        let refused = |change: &dyn Fn(&mut NodeBundle)| {
            let mut bundle = bundle();
            change(&mut bundle);
            bundle.check(7).expect_err("it is refused")
        };
        let of = |change: &dyn Fn(&mut BundledService)| {
            refused(&|bundle| change(bundle.services.get_mut("banner").expect("it is there")))
        };
        assert!(refused(&|bundle| bundle.v = 2).contains("form 2"));
        assert!(refused(&|bundle| bundle.machine = "sparc-linux".to_owned()).contains("for sparc-linux"));
        assert!(refused(&|bundle| bundle.interface = 6).contains("version 6"));
        assert!(refused(&|bundle| bundle.services.clear()).contains("0 services"));
        assert!(refused(&|bundle| bundle.entry = Some("map".to_owned())).contains("the entry map"));
        // Names become folders: none leads out of them.
        for name in ["..", "a/b", "", "."] {
            assert!(refused(&|bundle| bundle.app = name.to_owned()).contains("no name of an app"), "{name}");
            assert!(of(&|service| service.host = name.to_owned()).contains("no service"), "{name}");
            assert!(of(&|service| service.library = name.to_owned()).contains("no hash"), "{name}");
        }
        assert!(of(&|service| service.rate = Some(0.0)).contains("more than 0"));
        assert!(of(&|service| service.rate = Some(f64::NAN)).contains("more than 0"));
        assert!(of(&|service| service.at_once = Some(0)).contains("more than 0"));
        assert!(of(&|service| service.needs.push("map".to_owned())).contains("needs map"));
    }
}
