//! Events as they come (SSE).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;
use tokio::time::Instant;

use super::caller::{By, ReadJobs};
use super::one;
use super::problem::ApiProblem;
use crate::books::{EventPage, EventRow};
use crate::core::Core;

/// Events that are read at once: so many wait for a reader that does not read, beside what the connection takes.
const AT_ONCE: u32 = 50;
/// Between two looks of one reader. Each commit is news to all of them: without it, a hundred readers look a hundred times for
/// each job that ends.
const LOOKS: Duration = Duration::from_millis(100);
/// A line each, so that what is between hears that somebody is there.
const ALIVE: Duration = Duration::from_secs(15);

type Events = Sse<axum::response::sse::KeepAliveStream<Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>>;

/// A message to a reader.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Row(EventRow),
    /// So many were removed before the reader came to them. Those of other tenants and jobs are among them: nobody knows any
    /// more whose they were.
    Lost(i64),
}

impl Told {
    fn event(self) -> Event {
        match self {
            Self::Row(row) => {
                let data = serde_json::to_string(&row).unwrap_or_default();
                Event::default().id(row.seq.to_string()).event(row.kind).data(data)
            }
            Self::Lost(events) => Event::default().event("lost").data(format!("{{\"events\":{events}}}")),
        }
    }
}

/// Where a reader is.
struct Reader {
    core: Arc<Core>,
    tenant: Option<String>,
    job: Option<String>,
    after: i64,
    read: VecDeque<Told>,
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
    let given = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let told = told(core, tenant, job, given).await?;
    let events: Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>> =
        Box::pin(told.map(|told| Ok(told.event())));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)))
}

/// The next messages to a reader that has read up to the event `given`; without it, those of a job from its first on, and of all from
/// now on.
async fn told(
    core: Arc<Core>,
    tenant: Option<String>,
    job: Option<String>,
    given: Option<i64>,
) -> Result<impl Stream<Item = Told> + Send, ApiProblem> {
    let news = core.news.subscribe();
    let (first, last) = core.books.event_bounds().await?;
    let after = match given {
        Some(given) => given,
        None if job.is_some() => first - 1,
        None => last,
    };
    let reader = Reader { core, tenant, job, after, read: VecDeque::new(), rests: Instant::now(), news };
    // Read when there is somebody to take it: a reader that takes nothing holds nothing.
    Ok(futures_util::stream::unfold(reader, next))
}

async fn next(mut reader: Reader) -> Option<(Told, Reader)> {
    loop {
        if let Some(told) = reader.read.pop_front() {
            return Some((told, reader));
        }
        reader.news.mark_unchanged();
        let books = &reader.core.books;
        let page = books.events(reader.tenant.clone(), reader.job.clone(), reader.after, AT_ONCE).await.ok()?;
        let is_all = page.rows.len() < AT_ONCE as usize;
        reader.take(page);
        if reader.read.is_empty() && is_all {
            reader.news.changed().await.ok()?;
            tokio::time::sleep_until(reader.rests).await;
            reader.rests = Instant::now() + LOOKS;
        }
    }
}

impl Reader {
    /// Takes what a look found, and notes how far it saw.
    fn take(&mut self, page: EventPage) {
        let EventPage { first, last, rows } = page;
        // It has read too slowly, or comes back too late.
        if self.after + 1 < first {
            self.read.push_back(Told::Lost(first - self.after - 1));
        }
        let seen = match rows.last() {
            // There may be more behind it.
            Some(row) if rows.len() == AT_ONCE as usize => row.seq,
            // All that there was: what is another's is not looked at again, and not missed once it is removed.
            _ => last,
        };
        self.after = self.after.max(seen);
        self.read.extend(rows.into_iter().map(Told::Row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Bounds;
    use crate::tests::{NOW, accept, core};

    const KEPT: Bounds = Bounds { job_ms: u64::MAX, event_ms: i64::MAX / 2, events: 2 };

    async fn kinds(told: &mut (impl Stream<Item = Told> + Unpin), most: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        while kinds.len() < most {
            kinds.push(match told.next().await.expect("it goes on") {
                Told::Row(row) => format!("{} {}", row.seq, row.job),
                Told::Lost(events) => format!("lost {events}"),
            });
        }
        kinds
    }

    /// D21: a reader hears how many events it will never see: because it comes back too late, or because it reads too slowly.
    #[tokio::test]
    async fn what_is_kept_no_longer_is_told_as_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let core = Arc::new(core(folder.path(), NOW, &["map"]));
        let follow = async |tenant: Option<&str>, job: Option<&str>, given| {
            let told = told(core.clone(), tenant.map(str::to_owned), job.map(str::to_owned), given).await;
            Box::pin(told.unwrap_or_else(|_| panic!("a store")))
        };
        accept(&core, "alice", &["a1"]).await;
        let mut slow = follow(None, None, Some(0)).await;
        assert_eq!(kinds(&mut slow, 1).await, ["1 a1"]);
        accept(&core, "alice", &["a2", "a3", "a4", "a5", "a6"]).await;
        core.books.tidy(NOW, KEPT).await.expect("tidied");
        assert_eq!(core.books.event_bounds().await.expect("bounds"), (5, 6));
        // The slow one has read the first alone, and one that comes back has read the second.
        assert_eq!(kinds(&mut slow, 3).await, ["lost 3", "5 a5", "6 a6"]);
        assert_eq!(kinds(&mut follow(None, None, Some(2)).await, 3).await, ["lost 2", "5 a5", "6 a6"]);
        // Who asks for all that is kept of a job, or goes on where the kept ones begin, has lost nothing.
        assert_eq!(kinds(&mut follow(None, Some("a6"), None).await, 1).await, ["6 a6"]);
        assert_eq!(kinds(&mut follow(None, None, Some(4)).await, 1).await, ["5 a5"]);
        // Nothing is kept at all: how many are gone is known all the same.
        core.books.tidy(NOW, Bounds { event_ms: -1, ..KEPT }).await.expect("tidied");
        assert_eq!(kinds(&mut follow(None, None, Some(4)).await, 1).await, ["lost 2"]);
        accept(&core, "bob", &["b1"]).await;
        assert_eq!(kinds(&mut follow(Some("bob"), None, Some(6)).await, 1).await, ["7 b1"]);
    }

    /// What was another's is seen with the look that passes over it, and not missed once it is removed.
    #[tokio::test]
    async fn a_reader_misses_nothing_that_it_has_looked_past() {
        let folder = tempfile::tempdir().expect("a folder");
        let core = Arc::new(core(folder.path(), NOW, &["map"]));
        let news = core.news.subscribe();
        let (tenant, read) = (Some("bob".to_owned()), VecDeque::new());
        let mut reader = Reader { core, tenant, job: None, after: 3, read, rests: Instant::now(), news };
        let row = |seq| {
            let text = || "x".to_owned();
            EventRow { seq, at: text(), tenant: text(), job: text(), kind: text(), attempt: 0 }
        };
        reader.take(EventPage { first: 1, last: 90, rows: vec![row(5)] });
        assert_eq!((reader.after, reader.read.len()), (90, 1));
        reader.take(EventPage { first: 91, last: 95, rows: Vec::new() });
        assert_eq!((reader.after, reader.read.len()), (95, 1));
        // A page that is full may not be all there is.
        reader.take(EventPage { first: 91, last: 400, rows: (96..96 + i64::from(AT_ONCE)).map(row).collect() });
        assert_eq!(reader.after, 95 + i64::from(AT_ONCE));
        reader.read.clear();
        reader.take(EventPage { first: 301, last: 400, rows: Vec::new() });
        assert_eq!(reader.read.pop_front(), Some(Told::Lost(300 - 95 - i64::from(AT_ONCE))));
    }
}
