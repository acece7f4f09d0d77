//! The part of a run that is outside the engine: its time, its lines, its timers and its calls.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::Ctx;

use super::calls::Calls;
use super::errors;
use super::timers::Timers;
use crate::engine::Around;
use crate::frame::{ConsoleLevel, ConsoleLine, FromJail, RunLimits};

/// One run.
pub(super) struct Inside {
    around: RefCell<Box<dyn Around>>,
    deadline: Instant,
    limits: RunLimits,
    /// When code of the function's first ran.
    began: Cell<Option<Instant>>,
    /// The time it waited for calls.
    waited: Cell<Duration>,
    /// Bytes of lines so far, and of those that were dropped.
    lines: Cell<u64>,
    cut: Cell<u64>,
    /// The memory did not suffice for what nobody awaits.
    pub(super) starved: Rc<Cell<bool>>,
    pub(super) timers: RefCell<Timers>,
    pub(super) calls: RefCell<Calls>,
}

impl Inside {
    pub(super) fn new(around: Box<dyn Around>, deadline: Instant, calls: bool, limits: RunLimits) -> Self {
        Self {
            around: RefCell::new(around),
            deadline,
            limits,
            began: Cell::default(),
            waited: Cell::default(),
            lines: Cell::default(),
            cut: Cell::default(),
            starved: Rc::default(),
            timers: RefCell::default(),
            calls: RefCell::new(Calls::new(calls)),
        }
    }

    pub(super) fn begin(&self) {
        self.began.set(Some(Instant::now()));
    }

    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// The function's time so far.
    pub(super) fn nanoseconds(&self) -> u64 {
        let elapsed = self.began.get().map(|began| began.elapsed()).unwrap_or_default();
        u64::try_from(elapsed.saturating_sub(self.waited.get()).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Bytes of lines beyond the limit.
    pub(super) fn cut(&self) -> u64 {
        self.cut.get()
    }

    /// Bytes of the largest value that goes in or out.
    pub(super) fn largest(&self) -> u64 {
        self.limits.result
    }

    /// Bytes that lines may still have.
    pub(super) fn room(&self) -> usize {
        usize::try_from(self.limits.lines.saturating_sub(self.lines.get())).unwrap_or(usize::MAX)
    }

    /// Passes on a line: what has no room is counted. `whole` is how long it was.
    pub(super) fn write(&self, level: ConsoleLevel, mut text: String, whole: u64) {
        let room = self.room();
        if room == 0 {
            self.cut.set(self.cut.get() + whole + 1);
            return;
        }
        text.truncate(text.floor_char_boundary(room));
        self.cut.set(self.cut.get() + whole.saturating_sub(text.len() as u64));
        // An end of a line counts, too: a million empty ones are a million bytes.
        self.lines.set(self.lines.get() + text.len() as u64 + 1);
        self.say(FromJail::Line(ConsoleLine { level, text }));
    }

    pub(super) fn say(&self, message: FromJail) {
        self.around.borrow_mut().say(message);
    }

    /// Has the next timer go off, or waits for it or a call. False where nothing can happen any more.
    pub(super) fn go_on(&self, ctx: &Ctx<'_>) -> rquickjs::Result<bool> {
        let now = Instant::now();
        let due = self.timers.borrow_mut().due(now);
        if let Some(timer) = due {
            if let Err(error) = timer.fire(ctx) {
                self.tell_uncaught(ctx, error)?;
            }
            return Ok(true);
        }
        let next = self.timers.borrow().next();
        let is_calling = self.calls.borrow().is_any();
        if next.is_none() && !is_calling {
            return Ok(false);
        }
        let until = next.map_or(self.deadline, |next| next.min(self.deadline));
        let heard = self.around.borrow_mut().wait(until, is_calling);
        if is_calling {
            self.waited.set(self.waited.get() + now.elapsed());
        }
        if let Some((id, end)) = heard {
            let call = self.calls.borrow_mut().take(id);
            if let Some(call) = call {
                call.settle(ctx, end)?;
            }
        }
        Ok(true)
    }

    /// An error that nobody can catch is a line, unless it ends the run.
    fn tell_uncaught(&self, ctx: &Ctx<'_>, error: rquickjs::Error) -> rquickjs::Result<()> {
        let rquickjs::Error::Exception = error else { return Err(error) };
        let value = ctx.catch();
        if value.is_uncatchable_error() {
            return Err(ctx.throw(value));
        }
        let text = format!("uncaught in a timer: {}", errors::thrown(ctx, &value, ""));
        let whole = text.len() as u64;
        self.write(ConsoleLevel::Error, text, whole);
        Ok(())
    }

    /// Lets go of what belongs to the runtime, before that goes.
    pub(super) fn clear(&self) {
        drop(self.timers.take());
        drop(self.calls.replace(Calls::new(false)));
    }
}
