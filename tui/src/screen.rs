//! The terminal as ours: taken, given back, and given back whatever happens.

use std::io::{self, BufWriter, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use tokio::sync::Notify;

use crate::source::TuiError;

/// Whether the terminal is ours at this moment.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether another program has the terminal because the view gave it to it.
static AWAY: AtomicBool = AtomicBool::new(false);
/// Told when the terminal was given back because of a panic.
static PANICKED: Notify = Notify::const_new();

/// The terminal. It is given back when this is dropped.
pub(crate) struct Screen {
    pub(crate) terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal, unless this runs in the background: then it is somebody else's.
    pub(crate) fn open(mouse: bool) -> Result<Self, TuiError> {
        mind_panics();
        // A frame goes out in one piece.
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        let terminal = Terminal::new(backend).map_err(failed("cannot look at the terminal"))?;
        let mut screen = Self { terminal };
        if !in_background() {
            screen.take(mouse)?;
        }
        Ok(screen)
    }

    /// Takes the terminal, which is as it was before the view.
    pub(crate) fn take(&mut self, mouse: bool) -> Result<(), TuiError> {
        TAKEN.store(true, Ordering::SeqCst);
        let took = enable_raw_mode()
            .and_then(|()| execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste))
            .and_then(|()| if mouse { execute!(io::stdout(), EnableMouseCapture) } else { Ok(()) });
        took.map_err(failed("cannot take the terminal"))?;
        self.clear()
    }

    /// Takes the terminal after a stop, which may have come without a warning.
    pub(crate) fn retake(&mut self, mouse: bool) -> Result<(), TuiError> {
        disable_raw_mode().map_err(failed("cannot take the terminal"))?;
        self.take(mouse)
    }

    /// Clears the screen, so that the next frame draws all of it. `Terminal::clear` would ask the terminal where its
    /// cursor is and wait for an answer that the stream of keys reads first.
    pub(crate) fn clear(&mut self) -> Result<(), TuiError> {
        let backend = self.terminal.backend_mut();
        backend.clear().and_then(|()| Backend::flush(backend)).map_err(failed("cannot clear the screen"))?;
        self.terminal.swap_buffers();
        Ok(())
    }

    /// Gives the terminal back as it was.
    pub(crate) fn leave(&mut self) -> Result<(), TuiError> {
        leave().map_err(failed("cannot give the terminal back"))
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub(crate) fn mouse(&mut self, ours: bool) -> Result<(), TuiError> {
        let told =
            if ours { execute!(io::stdout(), EnableMouseCapture) } else { execute!(io::stdout(), DisableMouseCapture) };
        told.map_err(failed("cannot tell the terminal whose the mouse is"))
    }

    /// Puts text into the clipboard, by OSC 52.
    pub(crate) fn copy(&mut self, text: &str) -> Result<(), TuiError> {
        let told = execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text));
        told.map_err(failed("cannot copy"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nobody left to tell: a terminal that takes no words is gone.
        drop(leave());
    }
}

/// Whether the terminal is another process group's by now, as after `bg`. The system stops whoever sets a terminal's
/// modes or reads its keys then, and who is stopped hears no signal.
pub(crate) fn in_background() -> bool {
    let foreground = rustix::termios::tcgetpgrp(io::stdin());
    foreground.is_ok_and(|group| group != rustix::process::getpgrp())
}

/// Whether a program the view started, such as the user's editor, has the terminal at this moment. What its keys send to
/// the whole process group, SIGINT above all, is meant for that program alone.
pub fn is_away() -> bool {
    AWAY.load(Ordering::SeqCst)
}

/// Says whether another program has the terminal.
pub(crate) fn set_away(away: bool) {
    AWAY.store(away, Ordering::SeqCst);
}

/// Whether the terminal is ours at this moment.
pub(crate) fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Comes back when the terminal was given back because of a panic.
pub(crate) async fn panicked() {
    PANICKED.notified().await;
}

/// An error that says what was to be done.
pub(crate) fn failed(doing: &'static str) -> impl Fn(io::Error) -> TuiError {
    move |source| TuiError::Terminal { doing, source }
}

fn leave() -> io::Result<()> {
    // In the background there is nothing to give back: who has the terminal has set it as it wants it.
    if !TAKEN.swap(false, Ordering::SeqCst) || in_background() {
        return Ok(());
    }
    let mut out = io::stdout();
    let told = execute!(out, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let modes = disable_raw_mode();
    told.and(modes).and(out.flush())
}

/// From now on a panic gives the terminal back before it says its words.
fn mind_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let taken = is_taken();
            // The words of the panic come in any case; they are what matters.
            drop(leave());
            before(info);
            if taken {
                PANICKED.notify_one();
            }
        }));
    });
}
