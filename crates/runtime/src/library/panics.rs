//! A panic in the user's code: caught before the border, with its place.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;

use super::answer::CallAnswer;
use crate::border::Kind;

thread_local! {
    static LAST: RefCell<Option<(String, u32, u32)>> = const { RefCell::new(None) };
}

/// Notes where panics happen, beside what the hook before does. Each service that is opened asks for it anew: it may share
/// the standard library with a version before that set a hook of its own.
pub(crate) fn watch() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|at| (at.file().to_owned(), at.line(), at.column()));
        LAST.set(place);
        before(panic);
    }));
}

/// Runs user code; a panic becomes an answer.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, CallAnswer> {
    LAST.set(None);
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let place = LAST.take();
        let (file, line, column) =
            place.map_or((None, None, None), |(file, line, column)| (Some(file), Some(line), Some(column)));
        let body = json!({ "message": words(&*payload), "file": file, "line": line, "column": column });
        // A payload may panic when dropped; it is not worth a second fall.
        std::mem::forget(payload);
        CallAnswer::new(Kind::Panicked, body.to_string().into_bytes())
    })
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without words")
}
