//! The view on a real terminal: takes in what happens, draws what changed, does what is to be done.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use crossterm::event::Event;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};
use session_api::Snapshot;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;

use crate::act::{Action, ViewInput};
use crate::keys::Keys;
use crate::log::{LogRing, Logged};
use crate::model::{Model, Overlay};
use crate::pace::Pace;
use crate::scope::{Change, Elsewhere, Pictures, Scope};
use crate::screen::{self, Screen, failed};
use crate::source::{Exit, TuiError, ViewOptions, ViewSource};
use crate::{answer, draw, log_view, model, program, sources, update};

/// Lines that are taken in at once, so that a service that never stops writing leaves time for keys.
const MOST_LINES: usize = 10_000;

/// How often a view in the background looks whether the terminal is its own again.
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);

/// Shows the view until the user quits or the session ends. The terminal is as before when this returns or is dropped.
///
/// While a program of the user's has the terminal ([`crate::is_away`]), SIGINT is meant for that program.
pub async fn run(source: ViewSource, options: ViewOptions) -> Result<Exit, TuiError> {
    let screen = Screen::open(options.mouse)?;
    View::new(source, options, screen)?.run().await
}

struct View {
    screen: Screen,
    /// None while another program reads the keys.
    keys: Option<Keys>,
    source: ViewSource,
    elsewhere: Elsewhere,
    /// Who tells of the fleet, as long as it is shown.
    fleet: Option<watch::Receiver<Arc<Vec<String>>>>,
    model: Model,
    logs: LogRing,
    logs_open: bool,
    /// The terminal is another's: nothing is drawn, and no key is read.
    in_background: bool,
    /// What is drawn: the latest picture, or the one that was frozen.
    shown: Arc<Snapshot>,
    jobs: FuturesUnordered<BoxFuture<'static, ViewInput>>,
    pace: Pace,
    resized: bool,
    stopped: unix::Signal,
    continued: unix::Signal,
    hung_up: unix::Signal,
}

impl View {
    fn new(mut source: ViewSource, options: ViewOptions, screen: Screen) -> Result<Self, TuiError> {
        let shown = source.snapshots.borrow_and_update().clone();
        let in_background = screen::in_background();
        let mut view = Self {
            screen,
            keys: (!in_background).then(Keys::new),
            in_background,
            source,
            elsewhere: Elsewhere::default(),
            fleet: None,
            model: Model::new(options.theme, options.mouse, (0, 0)),
            logs: LogRing::new(options.log_lines),
            logs_open: true,
            jobs: FuturesUnordered::new(),
            pace: Pace::default(),
            resized: false,
            shown: Arc::default(),
            stopped: listen(Signal::TSTP)?,
            continued: listen(Signal::CONT)?,
            hung_up: listen(Signal::HUP)?,
        };
        view.show(shown);
        Ok(view)
    }

    async fn run(mut self) -> Result<Exit, TuiError> {
        let mut lines = Vec::new();
        loop {
            if self.in_background && !screen::in_background() {
                self.go_on()?;
            }
            let idle = self.in_background || !self.pace.is_owed();
            let wait = self.pace.wait(Instant::now()).filter(|_| !self.in_background);
            let happened = tokio::select! {
                event = next(&mut self.keys) => match event {
                    Some(event) => self.event(event.map_err(failed("cannot read the keys"))?),
                    None => return Ok(Exit::TerminalGone),
                },
                Some(input) = self.jobs.next() => self.take(input),
                // What changes is taken in when it is drawn, however often it changes.
                changed = self.source.snapshots.changed(), if idle => {
                    if changed.is_err() {
                        return Ok(Exit::Ended);
                    }
                    // Somebody who looks at the cluster is given a picture from there.
                    if self.elsewhere.pictures().is_none() {
                        self.show_latest();
                    }
                    Vec::new()
                }
                change = self.elsewhere.changed(), if idle => self.changed(change),
                lines = told(&mut self.fleet), if idle => match lines {
                    Some(lines) if matches!(self.model.overlay, Some(Overlay::Fleet { .. })) => {
                        self.take(ViewInput::Fleet(lines))
                    }
                    // Nobody looks any more: who tells of it ends.
                    _ => {
                        self.fleet = None;
                        Vec::new()
                    }
                },
                n = self.source.logs.recv_many(&mut lines, MOST_LINES), if idle && self.logs_open => {
                    self.logs_open = n > 0;
                    self.write(&mut lines);
                    Vec::new()
                }
                () = sleep(wait) => {
                    self.draw()?;
                    Vec::new()
                }
                _ = self.stopped.recv() => {
                    self.stop().await?;
                    self.go_on()?;
                    Vec::new()
                }
                _ = self.continued.recv() => {
                    self.go_on()?;
                    Vec::new()
                }
                // A shell need not say that it has given us the terminal back.
                () = tokio::time::sleep(LOOK), if self.in_background => Vec::new(),
                _ = self.hung_up.recv() => return Ok(Exit::TerminalGone),
                () = screen::panicked() => return Err(TuiError::Panicked),
            };
            for act in happened {
                if act == Action::Quit {
                    self.screen.leave()?;
                    return Ok(Exit::Quit);
                }
                self.act(act).await?;
            }
        }
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Key(key) => self.take(ViewInput::Key(key)),
            Event::Mouse(mouse) => self.take(ViewInput::Mouse(mouse)),
            Event::Paste(text) => self.take(ViewInput::Paste(text)),
            Event::Resize(width, height) => {
                // A terminal that shrank and grew again between two frames has lost what it showed.
                self.resized = true;
                self.take(ViewInput::Resize(width, height))
            }
            Event::FocusGained | Event::FocusLost => Vec::new(),
        }
    }

    fn take(&mut self, input: ViewInput) -> Vec<Action> {
        self.pace.mark();
        update(&mut self.model, input, &self.shown, &self.logs)
    }

    /// Takes in what happened on the cluster.
    fn changed(&mut self, change: Change) -> Vec<Action> {
        match change {
            Change::Picture => {
                self.show_latest();
                Vec::new()
            }
            Change::Shows(scope) => {
                self.show_latest();
                self.take(ViewInput::Shows(scope))
            }
            Change::Ended(why) => {
                self.show_latest();
                self.take(ViewInput::Shows(Scope::Here));
                self.take(ViewInput::Said(why))
            }
        }
    }

    /// The pictures of the backend that is shown.
    fn pictures(&mut self) -> &mut Pictures {
        match self.elsewhere.pictures() {
            Some(pictures) => pictures,
            None => &mut self.source.snapshots,
        }
    }

    fn show_latest(&mut self) {
        let latest = self.pictures().borrow_and_update().clone();
        self.show(latest);
    }

    /// Shows a picture, unless the one that is shown is held.
    fn show(&mut self, snapshot: Arc<Snapshot>) {
        if self.model.frozen.is_some() {
            return;
        }
        if snapshot.diagnostics != self.shown.diagnostics {
            let files = snapshot.diagnostics.iter().map(|finding| finding.place.file.clone());
            for file in files.collect::<std::collections::BTreeSet<_>>() {
                self.jobs.push(Box::pin(sources::read(file)));
            }
        }
        self.shown = snapshot;
        self.take(ViewInput::Tick);
    }

    fn write(&mut self, lines: &mut Vec<Logged>) {
        if self.model.frozen.is_none() && !lines.is_empty() {
            self.pace.mark();
        }
        lines.drain(..).for_each(|line| self.logs.push(line));
    }

    fn draw(&mut self) -> Result<(), TuiError> {
        if self.pictures().has_changed().unwrap_or(false) {
            self.show_latest();
        }
        for _ in 0..MOST_LINES {
            let Ok(line) = self.source.logs.try_recv() else { break };
            self.logs.push(line);
        }
        if std::mem::take(&mut self.resized) {
            self.screen.clear()?;
        }
        let terminal = &mut self.screen.terminal;
        terminal.autoresize().map_err(failed("cannot learn the terminal's size"))?;
        let size = terminal.get_frame().area();
        update(&mut self.model, ViewInput::Resize(size.width, size.height), &self.shown, &self.logs);
        let (model, shown, logs) = (&self.model, &self.shown, &self.logs);
        terminal.draw(|frame| draw(model, shown, logs, frame)).map_err(failed("cannot draw"))?;
        if let Some(looks_at) = &self.source.looks_at {
            let chosen = model::chosen_service(model, shown).map(|service| service.name.clone());
            looks_at.send_if_modified(|known| {
                *known != chosen && {
                    known.clone_from(&chosen);
                    true
                }
            });
        }
        self.pace.drawn(Instant::now());
        Ok(())
    }

    async fn act(&mut self, act: Action) -> Result<(), TuiError> {
        let handler = Arc::clone(&self.source.handler);
        match act {
            Action::Quit => {}
            Action::Redraw => self.screen.clear()?,
            Action::Say(command) => {
                let title = format!("{command:?}").to_lowercase();
                let answer = handler.say(command);
                self.jobs.push(Box::pin(async { ViewInput::Answered { title, lines: answer::shown(&answer.await) } }));
            }
            Action::Run(line) => {
                let ran = handler.run(line.clone());
                self.jobs.push(Box::pin(async { ViewInput::Answered { title: line, lines: ran.await } }));
            }
            Action::Complete { text, cursor } => {
                let found = handler.complete(&text, cursor, &self.shown);
                self.take(ViewInput::Completions { text, found });
            }
            Action::OpenEditor { file, line, column } => self.lend(program::edit(&file, line, column)).await?,
            Action::OpenPager { service } => {
                let files = handler.log_files(service.as_deref());
                let text: String = log_view::lines(&self.model, &self.logs)
                    .map(|(_, l)| format!("{} {}\n", l.service, l.line))
                    .collect();
                self.lend(async move { program::page(&files, text).await }).await?;
            }
            Action::Fleet => {
                self.fleet = handler.fleet();
                if self.fleet.is_none() {
                    let lines = vec!["this dyn was built without the feature `nodes`".to_owned()];
                    drop(self.take(ViewInput::Fleet(Arc::new(lines))));
                }
            }
            Action::OpenPage => match handler.page() {
                Some(opened) => {
                    self.jobs.push(Box::pin(async { ViewInput::Said(opened.await.unwrap_or_else(|why| why)) }))
                }
                None => {
                    drop(self.take(ViewInput::Said("this session has no page: start it without --page off".into())))
                }
            },
            Action::Shell => self.lend(handler.shell()).await?,
            Action::Copy(text) => self.screen.copy(&text)?,
            Action::Mouse(ours) => self.screen.mouse(ours)?,
            // The whole group stops, as it would without us: what started us, such as cargo, learns of it.
            Action::Suspend => {
                kill_current_process_group(Signal::TSTP).map_err(|error| failed("cannot stop")(error.into()))?
            }
            Action::Freeze(true) => {}
            Action::Freeze(false) => self.show_latest(),
            Action::Cluster(true) => self.elsewhere.ask(&*handler, &self.source.snapshots),
            Action::Cluster(false) => {
                self.elsewhere.give_up();
                self.show_latest();
            }
        }
        Ok(())
    }

    /// Lends the terminal to another program until it ends.
    async fn lend(&mut self, program: impl Future<Output = Result<(), String>>) -> Result<(), TuiError> {
        self.release_keys();
        self.screen.leave()?;
        screen::set_away(true);
        let mut program = pin!(program);
        let mut lines = Vec::new();
        let ended = loop {
            tokio::select! {
                ended = &mut program => break ended,
                n = self.source.logs.recv_many(&mut lines, MOST_LINES), if self.logs_open => {
                    self.logs_open = n > 0;
                    self.write(&mut lines);
                }
                // The other program stops by itself; the user's shell waits for us. What follows is its to draw.
                _ = self.stopped.recv() => self.stop().await?,
                _ = self.continued.recv() => {}
            }
        };
        screen::set_away(false);
        self.screen.take(self.model.mouse)?;
        self.keys = Some(Keys::new());
        self.pace.mark();
        if let Err(why) = ended {
            self.take(ViewInput::Said(why));
        }
        Ok(())
    }

    /// Goes on after a stop: on the terminal, or without it where the user's shell lets this run in the background.
    fn go_on(&mut self) -> Result<(), TuiError> {
        self.in_background = screen::in_background();
        if self.in_background {
            self.release_keys();
            return Ok(());
        }
        self.screen.retake(self.model.mouse)?;
        if self.keys.is_none() {
            self.keys = Some(Keys::new());
        }
        self.pace.mark();
        Ok(())
    }

    /// Stops until the user's shell brings us back.
    async fn stop(&mut self) -> Result<(), TuiError> {
        self.release_keys();
        self.screen.leave()?;
        // What continued us before is no answer to this stop.
        self.continued.recv().now_or_never();
        // SIGTSTP is ours to hear, so that the terminal is given back before; SIGSTOP is what stops then.
        kill_process(getpid(), Signal::STOP).map_err(|error| failed("cannot stop")(error.into()))?;
        // A thread may go on for a moment; whoever looked at the terminal then would find it still ours.
        self.continued.recv().await;
        Ok(())
    }

    fn release_keys(&mut self) {
        if let Some(keys) = self.keys.take() {
            keys.end();
        }
    }
}

fn listen(signal: Signal) -> Result<unix::Signal, TuiError> {
    unix::signal(SignalKind::from_raw(signal.as_raw())).map_err(failed("cannot listen for a signal"))
}

async fn next(keys: &mut Option<Keys>) -> Option<std::io::Result<Event>> {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

/// What is told next of the fleet; none once nobody tells of it.
async fn told(fleet: &mut Option<watch::Receiver<Arc<Vec<String>>>>) -> Option<Arc<Vec<String>>> {
    let Some(lines) = fleet else { return std::future::pending().await };
    lines.changed().await.ok()?;
    Some(lines.borrow_and_update().clone())
}

async fn sleep(wait: Option<std::time::Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
