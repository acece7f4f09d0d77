//! `console`: its lines are the run's.

use std::rc::Rc;

use rquickjs::function::Rest;
use rquickjs::{Ctx, Function, Object, Value};

use super::inside::Inside;
use super::{errors, text};
use crate::frame::ConsoleLevel;

/// The object.
pub(super) fn console<'js>(ctx: &Ctx<'js>, inside: &Rc<Inside>) -> rquickjs::Result<Object<'js>> {
    let console = Object::new(ctx.clone())?;
    let levels = [
        ("debug", ConsoleLevel::Debug),
        ("trace", ConsoleLevel::Debug),
        ("log", ConsoleLevel::Info),
        ("info", ConsoleLevel::Info),
        ("warn", ConsoleLevel::Warn),
        ("error", ConsoleLevel::Error),
    ];
    for (name, level) in levels {
        let inside = inside.clone();
        let write = move |ctx: Ctx<'js>, values: Rest<Value<'js>>| -> rquickjs::Result<()> {
            let room = inside.room();
            let (mut line, mut whole) = (String::new(), 0_u64);
            for (at, value) in values.0.iter().enumerate() {
                if at > 0 {
                    whole += 1;
                    line.push(' ');
                }
                let (text, length) = shown(&ctx, value, room.saturating_sub(line.len()))?;
                line.push_str(&text);
                whole += length as u64;
            }
            inside.write(level, line, whole);
            Ok(())
        };
        console.set(name, Function::new(ctx.clone(), write)?.with_name(name)?)?;
    }
    Ok(console)
}

/// A value as a line has it, at most so many bytes of it, and how many there are. Nothing that a value does on the way
/// is thrown where the line is written, but what ends the run.
fn shown<'js>(ctx: &Ctx<'js>, value: &Value<'js>, most: usize) -> rquickjs::Result<(String, usize)> {
    let plain = |text: String| Ok((text[..text.floor_char_boundary(most)].to_owned(), text.len()));
    if value.is_symbol() || value.is_error() {
        return plain(errors::thrown(ctx, value, "").to_string());
    }
    let attempt = || {
        if value.is_object()
            && !value.is_function()
            && let Some(json) = ctx.json_stringify(value)?
        {
            return text::beginning(ctx, json.as_value(), most);
        }
        text::beginning(ctx, value, most)
    };
    match attempt() {
        Err(rquickjs::Error::Exception) => {
            let thrown = ctx.catch();
            if thrown.is_uncatchable_error() {
                return Err(ctx.throw(thrown));
            }
            plain("(a value that cannot be shown)".to_owned())
        }
        shown => shown,
    }
}
