//! A call between two services of one host: the very way of a call over a connection, without one.

use std::pin::Pin;
use std::sync::Arc;

use protocol::SpanId;
use tokio::task::JoinSet;

use crate::answer::{Asked, answer_within};
use crate::request_context::RequestContext;
use crate::shared::Shared;
use crate::upstream::Ask;
use crate::wire::{Answer, is_value};

/// A task polls no more calls than this below each other: each time it is woken it comes by all of them.
const DEEPEST: usize = 4;

/// Asks a service of this host; none: it ended meanwhile. Dropped, it gives the call up. `call` is its span.
pub(crate) fn ask(
    callee: Arc<Shared>,
    caller: &RequestContext,
    ask: &Ask<'_>,
    call: SpanId,
) -> Pin<Box<dyn Future<Output = Option<Answer>> + Send>> {
    let settings = callee.settings.load_full();
    let wants = |enters| callee.recorder.wants(enters, settings.config.limits.detail);
    let context = RequestContext::within(caller, call, &settings.config, wants);
    // What no header can have is left out of a question, too.
    let route = ask.route.filter(|route| is_value(route)).map(str::to_owned);
    let answer = answer_within(callee, settings, context, Asked::Within { route, body: ask.body.clone() });
    if !caller.path.len().is_multiple_of(DEEPEST) {
        return Box::pin(async move { Some(answer.await.into_answer()) });
    }
    Box::pin(async move {
        // Ends with whoever waits for it.
        let mut apart = JoinSet::new();
        apart.spawn(answer);
        Some(apart.join_next().await?.ok()?.into_answer())
    })
}
