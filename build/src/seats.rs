//! Seats for rustc: what somebody waits for never queues behind what nobody does.

use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// As many seats as there are cores for what somebody waits for, and one besides for work ahead.
pub(crate) struct Seats {
    wanted: Semaphore,
    spare: Semaphore,
    /// How many have a seat or wait for one.
    waiting: watch::Sender<usize>,
}

/// A seat for what somebody waits for; free again when dropped.
pub(crate) struct Seat<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    _waiting: Waiting<'a>,
}

/// Counts one that waits until it is dropped, seated or not.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Seats {
    pub(crate) fn new(cores: usize) -> Self {
        Self { wanted: Semaphore::new(cores), spare: Semaphore::new(1), waiting: watch::Sender::new(0) }
    }

    /// A seat for a build.
    pub(crate) async fn take(&self) -> Seat<'_> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let waiting = Waiting(&self.waiting);
        // Never closed, so a seat always comes.
        Seat { _permit: self.wanted.acquire().await.ok(), _waiting: waiting }
    }

    /// A seat for work that nobody waits for: one after the other, and none begins while somebody waits. One that has
    /// begun goes on, so that edits without a pause do not keep it from ever being done.
    pub(crate) async fn take_spare(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.spare.acquire().await.ok();
        // The sender is ours: it is there as long as this is.
        drop(self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await);
        permit
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_build_does_not_wait_for_what_is_compiled_ahead() {
        let seats = Seats::new(1);
        let begun = seats.take_spare().now_or_never().unwrap();
        let mut queued: Vec<_> = (0..100).map(|_| Box::pin(seats.take_spare())).collect();
        assert!(queued.iter_mut().all(|spare| spare.now_or_never().is_none()));
        let build = seats.take().now_or_never().expect("a seat at once");
        drop(begun);
        assert!(seats.take_spare().now_or_never().is_none(), "nothing begins while somebody waits");
        drop((build, queued));
        assert!(seats.take_spare().now_or_never().is_some());
    }

    #[test]
    fn a_build_that_is_given_up_while_it_waits_is_waited_for_no_more() {
        let seats = Seats::new(1);
        let build = seats.take().now_or_never().unwrap();
        assert!(seats.take().now_or_never().is_none(), "as many as there are cores");
        drop(build);
        assert!(seats.take_spare().now_or_never().is_some());
    }
}
