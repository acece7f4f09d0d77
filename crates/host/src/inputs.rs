//! The inputs of a call: from the request's body by name, and by route what is missing, all at the same time.

use std::collections::HashMap;
use std::fmt;

use bytes::{Bytes, BytesMut};
use futures_util::future::try_join_all;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use protocol::Config;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};

use crate::problem::Problem;
use crate::request_context::RequestContext;
use crate::routes::Step;
use crate::shared::{Settings, Shared};
use crate::upstream::{Ask, Fetched};

/// Inputs that came with a request.
pub(crate) type ByName = HashMap<String, Box<RawValue>>;

/// Inputs in order, or the service that filtered.
pub(crate) enum Gathered<'a> {
    Inputs(Inputs<'a>),
    Filtered(String),
}

/// The inputs of a call.
#[derive(Default)]
pub(crate) struct Inputs<'a> {
    /// In order, as JSON.
    pub(crate) values: Vec<Bytes>,
    /// Those of them that services answered with.
    pub(crate) answers: Vec<Answered<'a>>,
}

/// What a service answered.
pub(crate) struct Answered<'a> {
    pub(crate) input: &'a str,
    pub(crate) service: &'a str,
    pub(crate) value: Bytes,
}

/// Reads the whole body of a request, within limit and deadline.
pub(crate) async fn whole<B>(
    headers: &HeaderMap,
    body: B,
    config: &Config,
    context: &RequestContext,
) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let wrong = |kind, status, detail: &str| Problem::new(kind, status, &config.service, &context.path, detail);
    let limit = config.limits.body;
    let too_large = || too_large(config, context);
    // One who waits for leave to send it is not given leave.
    if headers.contains_key(header::EXPECT) && body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout_at(context.deadline, collect(body, limit)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(error)) => Err(wrong("request", StatusCode::BAD_REQUEST, &format!("the body breaks off: {error}"))),
        Err(_) => Err(wrong("deadline", StatusCode::GATEWAY_TIMEOUT, "the body did not arrive before the deadline")),
    }
}

/// Reads the body of a request: a JSON object of inputs by name.
pub(crate) async fn read<B>(
    method: &Method,
    headers: &HeaderMap,
    body: B,
    config: &Config,
    context: &RequestContext,
) -> Result<HashMap<String, Box<RawValue>>, Problem>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let wrong = |kind, status, detail: &str| Problem::new(kind, status, &config.service, &context.path, detail);
    let body = whole(headers, body, config, context).await?;
    context.receive(body.len());
    // Of a GET's or HEAD's body nothing is meant (RFC 9110, 9.3.1).
    if method.is_safe() || body.is_empty() {
        return Ok(HashMap::new());
    }
    if !is_json(headers) {
        return Err(wrong(
            "unsupported",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json in UTF-8: an object of inputs by name",
        ));
    }
    by_name(&body, config, context)
}

/// Reads the body of a call from a service of the same host, if it has one.
pub(crate) fn read_within(body: Option<&Bytes>, config: &Config, context: &RequestContext) -> Result<ByName, Problem> {
    let Some(body) = body else { return Ok(HashMap::new()) };
    if body.len() > config.limits.body {
        return Err(too_large(config, context));
    }
    context.receive(body.len());
    by_name(body, config, context)
}

fn too_large(config: &Config, context: &RequestContext) -> Problem {
    let detail = format!("the body is larger than {} bytes", config.limits.body);
    Problem::new("too-large", StatusCode::PAYLOAD_TOO_LARGE, &config.service, &context.path, &detail)
}

/// Reads a JSON object of inputs by name.
fn by_name(body: &Bytes, config: &Config, context: &RequestContext) -> Result<ByName, Problem> {
    let wrong = |kind, status, detail: &str| Problem::new(kind, status, &config.service, &context.path, detail);
    let Given(given) = serde_json::from_slice(body).map_err(|error| {
        wrong("request", StatusCode::BAD_REQUEST, &format!("the body is not a JSON object of inputs by name: {error}"))
    })?;
    let known = config.peers.get(&config.service).map(|peer| peer.inputs.as_slice()).unwrap_or_default();
    if let Some(unknown) = given.keys().filter(|name| !known.contains(name)).min() {
        let takes = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let detail = format!("{} has no input {unknown}; its inputs: {takes}", config.service);
        let members = Map::from_iter([("input".to_owned(), Value::from(unknown.as_str()))]);
        return Err(Problem::with(
            "rejected",
            StatusCode::UNPROCESSABLE_ENTITY,
            &config.service,
            &context.path,
            &detail,
            members,
        ));
    }
    Ok(given)
}

/// Whether a body is said to be JSON, once, and in the one encoding that JSON has between programs (RFC 8259, 8.1).
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(text)), None) = (types.next().map(http::HeaderValue::to_str), types.next()) else { return false };
    let text = text.to_ascii_lowercase();
    let (media, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let media = media.trim();
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    let is_readable = charset.is_none_or(|name| matches!(name.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"));
    is_readable && (media == "application/json" || media.starts_with("application/") && media.ends_with("+json"))
}

/// Inputs by name, none of them twice: of two values nobody knows which one is meant.
struct Given(ByName);

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Given(HashMap::new()))
    }
}

impl<'de> Visitor<'de> for Given {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if self.0.contains_key(&name) {
                return Err(A::Error::custom(format!("{name} is there twice")));
            }
            self.0.insert(name, value);
        }
        Ok(self)
    }
}

/// The whole body, or none when it is larger than the limit. What is too large is read and dropped for a while: a
/// caller that is still writing would not see the answer.
pub(crate) async fn collect<B>(mut body: B, limit: usize) -> Result<Option<Bytes>, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut collected, mut length) = (BytesMut::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len();
        if length <= limit {
            collected.extend_from_slice(&data);
        } else {
            collected.clear();
        }
        if length > limit.saturating_add(MOST_DROPPED) {
            break;
        }
    }
    Ok((length <= limit).then(|| collected.freeze()))
}

/// Bytes beyond the limit that are read all the same.
const MOST_DROPPED: usize = 256 << 20;

/// Brings every input: what is given stays, what is missing is fetched.
pub(crate) async fn gather<'a>(
    shared: &Shared,
    settings: &Settings,
    context: &RequestContext,
    names: &'a [String],
    mut given: ByName,
    route: Option<&'a [Step]>,
) -> Result<Gathered<'a>, Problem> {
    let config = &settings.config;
    let missing = names.iter().filter(|name| !given.contains_key(*name)).count();
    let steps = steps(config, context, names, &given, missing, route)?;
    let fetches = names.iter().zip(steps).map(|(name, step)| {
        let given = given.remove(name);
        async move {
            match (given, step) {
                (Some(value), _) => Ok((None, Fetched::Value(Bytes::from(String::from(Box::<str>::from(value)))))),
                (None, Some(Step::Literal(value))) => Ok((None, Fetched::Value(value.clone()))),
                (None, Some(Step::Call { service, peer, route })) => {
                    let ask = Ask { service, peer, route: Some(route), body: None };
                    let fetched = shared.upstreams.ask(settings, context, ask).await?;
                    Ok((Some(service.as_str()), fetched))
                }
                (None, None) => Err(lacking(config, context, name)),
            }
        }
    });
    let mut inputs = Inputs { values: Vec::with_capacity(names.len()), answers: Vec::with_capacity(missing) };
    for (input, (from, fetched)) in names.iter().zip(try_join_all(fetches).await?) {
        match fetched {
            Fetched::Value(value) => {
                inputs.answers.extend(from.map(|service| Answered { input, service, value: value.clone() }));
                inputs.values.push(value);
            }
            Fetched::Filtered(by) => return Ok(Gathered::Filtered(by)),
        }
    }
    Ok(Gathered::Inputs(inputs))
}

/// What feeds each input: one step for each, or one for each that is missing.
fn steps<'a>(
    config: &Config,
    context: &RequestContext,
    names: &[String],
    given: &HashMap<String, Box<RawValue>>,
    missing: usize,
    route: Option<&'a [Step]>,
) -> Result<Vec<Option<&'a Step>>, Problem> {
    let Some(list) = route.filter(|_| missing > 0) else { return Ok(vec![None; names.len()]) };
    if list.len() == names.len() {
        return Ok(list.iter().map(Some).collect());
    }
    if list.len() == missing {
        let mut list = list.iter();
        return Ok(names.iter().map(|name| if given.contains_key(name) { None } else { list.next() }).collect());
    }
    let detail = format!(
        "{} takes {} inputs, {missing} of them missing; the route feeds {}",
        config.service,
        names.len(),
        list.len()
    );
    Err(Problem::new("route", StatusCode::BAD_REQUEST, &config.service, &context.path, &detail))
}

fn lacking(config: &Config, context: &RequestContext, name: &str) -> Problem {
    let detail = format!(
        "the input {name} of {} is missing: send it in a POST body, or a route in {}",
        config.service,
        protocol::header::ROUTE
    );
    let members = Map::from_iter([("input".to_owned(), Value::from(name))]);
    Problem::with("rejected", StatusCode::UNPROCESSABLE_ENTITY, &config.service, &context.path, &detail, members)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_once_and_in_utf_8() {
        let is = |types: &[&str]| {
            let types = types.iter().map(|text| (header::CONTENT_TYPE, text.parse().unwrap()));
            let mut headers = HeaderMap::new();
            headers.extend(types);
            is_json(&headers)
        };
        for json in [
            "application/json",
            "Application/JSON",
            "application/json;charset=utf-8",
            "application/json; charset=\"UTF-8\"",
            "application/json ; x=y; Charset=utf8",
            "application/problem+json",
        ] {
            assert!(is(&[json]), "{json}");
        }
        for other in [
            "",
            "text/plain",
            "text/json",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/json; charset=latin1",
            "application/json, application/json",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is(&[other]), "{other}");
        }
        assert!(!is(&[]) && !is(&["application/json", "application/json"]));
    }
}
