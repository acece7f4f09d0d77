//! `dyn invoke`: call one service, in the running session or with what it needs started for this call.

use std::collections::BTreeSet;
use std::time::Duration;

use app::{App, Service};
use serde_json::{Map, Value};
use session::{AppPlace, Home, PublicPort, Session};
use session_api::Report;
use session_api::snapshot::Phase;

use crate::arguments::{Call, Invoke, Limits};
use crate::face::Face;
use crate::fault::{Fault, Kind};
use crate::{finding, speech, start};

/// Between two looks at a session that starts.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(invoke: &Invoke) -> Result<(), Fault> {
    let Call { file, service, inputs: given, route } = &invoke.call;
    let (app, diagnostics, _) = session::load(file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    let inputs = inputs(find(&app, service)?, given)?;
    start::runtime()?.block_on(async {
        let place = Home::open()?.place(file)?;
        match serving(&place, service).await? {
            Some(url) => call(&url, &inputs, route.as_deref(), None).await,
            None => started(invoke, &app, &inputs).await,
        }
    })
}

/// Where the app's session serves a service, once it does: one that starts is waited for, and so is another call's. None
/// where no session has the app.
async fn serving(place: &AppPlace, service: &str) -> Result<Option<String>, Fault> {
    let mut is_told = false;
    loop {
        if let Some(url) = session::running(place).and_then(|running| running.url_of(service)) {
            return Ok(Some(url));
        }
        let Some(client) = session::attach(place) else { return Ok(None) };
        // One that does not answer yet has only begun; one that ends answers no more.
        let phase = client?.snapshot().await.map(|snapshot| snapshot.phase);
        if phase.is_ok_and(|phase| phase == Phase::Broken) {
            return Err(Fault::new(Kind::App, "the session of this app has nothing to call: its file does not build")
                .hint(format!("`dyn check {}` lists what is wrong", place.file.display())));
        }
        if !is_told {
            is_told = true;
            drop(speech::err("waiting for the session that starts"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Starts what the call needs, calls, and stops it.
async fn started(invoke: &Invoke, app: &App, inputs: &Map<String, Value>) -> Result<(), Fault> {
    let Call { file, service, route, .. } = &invoke.call;
    let mut options = start::options(file, invoke.on, PublicPort::Free, &Limits::default())?;
    options.watch = false;
    options.waits = false;
    options.only = Some(needed(app, service, inputs, route.as_deref())?);
    let mut signals = start::Signals::new()?;
    start::insist()?;
    let mut face = Face::aside();
    let mut session = Session::start(options)?;
    let mut ended = Err(Fault::said(Kind::Interrupted));
    loop {
        let report = tokio::select! {
            report = session.next() => report,
            _ = signals.next() => {
                session.interrupt();
                continue;
            }
        };
        match report {
            None => return ended,
            Some(Report::Ready { services, .. }) => {
                face.finish();
                let address = services.iter().find(|address| address.name == *service);
                if let Some(address) = address {
                    ended = tokio::select! {
                        ended = call(&address.url, inputs, route.as_deref(), None) => ended,
                        _ = signals.next() => Err(Fault::said(Kind::Interrupted)),
                    };
                }
                session.interrupt();
            }
            Some(Report::Failed { message, hint }) => {
                face.finish();
                ended = Err(hint.into_iter().fold(Fault::new(Kind::Machine, message), Fault::hint));
            }
            Some(report) => {
                if matches!(report, Report::Broken { .. }) {
                    ended = Err(Fault::said(Kind::App));
                }
                if !matches!(report, Report::Stopped) {
                    // Whoever reads stderr may have gone: the answer is on stdout.
                    drop(face.show(&report));
                }
            }
        }
    }
}

pub(super) fn find<'a>(app: &'a App, name: &str) -> Result<&'a Service, Fault> {
    app.services.iter().find(|service| service.name == name).ok_or_else(|| {
        let names = app.services.iter().map(|service| service.name.as_str());
        Fault::new(Kind::App, format!("{name} is no service of {}", app.name))
            .hint(app::suggest(name, names, "services"))
    })
}

/// `NAME=JSON` by name, a bare JSON value for the next input in order.
pub(super) fn inputs(service: &Service, given: &[String]) -> Result<Map<String, Value>, Fault> {
    let mut inputs = Map::new();
    for text in given {
        let named = text.split_once('=').filter(|(name, _)| service.inputs.iter().any(|input| input.name == *name));
        let free =
            || service.inputs.iter().find(|input| !inputs.contains_key(&input.name)).map(|input| input.name.clone());
        let (name, json) = match named {
            Some((name, json)) => (name.to_owned(), json),
            None => {
                let wanted = service.inputs.len();
                let too_many = || {
                    Fault::new(Kind::Usage, format!("{} takes {wanted} inputs, this is one more: {text}", service.name))
                };
                (free().ok_or_else(too_many)?, text.as_str())
            }
        };
        let value = protocol::exact::read(json).map_err(|error| {
            Fault::new(Kind::Usage, format!("the input {name} is not JSON: {error}: {json}"))
                .hint("a string wants its quotes: name='\"text\"'")
        })?;
        if inputs.insert(name.clone(), value).is_some() {
            return Err(Fault::new(Kind::Usage, format!("the input {name} is given twice")));
        }
    }
    Ok(inputs)
}

/// The services a call can reach: by its route, by the flow, and by calls in bodies.
fn needed(
    app: &App,
    service: &str,
    inputs: &Map<String, Value>,
    route: Option<&str>,
) -> Result<BTreeSet<String>, Fault> {
    let complete = find(app, service)?.inputs.iter().all(|input| inputs.contains_key(&input.name));
    let route = route.map(str::to_owned).or_else(|| app.route_of(service).filter(|_| !complete));
    let mut wanted = vec![service.to_owned()];
    if let Some(route) = route {
        let route = protocol::Route::parse(&route)
            .map_err(|error| Fault::new(Kind::Usage, format!("the route is wrong: {error}")))?;
        wanted.extend(route.services().map(str::to_owned));
    }
    let mut needed = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        let service = find(app, &name)?;
        if needed.insert(name) {
            wanted.extend(service.calls.iter().cloned());
        }
    }
    Ok(needed)
}

/// The answer's JSON goes to stdout, everything else to stderr. `key` is the app's secret on a cluster.
pub(super) async fn call(
    url: &str,
    inputs: &Map<String, Value>,
    route: Option<&str>,
    key: Option<&str>,
) -> Result<(), Fault> {
    let unreachable = |error: reqwest::Error| Fault::new(Kind::App, format!("cannot call {url}: {error}"));
    let client = reqwest::Client::builder().no_proxy().build().map_err(unreachable)?;
    let mut request = if inputs.is_empty() { client.get(url) } else { client.post(url).body(body(inputs)) };
    if !inputs.is_empty() {
        request = request.header(reqwest::header::CONTENT_TYPE, "application/json");
    }
    if let Some(route) = route {
        request = request.header(protocol::header::ROUTE, route);
    }
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let filtered = answer.headers().get(protocol::header::FILTERED).and_then(|by| by.to_str().ok()).map(str::to_owned);
    let text = answer.text().await.map_err(unreachable)?;
    match status.as_u16() {
        200 => drop(speech::json(text)),
        204 => drop(speech::err(format_args!(
            "filtered: {}",
            filtered.as_deref().unwrap_or("by a service that does not say its name")
        ))),
        _ => return Err(failure(status, &text)),
    }
    Ok(())
}

/// Inputs as a body, with every digit of their numbers.
fn body(inputs: &Map<String, Value>) -> String {
    protocol::exact::write(&Value::Object(inputs.clone()))
}

/// A problem document in words.
fn failure(status: reqwest::StatusCode, text: &str) -> Fault {
    let problem: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let word = |name: &str| problem[name].as_str();
    let message = match (word("service"), word("detail")) {
        (Some(service), Some(detail)) => format!("{service}: {detail} ({})", status.as_u16()),
        (None, Some(detail)) => format!("{detail} ({})", status.as_u16()),
        _ => format!("{status}: {text}"),
    };
    Fault::new(Kind::App, message)
}
