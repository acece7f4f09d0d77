//! Events as they come (SSE).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use http::HeaderMap;
use tokio::time::Instant;

use super::caller::{By, ReadJobs};
use super::one;
use super::problem::ApiProblem;
use crate::books::EventRow;
use crate::core::Core;

/// Events that are read at once: so many wait for a reader that does not read, beside what the connection takes.
const AT_ONCE: u32 = 50;
/// Between two looks of one reader. Each commit is news to all of them: without it, a hundred readers look a hundred times for
/// each job that ends.
const LOOKS: Duration = Duration::from_millis(100);
/// A line each, so that what is between hears that somebody is there.
const ALIVE: Duration = Duration::from_secs(15);

type Events =
    Sse<axum::response::sse::KeepAliveStream<std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>>;

/// Where a reader is.
struct Reader {
    core: Arc<Core>,
    tenant: Option<String>,
    job: Option<String>,
    after: i64,
    read: std::collections::VecDeque<Event>,
    /// Before then it does not look again, once it has read all there was.
    rests: Instant,
    news: tokio::sync::watch::Receiver<u64>,
}

/// Streams the events of all jobs that the caller may see.
#[utoipa::path(
    get, operation_id = "events", path = "/v1/events",
    params(("Last-Event-ID" = Option<String>, Header, description = "Go on after this one")),
    responses((status = 200, description = "Events", content_type = "text/event-stream", body = EventRow),
        (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn of_all(By { core, caller, .. }: By<ReadJobs>, headers: HeaderMap) -> Result<Events, ApiProblem> {
    follow(core, caller.sees(), None, &headers).await
}

/// Streams the events of one job, from its first on.
#[utoipa::path(
    get, operation_id = "job_events", path = "/v1/jobs/{id}/events", params(("id" = String, Path)),
    responses((status = 200, description = "Events", content_type = "text/event-stream", body = EventRow),
        (status = "4XX", description = "A problem document")),
    security(("token" = []))
)]
pub(super) async fn of_job(
    By { core, caller, .. }: By<ReadJobs>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Events, ApiProblem> {
    one::find(&core, caller.sees(), &id).await?;
    follow(core, caller.sees(), Some(id), &headers).await
}

async fn follow(
    core: Arc<Core>,
    tenant: Option<String>,
    job: Option<String>,
    headers: &HeaderMap,
) -> Result<Events, ApiProblem> {
    let news = core.news.subscribe();
    let (first, last) = core.books.event_bounds().await?;
    let given = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let mut read = std::collections::VecDeque::new();
    let after = match given {
        // What is kept no longer is said to be lost.
        Some(given) if given + 1 < first => {
            read.push_back(Event::default().event("lost").data(format!("{{\"events\":{}}}", first - given - 1)));
            first - 1
        }
        Some(given) => given,
        None if job.is_some() => 0,
        None => last,
    };
    let reader = Reader { core, tenant, job, after, read, rests: Instant::now(), news };
    // Read when there is somebody to take it: a reader that takes nothing holds nothing.
    let stream: std::pin::Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> =
        Box::pin(futures_util::stream::unfold(reader, next));
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE)))
}

async fn next(mut reader: Reader) -> Option<(Result<Event, Infallible>, Reader)> {
    loop {
        if let Some(event) = reader.read.pop_front() {
            return Some((Ok(event), reader));
        }
        reader.news.mark_unchanged();
        let books = &reader.core.books;
        let rows = books.events(reader.tenant.clone(), reader.job.clone(), reader.after, AT_ONCE).await.ok()?;
        if rows.is_empty() {
            reader.news.changed().await.ok()?;
            tokio::time::sleep_until(reader.rests).await;
            reader.rests = Instant::now() + LOOKS;
            continue;
        }
        reader.after = rows.last().map_or(reader.after, |row| row.seq);
        reader.read.extend(rows.into_iter().map(|row: EventRow| {
            let data = serde_json::to_string(&row).unwrap_or_default();
            Event::default().id(row.seq.to_string()).event(row.kind).data(data)
        }));
    }
}
