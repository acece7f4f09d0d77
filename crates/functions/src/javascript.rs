//! Functions in JavaScript: a runtime of QuickJS for each run, so that no run finds anything of another.

mod calls;
mod console;
mod errors;
mod globals;
mod inside;
mod library;
mod result;
mod signature;
mod text;
mod timers;

use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::context::EvalOptions;
use rquickjs::function::Args;
use rquickjs::{Array, Context, Ctx, Function, Runtime, Value, qjs};

use crate::engine::Around;
use crate::frame::{FunctionEnd, FunctionError, FunctionRun, FunctionStop, RunLimits, Signature};
pub(crate) use calls::MOST_CALLS;
use inside::Inside;

/// Why a function did not come to its end.
enum Halt {
    /// An exception is pending, or the engine failed.
    Engine(rquickjs::Error),
    /// It was stopped.
    Stop(FunctionStop),
    /// It cannot be called.
    Wrong(FunctionError),
}

impl From<rquickjs::Error> for Halt {
    fn from(error: rquickjs::Error) -> Self {
        Self::Engine(error)
    }
}

/// Runs a function: [`crate::engine::FunctionEngine::run`].
pub(crate) fn run(run: &FunctionRun, around: Box<dyn Around>, ended: impl FnOnce(FunctionEnd, u64, u64)) {
    let deadline = Instant::now() + Duration::from_millis(run.limits.time_ms);
    let Ok((runtime, context)) = machine(&run.limits, deadline) else {
        return ended(FunctionEnd::Stopped(FunctionStop::Memory), 0, 0);
    };
    let inside = Rc::new(Inside::new(around, deadline, run.calls, run.limits));
    let starved = inside.starved.clone();
    // Where nobody awaits a promise, nobody hears why it failed.
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, _, reason, is_handled| {
        if !is_handled && errors::is_memory(&ctx, &reason) {
            starved.set(true);
        }
    })));
    context.with(|ctx| {
        let end = match answer(&ctx, run, &inside) {
            Ok(end) => end,
            Err(halt) => errors::end(&ctx, halt, || inside.is_late(), &run.name),
        };
        ended(end, inside.nanoseconds(), inside.cut());
        // The runtime goes with all that was in it.
        inside.clear();
    });
}

/// Reads a function and does not call it: a source is an expression, which is evaluated within little time and memory.
pub(crate) fn check(source: &str) -> Result<Signature, FunctionError> {
    const NAME: &str = "function";
    let limits = RunLimits { time_ms: 1_000, ..RunLimits::default() };
    let deadline = Instant::now() + Duration::from_millis(limits.time_ms);
    let stopped = |stop: FunctionStop| FunctionError::new(stop.name(), stop.to_string());
    let (_runtime, context) = machine(&limits, deadline).map_err(|_| stopped(FunctionStop::Memory))?;
    context.with(|ctx| match function(&ctx, source, NAME) {
        Ok(_) => Ok(Signature { parameters: signature::parameters(source) }),
        Err(halt) => Err(match errors::end(&ctx, halt, || Instant::now() >= deadline, NAME) {
            FunctionEnd::Failed(error) => error,
            FunctionEnd::Stopped(stop) => stopped(stop),
            end => FunctionError::new("InternalError", format!("{end:?}")),
        }),
    })
}

/// A runtime within limits, and a context of its own.
fn machine(limits: &RunLimits, deadline: Instant) -> rquickjs::Result<(Runtime, Context)> {
    let runtime = Runtime::new()?;
    runtime.set_memory_limit(usize::try_from(limits.memory).unwrap_or(usize::MAX));
    runtime.set_max_stack_size(usize::try_from(limits.stack).unwrap_or(usize::MAX));
    runtime.set_interrupt_handler(Some(Box::new(move || Instant::now() >= deadline)));
    let context = Context::full(&runtime)?;
    Ok((runtime, context))
}

fn answer(ctx: &Ctx<'_>, run: &FunctionRun, inside: &Rc<Inside>) -> Result<FunctionEnd, Halt> {
    globals::install(ctx, inside)?;
    let arguments = ctx.json_parse(run.arguments.get())?;
    let Some(arguments) = arguments.into_array() else {
        return Err(Halt::Wrong(FunctionError::new("TypeError", "the arguments are no array")));
    };
    // From here on code of the function's runs: what its source does before it is called is its time, too.
    inside.begin();
    let function = function(ctx, &run.source, &run.name)?;
    let value = call(ctx, &function, &arguments)?;
    let value = settled(ctx, value, inside)?;
    result::end(ctx, &value, run.form, run.limits.result)
}

/// The function that a source is.
fn function<'js>(ctx: &Ctx<'js>, source: &str, name: &str) -> Result<Function<'js>, Halt> {
    // As an expression in brackets: what stands after it, such as a comment, is on a line of its own.
    let source = source.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
    if source.contains('\0') {
        return Err(Halt::Wrong(FunctionError::new("SyntaxError", "the source has a character of number 0")));
    }
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.replace('\0', ""));
    let value: Value<'js> = ctx.eval_with_options(format!("({source}\n)"), options)?;
    value.into_function().ok_or_else(|| {
        Halt::Wrong(FunctionError::new("SyntaxError", "the source is no function: write one, such as (a, b) => a + b"))
    })
}

fn call<'js>(ctx: &Ctx<'js>, function: &Function<'js>, arguments: &Array<'js>) -> rquickjs::Result<Value<'js>> {
    let mut given = Args::new_unsized(ctx.clone());
    for argument in arguments.iter::<Value<'js>>() {
        given.push_arg(argument?)?;
    }
    function.call_arg(given)
}

/// The value that `await` would give. Runs pending jobs, timers and calls meanwhile.
fn settled<'js>(ctx: &Ctx<'js>, value: Value<'js>, inside: &Inside) -> Result<Value<'js>, Halt> {
    if !value.is_object() {
        return Ok(value);
    }
    let (promise, resolve, _) = ctx.promise()?;
    resolve.call::<_, ()>((value,))?;
    loop {
        if inside.is_late() {
            return Err(Halt::Stop(FunctionStop::Deadline));
        }
        if let Some(result) = promise.result() {
            return Ok(result?);
        }
        if !step(ctx, inside) && !inside.go_on(ctx)? {
            return Err(Halt::Stop(match inside {
                // A job that the deadline interrupted leaves none behind.
                inside if inside.is_late() => FunctionStop::Deadline,
                // Nor does one that had no room to go on.
                inside if inside.starved.get() => FunctionStop::Memory,
                _ => FunctionStop::NeverSettles,
            }));
        }
    }
}

/// Runs a pending job, and notes where the memory did not suffice for it; false where there is none.
fn step(ctx: &Ctx<'_>, inside: &Inside) -> bool {
    let context = ctx.as_raw().as_ptr();
    let mut ran_in = std::ptr::null_mut();
    // SAFETY: a live context, which is the only one of its runtime: what a job throws is pending there.
    let ran = unsafe { qjs::JS_ExecutePendingJob(qjs::JS_GetRuntime(context), &raw mut ran_in) };
    // The engine goes on without telling where it has no room for the next job.
    if ran < 0 || ctx.has_exception() {
        let thrown = ctx.catch();
        if errors::is_memory(ctx, &thrown) {
            inside.starved.set(true);
        }
    }
    ran != 0
}
