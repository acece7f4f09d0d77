//! A function's result, as JSON or as text.

use rquickjs::{Ctx, Value};
use serde_json::value::RawValue;

use super::{Halt, text};
use crate::frame::{AnswerForm, FunctionEnd, FunctionError, FunctionStop};

/// A returned value as the end of its run.
pub(super) fn end<'js>(ctx: &Ctx<'js>, value: &Value<'js>, form: AnswerForm, most: u64) -> Result<FunctionEnd, Halt> {
    let result = match form {
        AnswerForm::Json => json(ctx, value, most)?,
        AnswerForm::Text => written(ctx, value, most)?.map(|text| serde_json::Value::from(text).to_string()),
    };
    let Some(result) = result else { return Ok(FunctionEnd::Stopped(FunctionStop::TooLarge)) };
    let result = RawValue::from_string(result);
    Ok(result.map_or_else(|error| failed(&format!("the result is no JSON: {error}")), FunctionEnd::Value))
}

/// A value's JSON; none where that is too large.
fn json<'js>(ctx: &Ctx<'js>, value: &Value<'js>, most: u64) -> Result<Option<String>, Halt> {
    if value.is_undefined() {
        return Ok(Some("null".to_owned()));
    }
    let Some(json) = ctx.json_stringify(value)? else {
        let what = if value.is_function() { "a function" } else { "a value of this kind" };
        return Err(Halt::Wrong(FunctionError::new("TypeError", format!("{what} cannot be a result: it has no JSON"))));
    };
    Ok(text::whole(ctx, json.as_value(), most)?)
}

/// `String(value)`, and JSON where that would lose what an array or an object holds.
fn written<'js>(ctx: &Ctx<'js>, value: &Value<'js>, most: u64) -> Result<Option<String>, Halt> {
    if value.is_symbol() {
        return Err(Halt::Wrong(FunctionError::new("TypeError", "a symbol cannot be a result: it has no text")));
    }
    let is_list = value.is_array();
    if !is_list {
        let text = text::whole(ctx, value, most)?;
        let is_lost = value.is_object() && text.as_deref().is_some_and(|text| text.starts_with("[object "));
        if !is_lost {
            return Ok(text);
        }
    }
    match ctx.json_stringify(value) {
        Ok(Some(json)) => Ok(text::whole(ctx, json.as_value(), most)?),
        Ok(None) => Ok(text::whole(ctx, value, most)?),
        Err(error) => {
            let thrown = ctx.catch();
            if thrown.is_uncatchable_error() {
                ctx.throw(thrown);
                return Err(error.into());
            }
            // A cycle, or a number without end: as that one has it.
            Ok(text::whole(ctx, value, most)?)
        }
    }
}

fn failed(words: &str) -> FunctionEnd {
    FunctionEnd::Failed(FunctionError::new("TypeError", words))
}
