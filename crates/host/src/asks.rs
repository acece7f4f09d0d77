//! Jobs that functions ask for: kept here until a job server has accepted them.
//!
//! The job server asks for them, as the session asks for hops: a host needs no route out, and no address to be told. An ask
//! is told again to whoever comes until it is answered, and its key makes it one job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use parking_lot::Mutex;
use protocol::asks::{AskAnswers, AskEnd, JobAsk, JobAsks};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::runs;
use crate::shared::Shared;

/// How long a question is held. Shorter than what proxies on the way commonly allow (60 s).
const LONGEST: Duration = Duration::from_secs(20);
/// How long the first ask waits for a job server, which begins after its services.
const FIRST: Duration = Duration::from_secs(2);

/// The jobs that functions of a host ask for.
pub(crate) struct Asks {
    open: Mutex<Open>,
    /// Whether the host ends. Changes with each ask, too.
    news: watch::Sender<bool>,
    /// Whether a job server has ever asked.
    known: watch::Sender<bool>,
}

#[derive(Default)]
struct Open {
    last: u64,
    asks: BTreeMap<u64, (JobAsk, oneshot::Sender<AskEnd>)>,
}

/// No job server has asked this host for anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JobsAreOff;

impl Default for Asks {
    fn default() -> Self {
        Self { open: Mutex::default(), news: watch::Sender::new(false), known: watch::Sender::new(false) }
    }
}

impl Asks {
    /// Asks for a job, and waits until a job server has said what became of it. Dropped, it is asked for no more.
    pub(crate) async fn ask(&self, ask: JobAsk) -> Result<AskEnd, JobsAreOff> {
        if timeout(FIRST, self.known.subscribe().wait_for(|is_known| *is_known)).await.is_err() {
            return Err(JobsAreOff);
        }
        let (sender, answer) = oneshot::channel();
        let number = {
            let mut open = self.open.lock();
            open.last += 1;
            let number = open.last;
            open.asks.insert(number, (JobAsk { number, ..ask }, sender));
            number
        };
        let _open = Withdrawn { asks: self, number };
        self.news.send_if_modified(|_| true);
        // Its sender goes with its answer alone, or with this.
        answer.await.map_err(|_| JobsAreOff)
    }

    /// A job server is there.
    pub(crate) fn known(&self) {
        self.known.send_if_modified(|is_known| !std::mem::replace(is_known, true));
    }

    /// Lets nobody wait any longer: the host ends.
    pub(crate) fn close(&self) {
        self.news.send_replace(true);
    }

    /// What is open, once there is something, a while has passed or the host ends.
    async fn list(&self, longest: Duration) -> Vec<JobAsk> {
        let mut news = self.news.subscribe();
        let open = || self.open.lock().asks.values().map(|(ask, _)| ask.clone()).collect::<Vec<_>>();
        let now = open();
        if !now.is_empty() || *news.borrow_and_update() {
            return now;
        }
        // What came since `subscribe` is a change.
        drop(timeout(longest, news.changed()).await);
        open()
    }

    fn answer(&self, number: u64, end: AskEnd) {
        let asked = self.open.lock().asks.remove(&number);
        if let Some((_, sender)) = asked {
            // Whoever asked may have gone.
            let _gone = sender.send(end);
        }
    }
}

/// Takes an ask back.
struct Withdrawn<'a> {
    asks: &'a Asks,
    number: u64,
}

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        self.asks.open.lock().asks.remove(&self.number);
    }
}

/// `GET /_dyninka/asks`: held until there is something to tell.
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> axum::response::Response {
    shared.asks.known();
    let asks = shared.asks.list(LONGEST).await;
    axum::Json(JobAsks { epoch: runs::epoch(&shared), asks }).into_response()
}

/// `POST /_dyninka/asks`: what became of some.
pub(crate) async fn answer(State(shared): State<Arc<Shared>>, told: axum::Json<AskAnswers>) -> StatusCode {
    // Answers for another life are nobody's.
    if told.epoch == runs::epoch(&shared) {
        for answer in told.0.answers {
            shared.asks.answer(answer.number, answer.end);
        }
    }
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> JobAsk {
        let text = |text: &str| text.to_owned();
        JobAsk { number: 0, key: text("k"), account: None, service: text("map"), inputs: text("{}"), trace: text("t") }
    }

    #[tokio::test(start_paused = true)]
    async fn an_ask_is_told_until_it_is_answered() {
        let asks = Arc::new(Asks::default());
        asks.known();
        let asking = tokio::spawn({
            let asks = asks.clone();
            async move { asks.ask(ask()).await }
        });
        let told = asks.list(LONGEST).await;
        assert_eq!(told, [JobAsk { number: 1, ..ask() }]);
        assert_eq!(asks.list(LONGEST).await, told, "and again, to a server that was started anew");
        asks.answer(2, AskEnd::Accepted("another".to_owned()));
        asks.answer(1, AskEnd::Accepted("j".to_owned()));
        assert_eq!(asking.await.expect("it ends"), Ok(AskEnd::Accepted("j".to_owned())));
        assert_eq!(asks.list(LONGEST).await, []);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_job_server_an_ask_fails_and_one_that_is_given_up_is_told_to_nobody() {
        let asks = Asks::default();
        assert_eq!(asks.ask(ask()).await, Err(JobsAreOff));
        asks.known();
        assert!(timeout(LONGEST, asks.ask(ask())).await.is_err(), "it waits for the server to come back");
        assert_eq!(asks.list(LONGEST).await, []);
        asks.close();
        assert_eq!(timeout(LONGEST / 2, asks.list(LONGEST)).await, Ok(Vec::new()), "nobody waits for a host that ends");
    }
}
