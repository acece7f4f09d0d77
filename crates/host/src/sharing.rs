//! Load sharing at a host: while a node's agent says so, a request takes a token or goes to the agent, which finds another
//! node. Without an agent nothing of this costs more than a look at one pointer.

mod admin;
mod admission;
mod away;
#[cfg(test)]
mod bad_days;
mod counts;
mod figure;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use protocol::header;

pub(crate) use admin::{load, share};
pub(crate) use admission::{Admission, Place};
pub use figure::admission_nanos;

use crate::answer::{Asked, Ended, Measured, run};
use crate::inputs;
use crate::problem::Problem;
use crate::request_context::{RequestContext, text};
use crate::shared::{Settings, Shared};
use away::{Onward, Taken};

/// A request that is not simply served here.
pub(crate) async fn elsewhere<B>(
    shared: &Arc<Shared>,
    settings: &Settings,
    context: &Arc<RequestContext>,
    place: Place,
    asked: Asked<B>,
    measured: &mut Measured,
) -> Result<Ended, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let admission = &shared.admission;
    let refused = |kind, status, why, detail: &str| {
        admission.refuse(why);
        Err(Problem::new(kind, status, &settings.config.service, &context.path, detail))
    };
    match place {
        Place::Here(turn) => {
            let ended = run(shared, settings, context, asked, measured).await;
            turn.end(context.begun.elapsed());
            ended
        }
        Place::NoRoom => {
            let detail = "this node has no room for requests of other nodes";
            refused("no-room", StatusCode::TOO_MANY_REQUESTS, "no-room", detail)
        }
        Place::Rejected => {
            refused("overloaded", StatusCode::SERVICE_UNAVAILABLE, "split", "a part of all requests is refused")
        }
        Place::Away(told) => {
            let (asked, way) = read(settings, context, asked).await?;
            // Nodes know no places: another one may be out of the bounds of the request.
            let is_bound = context.near.as_ref().is_some_and(|near| near.is_bound());
            if let Some(address) = told.away().filter(|_| !is_bound) {
                match away::send(shared, settings, context, address, &way).await {
                    Taken::Answered(ended) => return ended,
                    Taken::ByNobody => {}
                }
            }
            let turn = admission.wait(&told, context.deadline).await;
            let Some(turn) = turn else {
                let detail = "this node has no room for now, and no other node took the request";
                return refused("overloaded", StatusCode::SERVICE_UNAVAILABLE, "nobody", detail);
            };
            let ended = run(shared, settings, context, asked, measured).await;
            turn.end(context.begun.elapsed());
            ended
        }
    }
}

/// Reads a request whole: to be served here after all, and what goes to another node of it.
async fn read<B>(
    settings: &Settings,
    context: &RequestContext,
    asked: Asked<B>,
) -> Result<(Asked<Full<Bytes>>, Onward), Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    match asked {
        Asked::Http(parts, body) => {
            let body = inputs::whole(&parts.headers, body, &settings.config, context).await?;
            let posted = (parts.method == Method::POST).then(|| body.clone());
            let route = text(&parts.headers, header::ROUTE).map(str::to_owned);
            Ok((Asked::Http(parts, Full::new(body)), Onward { route, body: posted }))
        }
        Asked::Within { route, body } => {
            let onward = Onward { route: route.clone(), body: body.clone() };
            Ok((Asked::Within { route, body }, onward))
        }
    }
}
