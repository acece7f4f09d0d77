//! Text out of the engine, never more of it than is wanted: a string in there may fill all of its memory.

use std::mem::MaybeUninit;
use std::slice;

use rquickjs::{Ctx, Error, Value, qjs};

/// The beginning of `String(value)`, at most `most` bytes, and its whole length. An exception is pending where the value has
/// no text. Half a pair of surrogates becomes a replacement character.
pub(super) fn beginning(ctx: &Ctx<'_>, value: &Value<'_>, most: usize) -> rquickjs::Result<(String, usize)> {
    let mut length = MaybeUninit::uninit();
    // SAFETY: context and value are alive; the engine writes a length wherever it returns a pointer.
    let start = unsafe { qjs::JS_ToCStringLen(ctx.as_raw().as_ptr(), length.as_mut_ptr(), value.as_raw()) };
    if start.is_null() {
        return Err(Error::Exception);
    }
    // SAFETY: as many bytes are there, until they are freed below.
    let (bytes, whole) = unsafe {
        let whole = length.assume_init();
        (slice::from_raw_parts(start.cast::<u8>(), whole), whole)
    };
    let mut text = String::from_utf8_lossy(&bytes[..whole.min(most)]).into_owned();
    // SAFETY: it came from there, and nothing points into it any more.
    unsafe { qjs::JS_FreeCString(ctx.as_raw().as_ptr(), start) };
    // A character that was cut in two.
    if whole > most && text.ends_with(char::REPLACEMENT_CHARACTER) {
        text.pop();
    }
    Ok((text, whole))
}

/// `String(value)`; none where it has more bytes than that.
pub(super) fn whole(ctx: &Ctx<'_>, value: &Value<'_>, most: u64) -> rquickjs::Result<Option<String>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let (text, whole) = beginning(ctx, value, most)?;
    Ok((whole <= most).then_some(text))
}
