//! Globals beside the language: timers, `console`, `dyn`, and a few that browsers have.

use std::rc::Rc;

use rand::RngExt as _;
use rquickjs::object::{Accessor, Property};
use rquickjs::{Ctx, Function, Object, Value};

use super::inside::Inside;
use super::{calls, console, library, timers};

pub(super) fn install<'js>(ctx: &Ctx<'js>, inside: &Rc<Inside>) -> rquickjs::Result<()> {
    let globals = ctx.globals();
    let put = |name: &str, value: Value<'js>| globals.prop(name, Property::from(value).writable().configurable());
    put("setTimeout", timers::set(ctx, inside, false)?.into_value())?;
    put("setInterval", timers::set(ctx, inside, true)?.into_value())?;
    for name in ["clearTimeout", "clearInterval"] {
        put(name, timers::clear(ctx, inside, name)?.into_value())?;
    }
    put("console", console::console(ctx, inside)?.into_value())?;
    let services = Object::new(ctx.clone())?;
    services.set("call", calls::call(ctx, inside)?)?;
    put("dyn", services.into_value())?;
    let crypto = Object::new(ctx.clone())?;
    crypto.set("randomUUID", Function::new(ctx.clone(), random_uuid)?.with_name("randomUUID")?)?;
    put("crypto", crypto.into_value())?;
    for name in library::NAMES {
        put_late(&globals, name)?;
    }
    Ok(())
}

/// A global that is made when it is first read: most functions read none.
fn put_late<'js>(globals: &Object<'js>, name: &'static str) -> rquickjs::Result<()> {
    let get = move |ctx: Ctx<'js>| -> rquickjs::Result<Value<'js>> {
        let made = library::make(&ctx, name)?;
        define(&ctx, name, made.clone())?;
        Ok(made)
    };
    let set = move |ctx: Ctx<'js>, value: Value<'js>| define(&ctx, name, value);
    globals.prop(name, Accessor::new_get(get).set(set).configurable())
}

fn define<'js>(ctx: &Ctx<'js>, name: &str, value: Value<'js>) -> rquickjs::Result<()> {
    ctx.globals().prop(name, Property::from(value).writable().configurable())
}

/// A random UUID, version 4.
fn random_uuid() -> String {
    let random: u128 = rand::rng().random();
    let random = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{random:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_uuid_says_that_it_is_one() {
        let uuid = random_uuid();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"), "{uuid}");
        assert_ne!(uuid, random_uuid());
    }
}
