//! Load sharing at a host: while a node's agent says so, a request takes a token or goes to the agent, which finds another
//! node. Without an agent nothing of this costs more than a look at one pointer.

mod admin;
mod admission;
mod away;
mod counts;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use protocol::header;

pub(crate) use admin::{load, share};
pub(crate) use admission::{Admission, Place};

use crate::answer::{Ended, Measured, run};
use crate::inputs;
use crate::problem::Problem;
use crate::request_context::RequestContext;
use crate::shared::{Settings, Shared};
use away::Taken;

/// Whether another node sent a request here.
pub(crate) fn is_guest(headers: &HeaderMap) -> bool {
    headers.contains_key(header::NODE)
}

/// A request that is not simply served here.
pub(crate) async fn elsewhere<B>(
    shared: &Arc<Shared>,
    settings: &Settings,
    context: &Arc<RequestContext>,
    place: Place,
    request: Request<B>,
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
            let ended = run(shared, settings, context, request, measured).await;
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
            let (parts, body) = request.into_parts();
            let body = inputs::whole(&parts.headers, body, &settings.config, context).await?;
            if let Some(address) = told.away() {
                match away::send(shared, settings, context, address, &parts, &body).await {
                    Taken::Answered(ended) => return ended,
                    Taken::ByNobody => {}
                }
            }
            let turn = admission.wait(&told, context.deadline).await;
            let Some(turn) = turn else {
                let detail = "this node has no room for now, and no other node took the request";
                return refused("overloaded", StatusCode::SERVICE_UNAVAILABLE, "nobody", detail);
            };
            let request = Request::from_parts(parts, Full::<Bytes>::new(body));
            let ended = run(shared, settings, context, request, measured).await;
            turn.end(context.begun.elapsed());
            ended
        }
    }
}
