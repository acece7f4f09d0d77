//! A face on a thread of its own: output that nobody reads stands still there, and neither a signal nor the end of the
//! session waits for it. What services write meanwhile takes bounded room, and what is dropped is counted and shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session::{Queued, Receiver, Sender, queue};
use session_api::Report;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::face::Face;
use crate::fault::{Fault, Kind};
use crate::speech;

/// Output that takes nothing for so long, once there is nothing else to wait for, is given up on.
const STUCK: Duration = Duration::from_secs(1);

/// Shows reports, one after the other, and keeps nobody waiting.
pub(crate) struct Teller {
    reports: Sender<Queued>,
    shown: Arc<AtomicU64>,
    state: watch::Receiver<State>,
}

/// How the thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Telling,
    /// Nobody reads any more.
    Gone,
    Done,
}

impl Teller {
    /// Has a face show what is told from now on.
    pub(crate) fn new(face: Face) -> Result<Self, Fault> {
        let (reports, receiver) = queue();
        let (told, state) = watch::channel(State::Telling);
        let (shown, runtime) = (Arc::new(AtomicU64::new(0)), Handle::current());
        let count = shown.clone();
        std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || show(face, receiver, &runtime, &count, &told))
            .map_err(|error| Fault::new(Kind::Machine, format!("cannot start a thread: {error}")))?;
        Ok(Self { reports, shown, state })
    }

    /// Has a report shown after those before.
    pub(crate) fn tell(&self, report: Report) {
        self.reports.send(Queued(report));
    }

    /// Returns once nobody reads any more.
    pub(crate) async fn gone(&mut self) {
        if self.state.wait_for(|state| *state == State::Gone).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until all is told, or nothing of it is taken any more.
    pub(crate) async fn finish(self) {
        let Self { reports, shown, mut state } = self;
        drop(reports);
        loop {
            let before = shown.load(Ordering::Relaxed);
            if tokio::time::timeout(STUCK, state.wait_for(|state| *state != State::Telling)).await.is_ok() {
                return;
            }
            if shown.load(Ordering::Relaxed) == before {
                speech::give_up();
                return;
            }
        }
    }
}

fn show(
    mut face: Face,
    mut reports: Receiver<Queued>,
    runtime: &Handle,
    shown: &AtomicU64,
    state: &watch::Sender<State>,
) {
    let mut is_gone = false;
    while let Some(Queued(report)) = runtime.block_on(reports.recv()) {
        // What comes after the reader has gone is for nobody.
        if !is_gone && face.show(&report).is_err() {
            is_gone = true;
            state.send_replace(State::Gone);
        }
        shown.fetch_add(1, Ordering::Relaxed);
    }
    face.finish();
    if !is_gone {
        state.send_replace(State::Done);
    }
}
