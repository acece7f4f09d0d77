//! A running session, as its faces see it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use app::App;
use local_cluster::{Receiver, queue};
use session_api::Report;
use session_api::snapshot::Snapshot;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::actor::Actor;
use crate::actor::control::Control;
use crate::environment::ServiceTerms;
use crate::event::Event;
use crate::jobs::JobServerLink;
use crate::options::SessionOptions;
use crate::queued::Queued;
use crate::store::home::HomeError;
use crate::store::lock::{Lock, LockError};

/// A running session. Read to the end after [`Session::interrupt`], it leaves nothing behind; dropped before, what it
/// leaves is removed by the next start or by [`crate::stop()`].
#[derive(Debug)]
pub struct Session {
    reports: Receiver<Queued>,
    events: UnboundedSender<Event>,
    served: watch::Sender<Option<ServedApp>>,
    pictures: Arc<watch::Sender<Arc<Snapshot>>>,
    socket: PathBuf,
    /// Between this session and its hosts.
    secret: Secret,
    jobs: JobServerLink,
}

/// An app that hosts go by, and what is said of its services.
#[derive(Clone, Debug)]
pub struct ServedApp {
    pub app: Arc<App>,
    /// By Rust name.
    pub terms: Arc<BTreeMap<String, ServiceTerms>>,
}

impl PartialEq for ServedApp {
    /// Whether it is one reading of the file, with the same terms.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.app, &other.app) && self.terms == other.terms
    }
}

/// A text that no log shows.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Adds notices to those of a session.
#[derive(Clone, Debug)]
pub struct Notices(UnboundedSender<Event>);

impl Notices {
    /// Says that a job ran at a host of a service that ended.
    pub fn run_lost(&self, service: String) {
        // To a session that has ended it is nobody's.
        drop(self.0.send(Event::RunLost { service }));
    }

    /// Adds a notice; one to a session that has ended is for nobody.
    pub fn add(&self, message: String) {
        drop(self.0.send(Event::Notice { message }));
    }
}

/// Begins to look at a session.
#[derive(Clone, Debug)]
pub struct Looking(Weak<watch::Sender<Arc<Snapshot>>>);

impl Looking {
    /// The session as it changes, twenty times a second at most, until this is dropped; none where it has ended.
    pub fn begin(&self) -> Option<watch::Receiver<Arc<Snapshot>>> {
        Some(self.0.upgrade()?.subscribe())
    }
}

/// A session that does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no place for it.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Another has the app.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its builder does not open.
    #[error("{0}")]
    Build(#[from] compiler::BuildError),
    /// Its folder, or its socket in it, cannot be made.
    #[error("cannot write to {}: {source}", folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
    /// The program that runs services cannot be read.
    #[error("cannot read {}: {source}", program.display())]
    Program { program: PathBuf, source: std::io::Error },
    /// A field to blank or to leave out is none.
    #[error(transparent)]
    Path(#[from] recordings::PathError),
    /// Its client for its hosts cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// What hosts measure cannot be counted.
    #[error("cannot start the thread that counts what services measure: {0}")]
    Measurer(std::io::Error),
}

impl Session {
    /// Takes the app's lock and begins. Call it inside a multi-threaded Tokio runtime.
    pub fn start(options: SessionOptions) -> Result<Self, StartError> {
        let place = options.home.place(&options.file)?;
        place.make_state()?;
        let lock = Lock::take(&place.folder, &options.file)?;
        // The secret between a session and its hosts: 128 bits that nobody guesses.
        let token = format!("{:032x}", rand::random::<u128>());
        let control = Control::new(token.clone(), options.debug)?;
        let (events, inbox) = unbounded_channel();
        let (outbox, reports) = queue();
        let secret = Secret(token);
        let jobs = JobServerLink::new();
        let actor = Actor::new(options, place, lock, control, jobs.clone(), events.clone(), outbox)?;
        let (pictures, served, socket) = (actor.pictures(), actor.served(), actor.socket());
        tokio::spawn(actor.run(inbox));
        Ok(Self { reports, events, pictures, served, socket, secret, jobs })
    }

    /// The session as it changes, twenty times a second at most, for a face in this process.
    pub fn pictures(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.pictures.subscribe()
    }

    /// The app that its hosts go by, as it changes: told before the picture that shows it. None: nothing serves yet.
    pub fn served(&self) -> watch::Receiver<Option<ServedApp>> {
        self.served.subscribe()
    }

    /// For a front end that looks now and then: while nobody does, no pictures are made.
    pub fn looking(&self) -> Looking {
        Looking(Arc::downgrade(&self.pictures))
    }

    /// Where it listens: [`session_api::Client::attach`].
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The secret that its hosts know.
    pub fn secret(&self) -> &str {
        &self.secret.0
    }

    /// Where it is told where its job server is.
    pub fn job_server_link(&self) -> JobServerLink {
        self.jobs.clone()
    }

    /// Where a part of the program that runs beside it adds notices.
    pub fn notices(&self) -> Notices {
        Notices(self.events.clone())
    }

    /// The next report; none once the session has ended and everything is removed.
    pub async fn next(&mut self) -> Option<Report> {
        self.reports.recv().await.map(|Queued(report)| report)
    }

    /// Asks the session to end.
    pub fn interrupt(&self) {
        // Refused only by a session that has ended, which is what was asked for.
        drop(self.events.send(Event::Interrupted));
    }
}
