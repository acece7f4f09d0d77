//! Permits for rustc: what somebody waits for never queues behind what nobody does.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot, watch};

/// As many permits as there are cores for what somebody waits for, and one besides for work ahead.
pub(crate) struct Permits {
    wanted: Semaphore,
    /// How many have a permit or wait for one.
    waiting: watch::Sender<usize>,
    spare: Mutex<Spare>,
}

/// The permit for work ahead.
#[derive(Default)]
struct Spare {
    is_taken: bool,
    /// Who asked for it, the last one last.
    asked: Vec<oneshot::Sender<SparePermit>>,
}

/// A permit for what somebody waits for; free again when dropped.
pub(crate) struct Permit<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    _waiting: Waiting<'a>,
}

/// The permit for work ahead; free again when dropped.
pub(crate) struct SparePermit(Option<Arc<Permits>>);

/// Counts one that waits until it is dropped, seated or not.
struct Waiting<'a>(&'a Arc<Permits>);

impl Permits {
    pub(crate) fn new(cores: usize) -> Arc<Self> {
        let (waiting, _) = watch::channel(0);
        Arc::new(Self { wanted: Semaphore::new(cores), waiting, spare: Mutex::default() })
    }

    /// A permit for a build.
    pub(crate) async fn take(self: &Arc<Self>) -> Permit<'_> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let waiting = Waiting(self);
        // Never closed, so a permit always comes.
        Permit { _permit: self.wanted.acquire().await.ok(), _waiting: waiting }
    }

    /// The permit for work that nobody waits for: who asks last goes first, being what is edited now, and nobody begins
    /// while a build is waited for. One that has begun goes on, so that edits without a pause do not keep it from ever
    /// being done.
    pub(crate) async fn take_spare(self: &Arc<Self>) -> SparePermit {
        let (permit, given) = oneshot::channel();
        self.spare().asked.push(permit);
        self.give();
        // Whoever asked is only ever answered with the permit, as long as the permits are there.
        given.await.unwrap_or(SparePermit(None))
    }

    /// Gives the spare permit, where it is free, to who asked last and is still there.
    fn give(self: &Arc<Self>) {
        loop {
            let next = {
                let mut spare = self.spare();
                if spare.is_taken || *self.waiting.borrow() > 0 {
                    return;
                }
                let Some(next) = spare.asked.pop() else { return };
                spare.is_taken = true;
                next
            };
            let Err(mut refused) = next.send(SparePermit(Some(self.clone()))) else { return };
            refused.0 = None;
            self.spare().is_taken = false;
        }
    }

    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock()
    }
}

impl Drop for SparePermit {
    fn drop(&mut self) {
        if let Some(permits) = self.0.take() {
            permits.spare().is_taken = false;
            permits.give();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
        self.0.give();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_build_does_not_wait_for_what_is_compiled_ahead() {
        let permits = Permits::new(1);
        let begun = permits.take_spare().now_or_never().unwrap();
        let mut asked: Vec<_> = (0..100).map(|_| Box::pin(permits.take_spare())).collect();
        assert!(asked.iter_mut().all(|spare| spare.now_or_never().is_none()));
        let build = permits.take().now_or_never().expect("a permit at once");
        drop(begun);
        assert!(asked.iter_mut().all(|spare| spare.now_or_never().is_none()), "none begins while somebody waits");
        drop(build);
        assert_eq!(asked.iter_mut().rev().filter_map(|spare| spare.now_or_never()).count(), 100, "one after the other");
    }

    #[test]
    fn who_asks_last_is_first() {
        let permits = Permits::new(1);
        let begun = permits.take_spare().now_or_never().unwrap();
        let (mut first, mut last, mut gone) =
            (Box::pin(permits.take_spare()), Box::pin(permits.take_spare()), Box::pin(permits.take_spare()));
        for spare in [&mut first, &mut last, &mut gone] {
            assert!(spare.now_or_never().is_none());
        }
        drop(gone);
        drop(begun);
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut last).now_or_never().is_some());
        assert!((&mut first).now_or_never().is_some());
    }

    #[test]
    fn a_seat_that_was_given_to_who_is_gone_is_free() {
        let permits = Permits::new(1);
        let begun = permits.take_spare().now_or_never().unwrap();
        let mut asked = Box::pin(permits.take_spare());
        assert!((&mut asked).now_or_never().is_none());
        drop(begun);
        drop(asked);
        assert!(permits.take_spare().now_or_never().is_some());
    }

    #[test]
    fn a_build_that_is_given_up_while_it_waits_is_waited_for_no_more() {
        let permits = Permits::new(1);
        let build = permits.take().now_or_never().unwrap();
        assert!(permits.take().now_or_never().is_none(), "as many as there are cores");
        assert!(permits.take_spare().now_or_never().is_none());
        drop(build);
        assert!(permits.take_spare().now_or_never().is_some());
    }
}
