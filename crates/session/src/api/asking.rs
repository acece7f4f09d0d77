//! What faces ask of a running session, and who answers: the loop where its state is concerned, else the handler itself.

use std::sync::{Arc, Weak};

use app::App;
use protocol::fold::HistorySpan;
use session_api::command::{Answer, Command};
use session_api::measured::LatencyHistory;
use session_api::snapshot::Snapshot;
use tokio::sync::{mpsc, oneshot, watch};

use crate::actor::control::Control;
use crate::api::caller;
use crate::jobs::{self, JobServerLink};
use crate::placement::Regrouping;
use crate::recording::again;
use crate::recording::recall::{self, Present};
use crate::recording::recorder::Recorder;
use crate::store::journal::Journal;
use crate::telemetry::measurer::HistoryAsk;

/// Asked of the loop.
#[derive(Debug)]
pub(crate) enum Ask {
    Snapshot(oneshot::Sender<Snapshot>),
    /// The app as it was read last.
    App(oneshot::Sender<Option<Arc<App>>>),
    /// End a service's host, which is then started again.
    Restart(String, oneshot::Sender<Answer>),
    /// Have services go on in other hosts; answered once they do.
    Move(Wish, oneshot::Sender<Answer>),
    /// The services there are now, to be run again.
    Present(oneshot::Sender<Present>),
    /// Run recorded inputs for the last edit once more.
    Replay(oneshot::Sender<Answer>),
    /// Write back what the files held before.
    Undo(oneshot::Sender<Answer>),
    /// Where buckets are, and where requests go.
    Where(Option<String>, oneshot::Sender<Answer>),
    /// Prepare a push or rollback; answered with its number once its plan is there, or it has come to its end.
    Push(Box<Command>, oneshot::Sender<Result<u64, Answer>>),
    /// Go on with it, or do not.
    Decide(u64, bool, oneshot::Sender<Answer>),
    StopPush(oneshot::Sender<Answer>),
    /// End the session.
    Stop(oneshot::Sender<Answer>),
}

/// Services that somebody wants in other hosts.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) wanted: Regrouping,
    pub(crate) services: Vec<String>,
    pub(crate) reset: bool,
}

/// Whoever answers faces.
pub(crate) struct Handler {
    pub(crate) asks: mpsc::UnboundedSender<Ask>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) control: Control,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) link: JobServerLink,
    pub(crate) histories: mpsc::Sender<HistoryAsk>,
    /// Pictures of the session: none is made while nobody has a receiver, and none are left when it ends.
    pub(crate) pictures: Weak<watch::Sender<Arc<Snapshot>>>,
}

impl Handler {
    /// The session at this moment; none when it ends.
    pub(crate) async fn snapshot(&self) -> Option<Snapshot> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Snapshot(reply)).ok()?;
        answer.await.ok()
    }

    /// The app as it was read last; none when the session ends, or nothing was read yet.
    pub(crate) async fn app(&self) -> Option<Arc<App>> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::App(reply)).ok()?;
        answer.await.ok()?
    }

    /// A service's latency over time; none where nothing was measured of it, or the session ends.
    pub(crate) async fn history(&self, service: String, span: HistorySpan) -> Option<LatencyHistory> {
        let (reply, answer) = oneshot::channel();
        self.histories.send(HistoryAsk { service, span, reply }).await.ok()?;
        answer.await.ok()?
    }

    pub(crate) async fn say(&self, command: Command) -> Answer {
        match command {
            Command::Restart { service } => self.ask(|reply| Ask::Restart(service, reply)).await,
            Command::Fuse { services, reset } => {
                self.ask(|reply| Ask::Move(Wish { wanted: Regrouping::Fuse, services, reset }, reply)).await
            }
            Command::Split { services, reset } => {
                self.ask(|reply| Ask::Move(Wish { wanted: Regrouping::Split, services, reset }, reply)).await
            }
            Command::Undo => self.ask(Ask::Undo).await,
            Command::Where { data } => self.ask(|reply| Ask::Where(data, reply)).await,
            Command::Replay { name: None } => self.ask(Ask::Replay).await,
            Command::Replay { name: Some(name) } => {
                self.recall(async |present| recall::replay(&self.recorder, present, &name).await).await
            }
            Command::Diff { request } => {
                self.recall(async |present| recall::diff(&self.recorder, present, request).await).await
            }
            Command::Step { request, hop, inputs } => {
                let step = async |present| recall::step(&self.recorder, present, request, hop, inputs).await;
                self.recall(step).await
            }
            Command::Recordings => {
                let folder = self.recorder.folder().to_owned();
                let listed = tokio::task::spawn_blocking(move || recall::list(&folder)).await;
                listed.unwrap_or_else(|error| caller::refused(error.to_string()))
            }
            Command::Record { on: true, name } => self.recorder(move |it| it.start(name.as_deref())).await,
            Command::Record { on: false, .. } => self.recorder(|it| it.stop()).await,
            Command::Keep { name } => self.recorder(move |it| it.save(&name)).await,
            Command::Push { .. } | Command::Rollback { .. } => self.push(command).await,
            Command::Decide { push, yes } => self.ask(|reply| Ask::Decide(push, yes, reply)).await,
            Command::StopPush => self.ask(Ask::StopPush).await,
            Command::Stop => self.ask(Ask::Stop).await,
            command => match self.snapshot().await {
                Some(snapshot) => self.serve(command, &snapshot).await,
                None => over(),
            },
        }
    }

    /// Answered once the plan is there, which may take as long as a build.
    async fn push(&self, command: Command) -> Answer {
        let (reply, answer) = oneshot::channel();
        if self.asks.send(Ask::Push(Box::new(command), reply)).is_err() {
            return over();
        }
        let number = match answer.await {
            Ok(Ok(number)) => number,
            Ok(Err(refused)) => return refused,
            Err(_) => return over(),
        };
        let push = self.snapshot().await.and_then(|known| known.pushes.into_iter().find(|push| push.push == number));
        push.map_or_else(over, |push| Answer::Planned { push: Box::new(push) })
    }

    /// The services there are now; none when the session ends.
    pub(crate) async fn present(&self) -> Option<Present> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Present(reply)).ok()?;
        answer.await.ok()
    }

    /// Something that runs functions again as they are now.
    async fn recall(&self, ask: impl AsyncFnOnce(Present) -> Answer) -> Answer {
        match self.present().await {
            Some(present) => ask(present).await,
            None => over(),
        }
    }

    /// Something of the recorder's that waits for the disk.
    async fn recorder(&self, work: impl FnOnce(&Recorder) -> Result<String, String> + Send + 'static) -> Answer {
        let recorder = self.recorder.clone();
        match tokio::task::spawn_blocking(move || work(&recorder)).await {
            Ok(Ok(message)) => Answer::Done { message },
            Ok(Err(message)) => caller::refused(message),
            Err(error) => caller::refused(error.to_string()),
        }
    }

    async fn ask(&self, ask: impl FnOnce(oneshot::Sender<Answer>) -> Ask) -> Answer {
        let (reply, answer) = oneshot::channel();
        if self.asks.send(ask(reply)).is_err() {
            return over();
        }
        answer.await.unwrap_or_else(|_| over())
    }

    async fn serve(&self, command: Command, snapshot: &Snapshot) -> Answer {
        match command {
            Command::Invoke { call } => caller::invoke(self.control.client(), snapshot, &call).await,
            Command::Time { count, call } => caller::time(self.control.client(), snapshot, &call, count).await,
            Command::State { service } => self.state(snapshot, &service).await,
            Command::Set { service, state, value } => self.set(snapshot, &service, &state, &value).await,
            command @ (Command::Jobs
            | Command::Job { .. }
            | Command::RunJob { .. }
            | Command::RetryJob { .. }
            | Command::CancelJob { .. }) => {
                jobs::say(self.control.client(), self.link.endpoint(), snapshot, command).await
            }
            Command::Again { request } => again::again(self.control.client(), &self.recorder, snapshot, request).await,
            Command::Restart { .. }
            | Command::Fuse { .. }
            | Command::Split { .. }
            | Command::Undo
            | Command::Push { .. }
            | Command::Rollback { .. }
            | Command::Decide { .. }
            | Command::StopPush
            | Command::Stop
            | Command::Replay { .. }
            | Command::Recordings
            | Command::Where { .. }
            | Command::Diff { .. }
            | Command::Step { .. }
            | Command::Record { .. }
            | Command::Keep { .. } => over(),
        }
    }

    async fn state(&self, snapshot: &Snapshot, service: &str) -> Answer {
        let (known, at) = match found(snapshot, service) {
            Ok(found) => found,
            Err(message) => return caller::refused(message),
        };
        let mut values = std::collections::BTreeMap::new();
        for name in known.placed.keys() {
            let read = self.control.state(at, name).await.map_err(|error| error.to_string());
            match read.and_then(|json| serde_json::from_slice(&json).map_err(|error| error.to_string())) {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(why) => return caller::refused(format!("{name} of {service} cannot be read: {why}")),
            }
        }
        Answer::State { values }
    }

    async fn set(&self, snapshot: &Snapshot, service: &str, state: &str, value: &serde_json::Value) -> Answer {
        let (known, at) = match found(snapshot, service) {
            Ok(found) => found,
            Err(message) => return caller::refused(message),
        };
        if !known.placed.contains_key(state) {
            return caller::refused(format!("{service} has no placed value {state}"));
        }
        match self.control.set_state(at, state, value.to_string().into()).await {
            Ok(()) => Answer::Done { message: format!("{service}.{state} is set") },
            Err(error) => caller::refused(format!("{state} stays as it was: {error}")),
        }
    }
}

type Found<'s> = (&'s session_api::snapshot::ServiceView, std::net::SocketAddr);

/// The service and where it can be asked, or in words why not.
fn found<'s>(snapshot: &'s Snapshot, service: &str) -> Result<Found<'s>, String> {
    let known = snapshot.service(service);
    let known = known.ok_or_else(|| format!("{service} is no service of this app"))?;
    let at = known.url.as_deref().and_then(|url| url.strip_prefix("http://")?.strip_suffix('/')?.parse().ok());
    let at = at.ok_or_else(|| format!("{service} does not serve yet"))?;
    Ok((known, at))
}

fn over() -> Answer {
    caller::refused("the session ends".to_owned())
}
