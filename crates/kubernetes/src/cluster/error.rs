//! Why a cluster does not do what it is asked, and what to do about it.

use std::path::PathBuf;

use kube::client::UpgradeConnectionError;
use kube::core::Status;
use protocol::error_chain;

use super::identity::Identity;

/// A cluster that does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no kubeconfig.
    #[error("cannot find a kubeconfig: none at {}", list(.looked))]
    NoKubeconfig {
        /// Where one was looked for.
        looked: Vec<PathBuf>,
    },
    /// A kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {}: {why}", file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
    /// The kubeconfig names no current context, and none was asked for.
    #[error("cannot choose a context: {} names no current one", list(.files))]
    NoCurrentContext {
        /// Contexts there are.
        known: Vec<String>,
        /// The kubeconfig.
        files: Vec<PathBuf>,
    },
    /// The kubeconfig has no such context.
    #[error("cannot find the context {context} in {}", list(.files))]
    NoContext {
        /// Its name.
        context: String,
        /// Contexts there are.
        known: Vec<String>,
        /// The kubeconfig.
        files: Vec<PathBuf>,
    },
    /// A context cannot be used.
    #[error("cannot use the context {context}: {why}")]
    Context {
        /// Its name.
        context: String,
        /// Why not.
        why: String,
    },
    /// The program that says who asks does not.
    #[error("cannot run {command}, which says who asks for the context {context}: {why}")]
    Plugin {
        /// The program.
        command: String,
        /// The context.
        context: String,
        /// Why not.
        why: String,
        /// How to come by it, as the kubeconfig says.
        install: Option<String>,
    },
    /// The API server does not answer.
    #[error("cannot {doing}: the API server {server} does not answer: {why}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// What was asked of it.
        doing: String,
        /// Why not.
        why: String,
    },
    /// The API server takes the question and gives no answer.
    #[error("cannot {doing}: the API server {server} gave no answer for {seconds} s")]
    Silent {
        /// Its URL.
        server: String,
        /// What was asked of it.
        doing: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It does not know who asks.
    #[error("cannot {doing}: the API server {server} does not know this user: {why}")]
    Unauthorized {
        /// Its URL.
        server: String,
        /// What was asked of it.
        doing: String,
        /// What it said.
        why: String,
    },
    /// It knows who asks, who may not.
    #[error("cannot {doing}: {why}")]
    Forbidden {
        /// What was asked of it.
        doing: String,
        /// What it said: who may not do what to which resource, where.
        why: String,
    },
    /// A quota is used up.
    #[error("cannot {doing}: {why}")]
    Quota {
        /// What was asked of it.
        doing: String,
        /// What it said: which quota, asked, used and limit.
        why: String,
    },
    /// The namespace is not there.
    #[error("cannot find the namespace {namespace} of {context} ({server})")]
    NoNamespace {
        /// Its name.
        namespace: String,
        /// The context.
        context: String,
        /// The API server's URL.
        server: String,
    },
    /// The namespace is being deleted.
    #[error("cannot use the namespace {namespace}: it is being deleted")]
    NamespaceEnding {
        /// Its name.
        namespace: String,
    },
    /// Another cluster is behind the context than the app was pushed to before.
    #[error("cannot push to {context}: it is another cluster now: {found}, and was {pinned}")]
    OtherCluster {
        /// The context.
        context: String,
        /// What it is now.
        found: Box<Identity>,
        /// What it was.
        pinned: Box<Identity>,
    },
    /// The app was pushed from here, and never there.
    #[error("cannot use {context} for it: this app was never pushed there from here, but to {}", words(.known))]
    NotPushedThere {
        /// The context.
        context: String,
        /// Contexts it was pushed under.
        known: Vec<String>,
    },
    /// What is known of clusters cannot be read or written.
    #[error("cannot {doing} {}: {why}", file.display())]
    Pins {
        /// What was being done.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// Why it did not work.
        why: String,
    },
    /// Somebody else is pushing.
    #[error("cannot push {app}: {holder} is pushing it")]
    Busy {
        /// The app.
        app: String,
        /// Who.
        holder: String,
    },
    /// Somebody else took over what was held.
    #[error("cannot go on with the push of {app}: {holder} has taken over")]
    Lost {
        /// The app.
        app: String,
        /// Who.
        holder: String,
    },
    /// An object of the name is there, and not ours.
    #[error("cannot make {object}: there is one already that is not of {app}: {owner}")]
    Foreign {
        /// `kind/name`.
        object: String,
        /// The app.
        app: String,
        /// Whose it is, as far as it says.
        owner: String,
    },
    /// Somebody else set fields that we set otherwise.
    #[error("cannot apply {object}: {}", contested(.fields))]
    Contested {
        /// `kind/name`.
        object: String,
        /// The fields.
        fields: Vec<Contested>,
    },
    /// It says no for another reason.
    #[error("cannot {doing}: {why}")]
    Refused {
        /// What was asked of it.
        doing: String,
        /// HTTP status; 0 where there was none.
        code: u16,
        /// What it said.
        why: String,
    },
}

/// A field that somebody else set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// Its path: `.spec.replicas`.
    pub field: String,
    /// Who set it: a field manager's name.
    pub manager: String,
}

impl ClusterError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoKubeconfig { .. } => "set KUBECONFIG, or copy a kubeconfig to ~/.kube/config".to_owned(),
            Self::NoCurrentContext { known, .. } => format!("name one with --context: {}", words(known)),
            Self::NoContext { known, .. } => format!("there are {}", words(known)),
            Self::Unauthorized { .. } => {
                "the credentials of the context are wrong or expired: log in to the cluster again".to_owned()
            }
            Self::Forbidden { .. } => "ask whoever runs the cluster for a role that allows it".to_owned(),
            Self::NoNamespace { namespace, .. } => {
                format!("make it with `kubectl create namespace {namespace}`, or name another with --namespace")
            }
            Self::OtherCluster { context, .. } => {
                format!("if that is meant, `dyn trust {context}` lets pushes go there from now on")
            }
            Self::Plugin { install: Some(install), .. } => install.clone(),
            Self::Plugin { command, .. } => format!("install {command}, or put its folder into PATH"),
            Self::NotPushedThere { .. } => "name the context that is meant with --context".to_owned(),
            Self::Foreign { .. } => {
                "rename the service, give the app a name of its own in dyn.toml (name = \"…\"), or push to another \
                 namespace with --namespace"
                    .to_owned()
            }
            Self::Contested { .. } => "leave the field to them, or take it over with --force".to_owned(),
            Self::Quota { .. } => "ask for less in #[service(..)] or dyn.toml, or have the quota raised".to_owned(),
            Self::Unreachable { .. } | Self::Silent { .. } => {
                "once it answers again, the same push goes on where it stopped".to_owned()
            }
            _ => return None,
        })
    }

    /// Whether the same question may be answered later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } => true,
            Self::Refused { code, .. } => matches!(code, 429 | 500..=599),
            _ => false,
        }
    }

    pub(super) fn client(server: &str, error: &kube::Error) -> Self {
        Self::Context { context: server.to_owned(), why: error_chain(error) }
    }

    pub(super) fn of(server: &str, doing: &str, error: kube::Error) -> Self {
        let (server, doing) = (server.to_owned(), doing.to_owned());
        match error {
            kube::Error::Api(status) => Self::status(server, doing, &status),
            kube::Error::Auth(error) => Self::Unauthorized { server, doing, why: error_chain(&error) },
            kube::Error::SerdeError(error) => Self::Refused { doing, code: 0, why: error_chain(&error) },
            // A way to a pod that was not opened comes with the answer's status alone.
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => match status.as_u16() {
                401 => Self::Unauthorized { server, doing, why: status.to_string() },
                403 => {
                    let why = "the verbs get and create on pods/portforward are not allowed".to_owned();
                    Self::Forbidden { doing, why }
                }
                code => Self::Refused { doing, code, why: format!("the API server answers {status}") },
            },
            error => Self::Unreachable { server, doing, why: error_chain(&error) },
        }
    }

    /// What a watch says. One that has to begin anew does so by itself.
    pub(super) fn watching(server: &str, doing: &str, error: kube::runtime::watcher::Error) -> Self {
        use kube::runtime::watcher::Error;
        match error {
            Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
                Self::of(server, doing, error)
            }
            Error::WatchError(status) => Self::status(server.to_owned(), doing.to_owned(), &status),
            Error::NoResourceVersion => {
                Self::Refused { doing: doing.to_owned(), code: 0, why: "it cannot be watched".to_owned() }
            }
        }
    }

    fn status(server: String, doing: String, status: &Status) -> Self {
        let why = status.message.trim().to_owned();
        match status.code {
            401 => Self::Unauthorized { server, doing, why },
            403 if why.contains("exceeded quota") => Self::Quota { doing, why },
            403 => Self::Forbidden { doing, why },
            code => Self::Refused { doing, code, why },
        }
    }
}

fn contested(fields: &[Contested]) -> String {
    let words: Vec<_> = fields.iter().map(|it| format!("{} is set by {}", it.field, it.manager)).collect();
    words.join(", ")
}

fn list(files: &[PathBuf]) -> String {
    let words: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    if words.is_empty() { "any place that is known here".to_owned() } else { words.join(", ") }
}

fn words(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
