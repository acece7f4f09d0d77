//! Why a push was not done.

use compiler::BuildError;

use super::places::EmptyPlace;
use super::resources::LackingSecret;
use crate::cluster::ClusterError;
use crate::history::StoreError;
use crate::settings::SettingsMistake;
use crate::wire::Break;
use images::ImageError;
use images::ship::ShipError;

/// A push that was not done.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The cluster does not do what it is asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What was pushed before cannot be read, or what is pushed not kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A service does not build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An image cannot be made.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Images do not get to the nodes.
    #[error(transparent)]
    Ship(#[from] ShipError),
    /// There is no way for images to the nodes.
    #[error("cannot find a way for images: {reason}")]
    NoWay {
        /// What would make one.
        reason: String,
        /// Why none of those that were looked at.
        passed_over: Vec<String>,
    },
    /// No service of the app is called so.
    #[error("cannot push {service}: it is no service of the app")]
    Unknown { service: String },
    /// Something of the app has no name that Kubernetes takes.
    #[error("cannot name the objects of {app}: {why}")]
    Name {
        app: String,
        /// Which name, and what is wrong with it.
        why: String,
    },
    /// What tells the project apart cannot be read or written.
    #[error("cannot {doing} {}, which tells this project's app from others of its name: {why}", file.display())]
    Id {
        /// What was being done.
        doing: &'static str,
        file: std::path::PathBuf,
        why: String,
    },
    /// An app of the name is there, and another project's.
    #[error("cannot use the app {app} in this namespace: one of that name is there that is another project's{by}")]
    Stranger {
        app: String,
        /// Who pushed it, in words.
        by: String,
    },
    /// Services that are not pushed would not understand those that are.
    #[error("cannot push a part alone: {}", .breaks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Breaks { breaks: Vec<Break> },
    /// Somebody else pushed since the plan was made.
    #[error("cannot carry the plan out: what runs is not what it was made for any more")]
    Moved,
    /// A service did not get there; what was changed was put back.
    #[error("cannot roll {service} out: {why}")]
    RolledBack {
        /// Rust name.
        service: String,
        why: String,
        /// The last lines of a container that ended.
        lines: Vec<String>,
    },
    /// Nothing more could be done from here.
    #[error("cannot go on, with {} applied{}: {error}", list(.applied), maybe(.perhaps.as_deref()))]
    Cut {
        /// Rust names of services that were changed.
        applied: Vec<String>,
        /// What was being applied and may have been: a service's Rust name, or an object's.
        perhaps: Option<String>,
        error: Box<ClusterError>,
    },
    /// It was told to stop.
    #[error("cannot go on: it was stopped")]
    Stopped,
    /// Nothing is there to go back to.
    #[error("cannot roll back: {why}")]
    NothingToPutBack { why: String },
    /// The stores of the app's buckets are not such as pods can use.
    #[error("cannot push buckets: {}", .mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Stores { mistakes: Vec<SettingsMistake> },
    /// Services are to run in places that no node is in.
    #[error("cannot push: {}", .places.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Empty { places: Vec<EmptyPlace> },
    /// A Secret that a resource or a store of the app maps to is not on the cluster, or lacks a key.
    #[error("cannot push: {}", .lacking.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Lacking { lacking: Vec<LackingSecret> },
    /// Services of a group are to run in ways that one pod cannot.
    #[error("cannot push a group: {mistake}")]
    NotAlike {
        /// Where it is said.
        mistake: SettingsMistake,
    },
    /// Nothing makes the namespace a node of a fleet yet.
    #[error("cannot push: [node] makes this namespace a node, and it has joined no fleet: there is no Secret {secret}")]
    NoIdentity { secret: String },
    /// It is in a fleet already.
    #[error("cannot join: this namespace is a node of a fleet already, by the Secret {secret}")]
    InFleet { secret: String },
    /// A thread ended in a panic.
    #[error("cannot make the host's image: {why}")]
    Panicked { why: String },
}

impl PushError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(error) | Self::Store(StoreError::Cluster(error)) => error.hint(),
            Self::Build(error) => error.hint().map(|hint| hint.to_string()),
            Self::Ship(error) => error.mend(),
            Self::NoWay { passed_over, .. } => Some(passed_over.join("; ")),
            Self::NotAlike { mistake } => Some(mistake.help.clone()),
            Self::Stores { mistakes } => mistakes.first().map(|mistake| mistake.help.clone()),
            Self::Empty { places } => places.first().map(EmptyPlace::hint),
            Self::Breaks { .. } => Some("--with-dependents takes them along".to_owned()),
            Self::NoIdentity { .. } => {
                Some("pass an invitation, once: `dyn push FILE --join TOKEN`; `dyn node invite` prints one".to_owned())
            }
            Self::InFleet { .. } => Some("leave --join out; without the Secret it can join another fleet".to_owned()),
            Self::Moved => Some("look at the plan again: `dyn push --plan`".to_owned()),
            Self::RolledBack { .. } => Some("what ran before runs again; mend it and push again".to_owned()),
            Self::Cut { .. } | Self::Stopped => Some("the next push goes on where this one stopped".to_owned()),
            Self::Id { .. } => Some("or name the app in dyn.toml: name = \"…\"".to_owned()),
            Self::Stranger { .. } => Some(
                "give this app a name of its own in dyn.toml (name = \"…\"), or push to another namespace; if it is the \
                 same app, bring dyn.id from the folder it was pushed from"
                    .to_owned(),
            ),
            Self::Lacking { lacking } => Some(lacking.iter().map(LackingSecret::hint).collect::<Vec<_>>().join("; ")),
            Self::Name { .. } => Some("rename the service, or give the app another `name` in dyn.toml".to_owned()),
            Self::Store(StoreError::Broken { .. })
            | Self::Image(_)
            | Self::NothingToPutBack { .. }
            | Self::Unknown { .. }
            | Self::Panicked { .. } => None,
        }
    }
}

fn list(services: &[String]) -> String {
    if services.is_empty() { "nothing".to_owned() } else { services.join(", ") }
}

fn maybe(perhaps: Option<&str>) -> String {
    perhaps.map(|object| format!(", {object} perhaps")).unwrap_or_default()
}
