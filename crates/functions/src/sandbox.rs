//! The jailed process: `dyn sandbox`. It asks nothing of its own accord, and lives as long as its pipes.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::engine::{Around, FunctionEngine};
use crate::frame::{AnswerForm, CallEnd, FrameReader, FromJail, FunctionRun, RunLimits, ToJail, frame};
use crate::jail;

/// The longest frame that is read: a function's source and arguments, within its limits.
pub(crate) const LONGEST_ASK: usize = 4 << 20;

/// Jails this process, and runs functions as its standard input asks until that ends. `memory` is the most that a run
/// may have.
pub fn sandbox(memory: u64) -> io::Result<()> {
    sandbox_with(memory, |_| ())
}

/// The same; `before` sees each source before it runs, inside the jail. Tests of the jail have it misbehave.
pub fn sandbox_with(memory: u64, before: impl Fn(&str)) -> io::Result<()> {
    // A panic would speak of itself where nobody reads.
    std::panic::set_hook(Box::new(|_| ()));
    if let Err(error) = jail::die_with_parent() {
        return say(&FromJail::Refused { why: error.to_string() });
    }
    warm_up();
    if let Err(error) = jail::enter(memory) {
        return say(&FromJail::Refused { why: error.to_string() });
    }
    let pipes = Pipes { reader: Rc::new(RefCell::new(FrameReader::new(LONGEST_ASK))) };
    // It ends where nobody asks any more.
    let Err(_) = serve(&pipes, memory, before);
    end()
}

/// Has engine and C library read what they read once, such as the time zone, while they may.
fn warm_up() {
    let run = FunctionRun {
        engine: FunctionEngine::JavaScript,
        name: "warm".to_owned(),
        source: "async () => [new Date().toString(), /a/.test('a'), structuredClone([1])].length".to_owned(),
        arguments: crate::raw("[]"),
        form: AnswerForm::Json,
        calls: false,
        limits: RunLimits::default(),
    };
    run.engine.run(&run, Box::new(Nobody), |_, _, _| ());
}

/// Serves until nobody asks any more.
fn serve(pipes: &Pipes, memory: u64, before: impl Fn(&str)) -> io::Result<Infallible> {
    say(&FromJail::Ready)?;
    loop {
        match pipes.hear()? {
            ToJail::Run(mut run) => {
                before(&run.source);
                run.limits.memory = run.limits.memory.min(memory);
                let mut said = Ok(());
                run.engine.run(&run, Box::new(pipes.clone()), |end, ns, cut| {
                    said = say(&FromJail::Ran { end, ns, cut });
                });
                said?;
            }
            ToJail::Check { engine, source } => say(&FromJail::Checked(engine.check(&source)))?,
            // The function that called has ended meanwhile.
            ToJail::Answer { .. } => continue,
        }
        // What the engine leaves behind is gone.
        say(&FromJail::Ready)?;
    }
}

/// The two pipes: what has come on one of them and is not read yet.
#[derive(Clone)]
struct Pipes {
    reader: Rc<RefCell<FrameReader>>,
}

impl Pipes {
    /// The next question; an error where none can come any more.
    fn hear(&self) -> io::Result<ToJail> {
        loop {
            let next = self.reader.borrow_mut().next_frame();
            match next.map_err(io::Error::other)? {
                Some(ask) => return Ok(ask),
                None => self.read()?,
            }
        }
    }

    fn read(&self) -> io::Result<()> {
        let mut room = [0; 16 << 10];
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.reader.borrow_mut().push(&room[..count]);
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether something can be read until then.
fn is_readable(until: Instant) -> io::Result<bool> {
    let mut pipes = [PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN)];
    poll(&mut pipes, until)
}

fn poll(pipes: &mut [PollFd<'_>], until: Instant) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let time = Timespec::try_from(left).map_err(io::Error::other)?;
        match rustix::event::poll(pipes, Some(&time)) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn say(message: &FromJail) -> io::Result<()> {
    let bytes = frame(message).map_err(io::Error::other)?;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A function runs between the process's pipes. Where these are broken nobody waits for it: the process ends.
impl Around for Pipes {
    fn say(&mut self, message: FromJail) {
        say(&message).unwrap_or_else(|_| end());
    }

    fn wait(&mut self, until: Instant, for_calls: bool) -> Option<(u32, CallEnd)> {
        if !for_calls {
            poll(&mut [], until).unwrap_or_else(|_| end());
            return None;
        }
        loop {
            let next = self.reader.borrow_mut().next_frame();
            match next.unwrap_or_else(|_| end()) {
                Some(ToJail::Answer { id, end }) => return Some((id, end)),
                // Nobody asks for another run while one is under way.
                Some(_) => end(),
                None if is_readable(until).unwrap_or_else(|_| end()) => self.read().unwrap_or_else(|_| end()),
                None => return None,
            }
        }
    }
}

/// Ends the process. Leaving `main` would ask the kernel for more than it allows.
fn end() -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}

/// Around a function that nobody asked for.
struct Nobody;

impl Around for Nobody {
    fn say(&mut self, _: FromJail) {}

    fn wait(&mut self, _: Instant, _: bool) -> Option<(u32, CallEnd)> {
        None
    }
}
