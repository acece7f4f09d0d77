//! The part of the globals that is written in JavaScript, over a few functions of ours.

use rquickjs::{Ctx, Exception, Function, Object, TypedArray, Value};
use url::{Url, quirks};

/// Globals that are made out of a source when they are first read.
pub(super) const NAMES: [&str; 5] = ["structuredClone", "TextEncoder", "TextDecoder", "URL", "URLSearchParams"];

/// Makes one of [`NAMES`].
pub(super) fn make<'js>(ctx: &Ctx<'js>, name: &str) -> rquickjs::Result<Value<'js>> {
    let source = match name {
        "structuredClone" => include_str!("clone.js"),
        "TextEncoder" | "TextDecoder" => include_str!("text.js"),
        _ => include_str!("url.js"),
    };
    let native = Object::new(ctx.clone())?;
    native
        .set("encode", Function::new(ctx.clone(), |ctx: Ctx<'js>, text: String| TypedArray::<u8>::new(ctx, text))?)?;
    native.set("decode", Function::new(ctx.clone(), decode)?)?;
    native.set("parse", Function::new(ctx.clone(), parse)?)?;
    native.set("get", Function::new(ctx.clone(), get)?)?;
    native.set("with", Function::new(ctx.clone(), with)?)?;
    let library: Function<'js> = ctx.eval(source)?;
    let made: Object<'js> = library.call((native,))?;
    made.get(name)
}

/// Bytes as UTF-8; what is not is replaced, or thrown where it is `fatal`.
fn decode<'js>(ctx: Ctx<'js>, bytes: TypedArray<'js, u8>, fatal: bool) -> rquickjs::Result<String> {
    // SAFETY: no code of the function's, which could change them, runs while they are read.
    let Some(bytes) = (unsafe { bytes.as_bytes() }) else {
        return Err(Exception::throw_type(&ctx, "the buffer is detached"));
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) if fatal => Err(Exception::throw_type(&ctx, "the bytes are not UTF-8")),
        Err(_) => Ok(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// A URL whole, out of one that may be relative to another.
fn parse(ctx: Ctx<'_>, text: String, base: Option<String>) -> rquickjs::Result<String> {
    let parsed = match base {
        Some(base) => Url::parse(&base).and_then(|base| base.join(&text)),
        None => Url::parse(&text),
    };
    parsed.map(Into::into).map_err(|_| Exception::throw_type(&ctx, "Invalid URL"))
}

fn read(ctx: &Ctx<'_>, href: &str) -> rquickjs::Result<Url> {
    Url::parse(href).map_err(|_| Exception::throw_type(ctx, "Invalid URL"))
}

/// A part of a URL.
fn get(ctx: Ctx<'_>, href: String, part: String) -> rquickjs::Result<String> {
    let url = read(&ctx, &href)?;
    let part = match part.as_str() {
        "origin" => return Ok(quirks::origin(&url)),
        "protocol" => quirks::protocol(&url),
        "username" => quirks::username(&url),
        "password" => quirks::password(&url),
        "host" => quirks::host(&url),
        "hostname" => quirks::hostname(&url),
        "port" => quirks::port(&url),
        "pathname" => quirks::pathname(&url),
        "search" => quirks::search(&url),
        _ => quirks::hash(&url),
    };
    Ok(part.to_owned())
}

/// A URL with a part replaced. An invalid part changes nothing, as in browsers.
fn with(ctx: Ctx<'_>, href: String, part: String, value: String) -> rquickjs::Result<String> {
    let mut url = read(&ctx, &href)?;
    match part.as_str() {
        "pathname" => quirks::set_pathname(&mut url, &value),
        "search" => quirks::set_search(&mut url, &value),
        "hash" => quirks::set_hash(&mut url, &value),
        part => {
            let changed = match part {
                "protocol" => quirks::set_protocol(&mut url, &value),
                "username" => quirks::set_username(&mut url, &value),
                "password" => quirks::set_password(&mut url, &value),
                "host" => quirks::set_host(&mut url, &value),
                "hostname" => quirks::set_hostname(&mut url, &value),
                _ => quirks::set_port(&mut url, &value),
            };
            if changed.is_err() {
                return Ok(href);
            }
        }
    }
    Ok(url.into())
}
