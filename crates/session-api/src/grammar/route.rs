//! The route header of a call.

use protocol::{Expression, Route};

use crate::command::{CallTree, Feed};
use crate::snapshot::Snapshot;

/// Finds the `Dyninka-Route` to send to the called service; none where its own flow feeds it already.
pub fn route(call: &CallTree, snapshot: &Snapshot) -> Option<String> {
    let flow = snapshot.flow.as_deref().and_then(|flow| Route::parse(flow).ok()).unwrap_or_default();
    let inputs = call.inputs.as_ref()?;
    Some(inputs_of(inputs, &flow).to_string())
}

fn inputs_of(feeds: &[Feed], flow: &Route) -> Route {
    Route(feeds.iter().map(|feed| expression(feed, flow)).collect())
}

/// A route is followed to its end, so what the flow feeds stands in it in full.
fn expression(feed: &Feed, flow: &Route) -> Expression {
    match feed {
        Feed::Value(value) => Expression::Literal(value.into()),
        Feed::Call(CallTree { service, inputs }) => {
            let inputs = match inputs {
                Some(inputs) => inputs_of(inputs, flow),
                None => fed(service, flow).cloned().unwrap_or_default(),
            };
            Expression::Call { service: service.clone(), inputs }
        }
    }
}

/// Finds the flow's sources for a service.
fn fed<'f>(wanted: &str, flow: &'f Route) -> Option<&'f Route> {
    flow.0.iter().find_map(|expression| match expression {
        Expression::Call { service, inputs } if service == wanted => Some(inputs),
        Expression::Call { inputs, .. } => fed(wanted, inputs),
        Expression::Literal(_) => None,
    })
}
