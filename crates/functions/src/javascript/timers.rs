//! `setTimeout` and `setInterval`: in real time, which is the function's.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::convert::Coerced;
use rquickjs::function::{Args, Opt, Rest};
use rquickjs::{Ctx, Exception, Function, Persistent, Value};

use super::inside::Inside;

/// Timers are outside the engine's memory: there are no more of them, and no more arguments of one.
const MOST: usize = 10_000;
const MOST_ARGUMENTS: usize = 100;

/// Timers by when they go off, and in order where that is the same.
#[derive(Default)]
pub(super) struct Timers {
    waiting: BTreeMap<(Instant, u32), Timer>,
    when: BTreeMap<u32, Instant>,
    last: u32,
}

/// One of them.
#[derive(Clone)]
pub(super) struct Timer {
    function: Persistent<Function<'static>>,
    arguments: Vec<Persistent<Value<'static>>>,
    every: Option<Duration>,
}

impl Timers {
    fn add(&mut self, at: Instant, timer: Timer) -> Option<u32> {
        if self.waiting.len() >= MOST {
            return None;
        }
        self.last = self.last.checked_add(1)?;
        self.put(at, self.last, timer);
        Some(self.last)
    }

    fn put(&mut self, at: Instant, id: u32, timer: Timer) {
        self.when.insert(id, at);
        self.waiting.insert((at, id), timer);
    }

    fn remove(&mut self, id: u32) {
        if let Some(at) = self.when.remove(&id) {
            self.waiting.remove(&(at, id));
        }
    }

    /// When the next goes off.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(at, _)| *at)
    }

    /// The next that is due; one that repeats waits again.
    pub(super) fn due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let ((_, id), timer) = self.waiting.pop_first()?;
        self.when.remove(&id);
        if let Some(every) = timer.every {
            self.put(now + every, id, timer.clone());
        }
        Some(timer)
    }
}

impl Timer {
    pub(super) fn fire(self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let function = self.function.restore(ctx)?;
        let mut arguments = Args::new_unsized(ctx.clone());
        for argument in self.arguments {
            arguments.push_arg(argument.restore(ctx)?)?;
        }
        function.call_arg::<Value<'_>>(arguments).map(|_| ())
    }
}

/// `setTimeout`, or `setInterval` where it `repeats`.
pub(super) fn set<'js>(ctx: &Ctx<'js>, inside: &Rc<Inside>, repeats: bool) -> rquickjs::Result<Function<'js>> {
    let inside = inside.clone();
    let set = move |ctx: Ctx<'js>, function: Function<'js>, after: Opt<Coerced<f64>>, rest: Rest<Value<'js>>| {
        if rest.0.len() > MOST_ARGUMENTS {
            return Err(Exception::throw_range(&ctx, "a timer has at most 100 arguments"));
        }
        // Not a number and what is below 0 become 0.
        let most = f64::from(i32::MAX);
        let after = Duration::from_secs_f64(after.0.map_or(0.0, |Coerced(after)| after).max(0.0).min(most) / 1e3);
        let every = repeats.then(|| after.max(Duration::from_millis(1)));
        let timer = Timer {
            function: Persistent::save(&ctx, function),
            arguments: rest.0.into_iter().map(|value| Persistent::save(&ctx, value)).collect(),
            every,
        };
        let added = inside.timers.borrow_mut().add(Instant::now() + every.unwrap_or(after), timer);
        added.ok_or_else(|| Exception::throw_range(&ctx, "a function has at most 10,000 timers"))
    };
    Function::new(ctx.clone(), set)?.with_name(if repeats { "setInterval" } else { "setTimeout" })
}

/// `clearTimeout` and `clearInterval`.
pub(super) fn clear<'js>(ctx: &Ctx<'js>, inside: &Rc<Inside>, name: &str) -> rquickjs::Result<Function<'js>> {
    let inside = inside.clone();
    let clear = move |id: Opt<Coerced<f64>>| {
        if let Some(Coerced(id)) = id.0 {
            inside.timers.borrow_mut().remove(id as u32);
        }
    };
    Function::new(ctx.clone(), clear)?.with_name(name)
}
