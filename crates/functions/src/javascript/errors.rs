//! Thrown values by name and message, and limits among them.

use rquickjs::{Ctx, Error, Value, qjs};

use super::{Halt, text};
use crate::frame::{FunctionEnd, FunctionError, FunctionStop};

const LONGEST_NAME: usize = FunctionError::LONGEST_NAME;
const LONGEST_MESSAGE: usize = FunctionError::LONGEST_MESSAGE;

/// The end of a run that did not return.
pub(super) fn end(ctx: &Ctx<'_>, halt: Halt, is_late: impl Fn() -> bool, name: &str) -> FunctionEnd {
    match halt {
        Halt::Stop(stop) => FunctionEnd::Stopped(stop),
        // An exception that is pending belongs to the interruption.
        Halt::Engine(_) if is_late() => {
            drop(ctx.catch());
            FunctionEnd::Stopped(FunctionStop::Deadline)
        }
        Halt::Wrong(error) => FunctionEnd::Failed(error),
        Halt::Engine(Error::Exception) => {
            let value = ctx.catch();
            // No room for an error that says so.
            if value.type_of() == rquickjs::Type::Uninitialized {
                return FunctionEnd::Stopped(FunctionStop::Memory);
            }
            let error = thrown(ctx, &value, name);
            match stop(&error) {
                // What was thrown has code of its own, which ran meanwhile.
                _ if is_late() => FunctionEnd::Stopped(FunctionStop::Deadline),
                Some(stop) if value.is_error() => FunctionEnd::Stopped(stop),
                _ => FunctionEnd::Failed(error),
            }
        }
        Halt::Engine(Error::Allocation) => FunctionEnd::Stopped(FunctionStop::Memory),
        Halt::Engine(error) => FunctionEnd::Failed(FunctionError::new("InternalError", error.to_string())),
    }
}

/// The limit that an error of the engine's own means.
fn stop(error: &FunctionError) -> Option<FunctionStop> {
    match (error.name.as_str(), error.message.as_str()) {
        ("InternalError", "out of memory") => Some(FunctionStop::Memory),
        ("RangeError", "Maximum call stack size exceeded") => Some(FunctionStop::Stack),
        _ => None,
    }
}

/// Whether a thrown value says that there is no more memory.
pub(super) fn is_memory(ctx: &Ctx<'_>, value: &Value<'_>) -> bool {
    match value.is_error() {
        true => stop(&thrown(ctx, value, "")) == Some(FunctionStop::Memory),
        // The engine throws null where there is no room for an error that says so.
        false => value.is_null() && is_full(ctx),
    }
}

/// Whether there is next to no memory left.
fn is_full(ctx: &Ctx<'_>) -> bool {
    let mut usage = std::mem::MaybeUninit::<qjs::JSMemoryUsage>::zeroed();
    // SAFETY: the runtime of a live context; all members are numbers, and the engine writes them.
    let usage = unsafe {
        qjs::JS_ComputeMemoryUsage(qjs::JS_GetRuntime(ctx.as_raw().as_ptr()), usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.malloc_size >= usage.malloc_limit / 8 * 7
}

/// A thrown value as an error. `name` is the function's, as places in the stack have it.
pub(super) fn thrown(ctx: &Ctx<'_>, value: &Value<'_>, name: &str) -> FunctionError {
    let Some(error) = value.as_object().filter(|_| value.is_error()) else {
        let message = read(ctx, value, LONGEST_MESSAGE).unwrap_or_else(|| "a value without a text".to_owned());
        return FunctionError::new("", message);
    };
    let part = |part: &str, most| match error.get::<_, Value<'_>>(part) {
        Ok(value) if value.is_undefined() => None,
        Ok(value) => read(ctx, &value, most),
        Err(_) => {
            drop(ctx.catch());
            None
        }
    };
    FunctionError {
        name: part("name", LONGEST_NAME).unwrap_or_else(|| "Error".to_owned()),
        message: part("message", LONGEST_MESSAGE).unwrap_or_default(),
        at: part("stack", LONGEST_MESSAGE).and_then(|stack| place(&stack, name)),
    }
}

/// A value as text, where it has one.
fn read(ctx: &Ctx<'_>, value: &Value<'_>, most: usize) -> Option<String> {
    if let Some(symbol) = value.as_symbol() {
        let description = symbol.description().ok().filter(|description| !description.is_undefined());
        let description = description.and_then(|description| text::beginning(ctx, &description, most).ok());
        return Some(format!("Symbol({})", description.map(|(text, _)| text).unwrap_or_default()));
    }
    match text::beginning(ctx, value, most) {
        Ok((text, _)) => Some(text),
        Err(_) => {
            drop(ctx.catch());
            None
        }
    }
}

/// Line and column of the first place in the function's source, less the bracket that was put before it.
fn place(stack: &str, name: &str) -> Option<(u32, u32)> {
    let (_, rest) = stack.split_once(&format!("{name}:"))?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    let line: u32 = numbers.next()?.parse().ok()?;
    let column: u32 = numbers.next()?.parse().ok()?;
    Some((line, if line == 1 { column.saturating_sub(1).max(1) } else { column }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_first_in_the_source() {
        assert_eq!(place("    at f (add:1:9)\n    at <eval> (add:3:1)\n", "add"), Some((1, 8)));
        assert_eq!(place("    at add:2:7\n", "add"), Some((2, 7)));
        assert_eq!(place("    at JSON.parse (native)\n", "add"), None);
        assert_eq!(place("add:99999999999:1", "add"), None);
    }
}
