//! How images come to the nodes that run them. The ways differ; what they promise does not: only what is missing
//! travels, what was sent is counted, an image is referred to by its content, and old images of ours are removed and
//! nobody else's.
//!
//! ```no_run
//! # use std::collections::BTreeSet;
//! # async fn push(image: images::Image) -> Result<(), images::ship::ShipError> {
//! use images::ship::{Facts, Local, Node, Owner, Programs, choose, open};
//!
//! // What the cluster says, and what is on this machine, decide on the way.
//! let programs = Programs::default();
//! let nodes = vec![Node { name: "pi".into(), runtime: "containerd://1.6.20".into(), provider: String::new() }];
//! let facts = Facts { context: "home".into(), nodes, registry: Some("localhost:5000".into()), ..Facts::default() };
//! let choice = choose(&facts, &Local::look(&programs).await);
//! println!("{}", choice.reason);
//! let Some(way) = choice.way else { return Ok(()) };
//!
//! // The place tells apart who shares a registry: cluster and namespace.
//! let ship = open(&way, Owner::new("building", "CLUSTER-UID/default"), &programs).await?;
//! let missing = ship.missing(&[&image]).await?; // what a plan shows
//! println!("{} layers, {} bytes to send", missing.layers, missing.bytes);
//! let sent = ship.put(&[&image]).await?; // nothing is sent that is there
//! println!("{} bytes sent; pods say image: {}", sent.bytes, ship.reference(&image));
//!
//! // After the roll: what runs and what a rollback may go to stays.
//! let pruned = ship.prune(&BTreeSet::from([ship.reference(&image)])).await?;
//! println!("{} images removed", pruned.removed);
//! # Ok(()) }
//! ```

mod address;
mod choice;
mod containerd;
mod credential;
mod engine;
mod error;
mod local;
mod nodes;
mod owner;
mod proxied;
mod registry;
mod retention;
mod serve;
mod tool;
mod transport;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use async_trait::async_trait;

use crate::Image;

pub use address::RegistryAddress;
pub use choice::{Facts, Hosted, Node, UploadChoice, choose};
pub use containerd::Containerd;
pub use engine::Engine;
pub use error::ShipError;
pub use local::{Local, Programs};
pub use nodes::{Loader, Nodes};
pub use owner::Owner;
pub use registry::Registry;
pub use serve::{Serve, Served};

/// A way for images to come to nodes.
#[async_trait]
pub trait Ship: Send + Sync {
    /// The way in words, to be put after "through".
    fn describe(&self) -> String;

    /// What a pod's `image` says. It names the content: another image has another reference. Known before the image
    /// is sent.
    fn reference(&self, image: &Image) -> String;

    /// What a pod's `imagePullPolicy` says: whether nodes fetch the image or have it.
    fn pull_policy(&self) -> PullPolicy;

    /// What [`Self::put`] would send.
    async fn missing(&self, images: &[&Image]) -> Result<MissingLayers, ShipError>;

    /// Has images where nodes find them. What is there already does not travel. Cut short, it is done again and goes
    /// on with what is missing.
    async fn put(&self, images: &[&Image]) -> Result<Sent, ShipError>;

    /// The roll is over, and everything is live or it is not: what was there for the roll alone is taken away. Answers
    /// what travelled since [`Self::put`].
    async fn finish(&self, _is_live: bool) -> Result<Sent, ShipError> {
        Ok(Sent::default())
    }

    /// What of ours is kept there.
    async fn stock(&self) -> Result<Stock, ShipError>;

    /// Removes this owner's images whose references are not in `keep`.
    async fn prune(&self, keep: &BTreeSet<String>) -> Result<Pruned, ShipError>;
}

/// A pod's `imagePullPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// Nodes fetch what they do not have.
    IfNotPresent,
    /// Nodes have it: it was put there.
    Never,
}

impl PullPolicy {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// What would be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingLayers {
    pub layers: usize,
    /// Compressed bytes of all that is not there.
    pub bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Layers that travelled.
    pub layers: usize,
    /// Compressed bytes that travelled, documents and archives' heads included.
    pub bytes: u64,
    /// What a user should know: why more travelled than was missing.
    pub notices: Vec<String>,
}

/// What of ours is kept somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Images of this owner.
    pub images: usize,
    /// Their bytes, each layer counted once: compressed ones, but for Docker's engine, which keeps them unpacked.
    pub bytes: u64,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Images removed.
    pub removed: usize,
    /// Images of this owner that stay.
    pub kept: usize,
    /// What a user should know: why something stays that need not, or who has to make the room free.
    pub notices: Vec<String>,
}

/// A way, chosen and not yet taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A registry, and the host nodes call it by where that is another.
    Registry {
        /// As [`RegistryAddress::read`] takes it.
        address: String,
        /// `host:port` from inside the cluster.
        pulled_as: Option<String>,
    },
    /// Docker's engine, which runs the pods.
    Engine,
    /// containerd on this machine, which runs the pods; by k3s' own program or by `ctr`.
    Containerd {
        /// Whether k3s brings it.
        k3s: bool,
    },
    /// A tool that loads images into the nodes of its clusters.
    Loader(Loader, String),
    /// This session serves images to the nodes.
    Serve {
        /// Where to listen.
        bind: SocketAddr,
        /// `host:port` nodes call.
        called: String,
    },
}

/// Takes a way.
pub async fn open(way: &Way, owner: Owner, programs: &Programs) -> Result<Box<dyn Ship>, ShipError> {
    Ok(match way {
        Way::Registry { address, pulled_as } => {
            Box::new(Registry::open(RegistryAddress::read(address)?, pulled_as.clone(), owner, programs).await?)
        }
        Way::Engine => Box::new(Engine::new(programs, owner)),
        Way::Containerd { k3s } => Box::new(Containerd::new(programs, *k3s, owner)),
        Way::Loader(loader, cluster) => Box::new(Nodes::new(*loader, cluster, programs, owner)),
        Way::Serve { bind, called } => Box::new(Serve::start(*bind, called, owner).await?),
    })
}
