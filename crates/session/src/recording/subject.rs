//! A service, as a question about recorded requests has it.

use app::{App, Flow, Service};
use recordings::Body;
use recordings::replay::{InputSource, Replay, Subject};

/// A service of the app at its version `now`, beside the version `was`; without one, what was recorded stands for the code
/// before.
pub fn subject(app: &App, service: &Service, was: Option<String>, now: String) -> Subject {
    let placed = service.placed.iter().any(|placed| placed.is_state);
    let replay = match service.replay {
        None => Replay::Computing,
        Some(true) => Replay::Always,
        Some(false) => Replay::Never,
    };
    Subject { was, now, feeds: feeds(app, &service.name), replay, placed }
}

/// What feeds a service's inputs, in order; nothing where it stands nowhere in the flow.
fn feeds(app: &App, service: &str) -> Vec<InputSource> {
    fn find<'a>(flow: &'a Flow, wanted: &str) -> Option<&'a [Flow]> {
        match flow {
            Flow::Literal(_) => None,
            Flow::Call { service, inputs } if service == wanted => Some(inputs),
            Flow::Call { inputs, .. } => inputs.iter().find_map(|input| find(input, wanted)),
        }
    }
    let inputs = app.flow.as_ref().and_then(|flow| find(flow, service)).unwrap_or_default();
    let feed = |input: &Flow| match input {
        Flow::Literal(json) => InputSource::Literal(Body::new(json.as_bytes())),
        Flow::Call { service, .. } => InputSource::Service(service.clone()),
    };
    inputs.iter().map(feed).collect()
}
