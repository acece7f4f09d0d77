//! Lines from a terminal: a prompt, calls that Ctrl-C cancels, and a terminal left as it was.

use std::io::Write;
use std::io::stdin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use session_api::grammar::is_blank;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::editor::{Editor, Latest};
use crate::handler::{Fate, Handler};
use crate::history::History;
use crate::options::{ShellEnd, ShellError, ShellOptions};
use crate::peer::ShellPeer;
use crate::prompt::{Prompt, Typed};
use crate::{push, show};

/// Completion shows what it knew before rather than make one wait who has pressed tab.
const PATIENCE: Duration = Duration::from_millis(300);

/// Reads lines until ctrl-d, `:quit`, or a signal.
pub(crate) async fn run<P: ShellPeer>(mut handler: Handler<P>, options: ShellOptions) -> Result<ShellEnd, ShellError> {
    handler.can_ask = true;
    let snapshot = handler.attach().await?;
    let mut ends = Ends::listen()?;
    let _as_it_was = AsItWas::note();
    handler.voice.talk(&show::greeting(&snapshot))?;
    let latest = Arc::new(Mutex::new(snapshot));
    let (history, earlier) = remembered(&mut handler, &options)?;
    let editor =
        Editor { latest: Arc::clone(&latest), refresh: refresh(&handler.peer, &latest), paint: handler.voice.paint };
    let mut prompt = Prompt::start(editor, history, &earlier)?;
    loop {
        if let Ok(snapshot) = handler.peer.snapshot().await {
            *latest.lock() = snapshot;
        }
        prompt.ask(None);
        let line = loop {
            let typed = tokio::select! {
                typed = prompt.typed() => typed,
                signal = ends.next() => return Ok(ShellEnd { signal: Some(signal), ..ShellEnd::default() }),
            };
            match typed {
                Typed::Line(line) => break line,
                Typed::Cleared => break String::new(),
                Typed::End => return Ok(ShellEnd::default()),
                Typed::Failed(message) => return Err(ShellError::Read(message)),
                Typed::NotKept(why) => handler.voice.talk(&format!("lines are not remembered: {why}"))?,
            }
        };
        if is_blank(&line) {
            continue;
        }
        let mut done = attend(handler.line(&line), &mut ends).await?;
        if let Done::Fate(Fate::Asks(push)) = done {
            if let Ok(snapshot) = handler.peer.snapshot().await {
                prompt.ask(Some(push::question(&snapshot, push)));
            } else {
                prompt.ask(Some("go on? [y/N] ".to_owned()));
            }
            let said = tokio::select! {
                typed = prompt.typed() => typed,
                signal = ends.next() => return Ok(ShellEnd { signal: Some(signal), ..ShellEnd::default() }),
            };
            let yes = matches!(&said, Typed::Line(line) if ["y", "yes"].contains(&line.trim().to_lowercase().as_str()));
            done = attend(handler.decide(push, yes), &mut ends).await?;
        }
        match done {
            Done::Fate(Fate::Leave) => return Ok(ShellEnd::default()),
            Done::Fate(Fate::Done | Fate::Failed | Fate::Asks(_)) => {}
            Done::Signal(signal) => return Ok(ShellEnd { signal: Some(signal), ..ShellEnd::default() }),
            Done::Cancelled => {
                // What is pushed is the session's business, and not given up with the line.
                let known = handler.peer.snapshot().await.ok();
                let words = known.as_ref().and_then(push::goes_on);
                handler.voice.talk(words.as_deref().unwrap_or("cancelled"))?;
            }
        }
    }
}

/// What became of a line.
enum Done {
    Fate(Fate),
    /// Ctrl-C.
    Cancelled,
    /// One that ends the shell.
    Signal(i32),
}

async fn attend(line: impl Future<Output = Result<Fate, ShellError>>, ends: &mut Ends) -> Result<Done, ShellError> {
    // One that came before the call is not meant for it.
    let mut cancel = signal(SignalKind::interrupt()).map_err(ShellError::Signal)?;
    Ok(tokio::select! {
        fate = line => Done::Fate(fate?),
        _ = cancel.recv() => Done::Cancelled,
        signal = ends.next() => Done::Signal(signal),
    })
}

/// The lines of before. A history that cannot be had is a notice and no reason to go.
fn remembered<P: ShellPeer>(
    handler: &mut Handler<P>,
    options: &ShellOptions,
) -> Result<(Option<History>, Vec<String>), ShellError> {
    let Some(path) = &options.history else { return Ok((None, Vec::new())) };
    match History::open(path) {
        Ok((history, lines)) => Ok((Some(history), lines)),
        Err(error) => {
            handler.voice.talk(&format!("lines are not remembered: {}: {error}", path.display()))?;
            Ok((None, Vec::new()))
        }
    }
}

/// Asks for a newer picture, from the thread of the prompt.
fn refresh<P: ShellPeer>(peer: &Arc<P>, latest: &Latest) -> Box<dyn Fn() + Send> {
    let (peer, latest) = (Arc::clone(peer), Arc::clone(latest));
    let runtime = tokio::runtime::Handle::current();
    Box::new(move || {
        let newer = runtime.block_on(async { tokio::time::timeout(PATIENCE, peer.snapshot()).await });
        if let Ok(Ok(snapshot)) = newer {
            *latest.lock() = snapshot;
        }
    })
}

/// The signals that end a shell.
struct Ends {
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    fn listen() -> Result<Self, ShellError> {
        let listen = |kind| signal(kind).map_err(ShellError::Signal);
        Ok(Self { terminate: listen(SignalKind::terminate())?, hangup: listen(SignalKind::hangup())? })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.hangup.recv() => SignalKind::hangup().as_raw_value(),
        }
    }
}

/// The terminal's settings, put back in the end: a signal may come while a line is typed.
struct AsItWas(Option<Termios>);

impl AsItWas {
    fn note() -> Self {
        Self(tcgetattr(stdin()).ok())
    }
}

impl Drop for AsItWas {
    fn drop(&mut self) {
        let Some(before) = &self.0 else { return };
        let raw = tcgetattr(stdin()).is_ok_and(|now| now.local_modes != before.local_modes);
        if raw && tcsetattr(stdin(), OptionalActions::Now, before).is_ok() {
            // The prompt has pastes marked; whoever comes next may not know of it.
            let _ = std::io::stdout().write_all(b"\x1b[?2004l\r\n");
        }
    }
}
