//! `dyn dev` on a terminal: the session, seen through the view.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use session::{AppPlace, Home, Session, SessionOptions};
use session_api::frame::{FrameFollower, SessionFrame};
use session_api::measured::MeasuredHop;
use session_api::{Answer, Client, ClientError, Command, Report, Snapshot, grammar};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tui::{Completions, Handler, Logged, ShownLine};

use super::jobs_beside::JobsPlan;
use super::on_cluster::Pictures;
use super::page::{self, PageBeside, PagePlan};
use crate::arguments::{Dev, Goal};
use crate::fault::{Fault, Kind};
use crate::start::{Asked, Signals};
use crate::{finding, speech};

/// Lines on their way to the view; what finds no room is counted.
const LINES: usize = 4096;

/// Whether there is a terminal that can show it and somebody before it.
pub(crate) fn is_possible(dev: &Dev) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal();
    !dev.json && !dev.plain && is_terminal && !is_dumb && !is_set("CI")
}

pub(crate) async fn serve(options: SessionOptions, dev: &Dev) -> Result<(), Fault> {
    let signals = Signals::new()?;
    let place = Home::open()?.place(&dev.file)?;
    let jobs = JobsPlan::new(&place, dev)?;
    let page = PagePlan::new(&place, dev).await?;
    let session = Session::start(options)?;
    let page = page.open(&session)?;
    let jobs = jobs.start(&session);
    let client = Client::attach(session.socket())?;
    let (lines, logs) = mpsc::channel(LINES);
    let handler = Arc::new(clerk(client, &place, dev, Some(page)));
    let source = tui::ViewSource { snapshots: session.pictures(), logs, handler, looks_at: None };
    let (quit, quitting) = oneshot::channel();
    let mut driver = tokio::spawn(drive(session, signals, lines, quitting));
    // In a task of its own: a terminal that takes nothing, as after Ctrl-S, keeps nobody else.
    let mut view = tokio::spawn(tui::run(source, theme(dev)));
    let lost = |error| Fault::new(Kind::Machine, format!("a part of the session ended: {error}"));
    let (shown, ended) = tokio::select! {
        shown = &mut view => {
            // Refused by a session that ended first.
            let _ended = quit.send(());
            (shown.map_err(lost)?, driver.await.map_err(lost)?)
        }
        ended = &mut driver => {
            // It ends with the session, unless its terminal keeps it.
            let Ok(shown) = tokio::time::timeout(LAST_FRAME, &mut view).await else {
                view.abort();
                if tokio::time::timeout(LAST_FRAME, view).await.is_err() {
                    speech::give_up();
                }
                return ended.map_err(lost)?.ended;
            };
            (shown.map_err(lost)?, ended.map_err(lost)?)
        }
    };
    jobs.end().await;
    // Now that the terminal is as before, what is said stays to be read.
    finding::print(&ended.broken);
    if ended.is_stopped {
        drop(speech::err("stopped"));
    }
    shown.map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
    ended.ended
}

/// How a session ended.
struct Over {
    ended: Result<(), Fault>,
    /// What is still wrong.
    broken: Vec<session_api::Diagnostic>,
    is_stopped: bool,
}

/// A view gives its terminal back within this, once its session is over.
const LAST_FRAME: Duration = Duration::from_secs(1);

/// How often the service that is looked at is asked for all that was measured of it.
const LOOK: Duration = Duration::from_secs(1);

/// The view of a session in another process.
pub(crate) async fn attach(dev: &Dev) -> Result<(), Fault> {
    if !is_possible(dev) {
        return Err(Fault::new(Kind::Usage, "the view needs a terminal")
            .hint("`dyn status`, `dyn logs` and `dyn events` tell the same as lines"));
    }
    let client = super::status::attached(&dev.file)?;
    let place = Home::open()?.place(&dev.file)?;
    let (chosen, looks_at) = watch::channel(None);
    let mut attached = Attached::begin(client.clone(), looks_at).await?;
    let (shown, snapshots) = watch::channel(Arc::new(attached.next().await?.unwrap_or_default()));
    let (lines, logs) = mpsc::channel(LINES);
    let handler = Arc::new(clerk(client.clone(), &place, dev, None));
    let source = tui::ViewSource { snapshots, logs, handler, looks_at: Some(chosen) };
    let looking = tokio::spawn(look(attached, shown));
    let reading = tokio::spawn(read(client, lines));
    let seen = tui::run(source, theme(dev)).await;
    looking.abort();
    reading.abort();
    seen.map(drop).map_err(|error| Fault::new(Kind::Machine, error.to_string()))
}

/// Ends with the session.
async fn look(mut attached: Attached, shown: watch::Sender<Arc<Snapshot>>) {
    while let Ok(Some(snapshot)) = attached.next().await {
        if shown.send(Arc::new(snapshot)).is_err() {
            return;
        }
    }
}

/// A session in another process, as its frames tell it; of the service that is looked at all that was measured is asked
/// for besides.
struct Attached {
    client: Client,
    frames: mpsc::Receiver<Result<SessionFrame, ClientError>>,
    reader: FrameFollower,
    snapshot: Snapshot,
    looks_at: watch::Receiver<Option<String>>,
    looked: tokio::time::Interval,
    hop: Option<(String, MeasuredHop)>,
}

impl Attached {
    async fn begin(client: Client, looks_at: watch::Receiver<Option<String>>) -> Result<Self, Fault> {
        let mut lines = client.frames().await?;
        // In a task of its own: a line is not to be given up in the midst of it.
        let (told, frames) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(frame) = lines.next().await.transpose() {
                let is_last = frame.is_err();
                if told.send(frame).await.is_err() || is_last {
                    return;
                }
            }
        });
        let mut looked = tokio::time::interval(LOOK);
        looked.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (reader, snapshot) = (FrameFollower::default(), Snapshot::default());
        Ok(Self { client, frames, reader, snapshot, looks_at, looked, hop: None })
    }

    /// The session, once it changed; none where it ended.
    async fn next(&mut self) -> Result<Option<Snapshot>, Fault> {
        loop {
            let is_chosen = self.looks_at.borrow().is_some();
            tokio::select! {
                frame = self.frames.recv() => {
                    let Some(frame) = frame else { return Ok(None) };
                    let applied = self.reader.apply(frame?);
                    self.snapshot = applied.map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
                    break;
                }
                Ok(()) = self.looks_at.changed() => {}
                _ = self.looked.tick(), if is_chosen => {}
            }
            // A service that went away in between is not known, and has nothing to show.
            let Some(service) = self.looks_at.borrow_and_update().clone() else { continue };
            self.hop = self.client.hop(&service).await.ok().map(|hop| (service, hop));
            break;
        }
        let mut snapshot = self.snapshot.clone();
        if let Some((service, hop)) = self.hop.clone().filter(|(service, _)| snapshot.service(service).is_some()) {
            snapshot.hops.insert(service, hop);
        }
        Ok(Some(snapshot))
    }
}

async fn read(client: Client, lines: mpsc::Sender<Logged>) {
    let Ok(mut kept) = client.follow_logs(None, None, true).await else { return };
    while let Ok(Some(json)) = kept.next().await {
        let line = match serde_json::from_str::<session_api::LogLine>(&json) {
            Ok(line) => Logged::Line(ShownLine {
                stderr: line.stream == "stderr",
                service: line.service,
                at_ms: line.at_ms,
                line: tui::short(line.line),
            }),
            // What is no line says how many were lost.
            Err(_) => Logged::Lost(
                serde_json::from_str::<serde_json::Value>(&json).map_or(1, |lost| lost["n"].as_u64().unwrap_or(1)),
            ),
        };
        if lines.send(line).await.is_err() {
            return;
        }
    }
}

fn clerk(client: Client, place: &AppPlace, dev: &Dev, page: Option<PageBeside>) -> Clerk {
    let (file, goal) = (dev.file.clone(), dev.goal.clone());
    Clerk { client, logs: place.logs(), history: place.history(), folder: place.folder.clone(), file, goal, page }
}

fn theme(dev: &Dev) -> tui::ViewOptions {
    let mut view = tui::ViewOptions::default();
    view.theme.ascii = dev.ascii;
    view.mouse = !dev.no_mouse;
    view
}

/// Hands what the session reports to the view, and ends the session when the view or a signal asks for it.
async fn drive(
    mut session: Session,
    mut signals: Signals,
    lines: mpsc::Sender<Logged>,
    mut quitting: oneshot::Receiver<()>,
) -> Over {
    let mut over = Over { ended: Ok(()), broken: Vec::new(), is_stopped: false };
    let (mut lost, mut is_quitting, mut interrupted) = (0, false, false);
    let begun = Instant::now();
    loop {
        tokio::select! {
            report = session.next() => match report {
                None => return over,
                Some(Report::Log { service, stream, line }) => {
                    let line = tui::short(line);
                    let line = ShownLine { service, stderr: stream == "stderr", at_ms: since(begun), line };
                    if lost > 0 && lines.try_send(Logged::Lost(lost)).is_ok() {
                        lost = 0;
                    }
                    lost += u64::from(lines.try_send(Logged::Line(line)).is_err());
                }
                Some(Report::Failed { message, hint }) => {
                    let fault = Fault::new(Kind::Machine, message);
                    over.ended = Err(hint.into_iter().fold(fault, Fault::hint));
                }
                // What is still wrong at the end is said once more where it stays to be read.
                Some(Report::Broken { diagnostics, .. }) => over.broken = diagnostics,
                Some(Report::Ready { .. } | Report::Live { .. } | Report::Unchanged { .. }) => over.broken.clear(),
                Some(Report::Stopped) => over.is_stopped = true,
                Some(_) => {}
            },
            _ = &mut quitting, if !is_quitting => {
                is_quitting = true;
                drop(speech::err("stopping"));
                session.interrupt();
            }
            asked = signals.next() => {
                // Ctrl-C in an editor, a pager or the shell is theirs.
                if asked == Asked::ByKey && tui::is_away() {
                    continue;
                }
                if std::mem::replace(&mut interrupted, true) {
                    over.ended = Err(Fault::new(Kind::Interrupted, "forced to end before everything was removed")
                        .hint("`dyn stop FILE` removes what is left"));
                    return over;
                }
                session.interrupt();
            }
        }
    }
}

fn since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Does what the view asks for.
struct Clerk {
    client: Client,
    logs: PathBuf,
    history: PathBuf,
    file: PathBuf,
    /// Which cluster is looked at.
    goal: Goal,
    folder: PathBuf,
    /// The page of this process; none: the session's is another's.
    page: Option<PageBeside>,
}

impl Handler for Clerk {
    fn complete(&self, line: &str, cursor: usize, snapshot: &Snapshot) -> Completions {
        let (start, candidates) = grammar::complete(line, cursor, snapshot);
        Completions { start, words: candidates.into_iter().map(|candidate| candidate.text).collect() }
    }

    fn run(&self, line: String) -> BoxFuture<'static, Vec<String>> {
        let client = self.client.clone();
        async move {
            if let Some(lines) = begin_push(&client, &line).await {
                return lines;
            }
            let page = Page::default();
            let input = Box::new(io::Cursor::new(line.into_bytes()));
            let ran = shell::run_piped(client, input, Box::new(page.clone()), Box::new(page.clone()), false).await;
            let mut lines = page.lines();
            if let Err(error) = ran {
                lines.push(error.to_string());
            }
            lines
        }
        .boxed()
    }

    fn say(&self, command: Command) -> BoxFuture<'static, Answer> {
        let client = self.client.clone();
        async move {
            let said = client.say(&command).await;
            said.unwrap_or_else(|error| Answer::Refused { message: error.to_string(), hint: None })
        }
        .boxed()
    }

    fn shell(&self) -> BoxFuture<'static, Result<(), String>> {
        let options = shell::ShellOptions { history: Some(self.history.clone()), ..shell::ShellOptions::default() };
        let client = self.client.clone();
        async move { shell::run(client, options).await.map(drop).map_err(|error| error.to_string()) }.boxed()
    }

    fn cluster(&self, local: Pictures) -> BoxFuture<'static, Result<Pictures, String>> {
        super::on_cluster::look(self.file.clone(), self.goal.clone(), local).boxed()
    }

    fn fleet(&self) -> Option<watch::Receiver<Arc<Vec<String>>>> {
        super::on_nodes::watched()
    }

    fn page(&self) -> Option<BoxFuture<'static, Result<String, String>>> {
        let (page, folder) = (self.page.clone(), self.folder.clone());
        if page.as_ref().is_some_and(|page| !page.is_open()) {
            return None;
        }
        let shown = move || match page.and_then(|page| page.show()) {
            Some(shown) => shown,
            None => page::open_link(&folder).map_err(|fault| fault.words()).and_then(|link| page::show(&link)),
        };
        let joined = |shown: Result<_, tokio::task::JoinError>| shown.unwrap_or_else(|error| Err(error.to_string()));
        Some(async move { joined(tokio::task::spawn_blocking(shown).await) }.boxed())
    }

    fn log_files(&self, service: Option<&str>) -> Vec<PathBuf> {
        if let Some(service) = service {
            return vec![self.logs.join(format!("{service}.log"))].into_iter().filter(|file| file.exists()).collect();
        }
        let files = std::fs::read_dir(&self.logs).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|end| end == "log")).collect();
        files.sort();
        files
    }
}

/// Says a line that begins a push or rollback; none where it is another. The view shows the plan, and asks.
async fn begin_push(client: &Client, line: &str) -> Option<Vec<String>> {
    let snapshot = client.snapshot().await.ok()?;
    let meant = grammar::parse(line, &snapshot, &grammar::NoAnswers).ok()?;
    let grammar::Meaning::Say(command @ (Command::Push { .. } | Command::Rollback { .. })) = meant else { return None };
    Some(match client.say(&command).await {
        Ok(Answer::Refused { message, hint }) => [message].into_iter().chain(hint).collect(),
        Ok(_) => Vec::new(),
        Err(error) => vec![error.to_string()],
    })
}

/// What a line came to, values and talk in one.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn lines(&self) -> Vec<String> {
        let written = self.0.lock();
        String::from_utf8_lossy(&written).lines().map(str::to_owned).collect()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
