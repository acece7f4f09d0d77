//! `dyn.call`: a function's calls to services.

use std::collections::BTreeMap;
use std::rc::Rc;

use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Function, Persistent, Promise, Value};

use super::inside::Inside;
use super::text;
use crate::frame::{CallEnd, FromJail};

/// A function has no more calls under way.
pub(crate) const MOST_CALLS: usize = 64;

/// Calls under way.
pub(super) struct Calls {
    is_allowed: bool,
    under_way: BTreeMap<u32, Call>,
    last: u32,
}

/// The two ends of a call's promise.
pub(super) struct Call {
    resolve: Persistent<Function<'static>>,
    reject: Persistent<Function<'static>>,
}

impl Calls {
    pub(super) fn new(is_allowed: bool) -> Self {
        Self { is_allowed, under_way: BTreeMap::new(), last: 0 }
    }

    pub(super) fn is_any(&self) -> bool {
        !self.under_way.is_empty()
    }

    pub(super) fn take(&mut self, id: u32) -> Option<Call> {
        self.under_way.remove(&id)
    }
}

impl Call {
    pub(super) fn settle(self, ctx: &Ctx<'_>, end: CallEnd) -> rquickjs::Result<()> {
        match end {
            CallEnd::Value(value) => {
                let value = ctx.json_parse(value.get())?;
                self.resolve.restore(ctx)?.call((value,))
            }
            CallEnd::Failed(error) => {
                let thrown = Exception::from_message(ctx.clone(), &error.message)?.into_object();
                if !error.name.is_empty() {
                    thrown.set("name", error.name)?;
                }
                self.reject.restore(ctx)?.call((thrown,))
            }
        }
    }
}

/// `dyn.call(service, inputs)`.
pub(super) fn call<'js>(ctx: &Ctx<'js>, inside: &Rc<Inside>) -> rquickjs::Result<Function<'js>> {
    let inside = inside.clone();
    let call = move |ctx: Ctx<'js>, service: String, inputs: Opt<Value<'js>>| -> rquickjs::Result<Promise<'js>> {
        let throw = |words: &str| Err(Exception::throw_message(&ctx, words));
        if !inside.calls.borrow().is_allowed {
            return throw(
                "functions may not call services here: `calls = true` in [jobs] functions of dyn.toml lets them",
            );
        }
        if inside.calls.borrow().under_way.len() >= MOST_CALLS {
            return throw("a function has at most 64 calls under way");
        }
        let inputs = match inputs.0.filter(|inputs| !inputs.is_undefined()) {
            Some(inputs) => ctx.json_stringify(inputs)?,
            None => None,
        };
        let inputs = match inputs {
            Some(inputs) => text::whole(&ctx, inputs.as_value(), inside.largest())?,
            None => Some("{}".to_owned()),
        };
        let Some(inputs) = inputs else { return throw("the inputs of a call are larger than a result may be") };
        let Ok(inputs) = serde_json::value::RawValue::from_string(inputs) else {
            return throw("the inputs of a call have no JSON");
        };
        let (promise, resolve, reject) = ctx.promise()?;
        let id = {
            let mut calls = inside.calls.borrow_mut();
            calls.last += 1;
            let ends = Call { resolve: Persistent::save(&ctx, resolve), reject: Persistent::save(&ctx, reject) };
            let id = calls.last;
            calls.under_way.insert(id, ends);
            id
        };
        inside.say(FromJail::Call { id, service, inputs });
        Ok(promise)
    };
    Function::new(ctx.clone(), call)?.with_name("call")
}
