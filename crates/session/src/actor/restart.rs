//! A host that ended is started again: after a pause, whole or not at all, and not while all is removed.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::Config;
use tokio::sync::watch;

use super::Actor;
use super::tools::Again;
use crate::event::Event;

impl Actor {
    pub(super) fn restart(&mut self, config: Box<Config>, host: String, at: SocketAddr, after: Duration) {
        // Whatever was asked of the host that ended is not asked of the one that comes in its place: it may be what ended
        // it.
        if let Some(swap) = self.swaps.remove(&config.instance_name()) {
            swap.abort();
        }
        let (tools, events) = (self.tools.clone(), self.events.clone());
        if let Some(backend) = self.backend.clone() {
            let again = Again { tools, backend, config, host, at, anew: true };
            let restarted = run(again, after, self.closing.subscribe());
            self.making.spawn(async move {
                if let Some(event) = restarted.await {
                    drop(events.send(event));
                }
            });
        }
    }
}

/// What a restart takes once the pause is over.
pub(crate) trait Restart: Send {
    /// Starts it. What comes of it decides whether it is waited for.
    fn start(&mut self) -> impl Future<Output = Option<Event>> + Send;

    /// Waits until it answers.
    fn wait(&mut self) -> impl Future<Output = Event> + Send;
}

/// Starts again after a pause and answers what came of it: nothing once `closing` is true. What has begun to start is
/// never left half way, so that whoever waits for this may remove all of it afterwards.
pub(crate) async fn run(
    mut restart: impl Restart,
    pause: Duration,
    mut closing: watch::Receiver<bool>,
) -> Option<Event> {
    tokio::select! {
        biased;
        () = closed(&mut closing) => return None,
        () = tokio::time::sleep(pause) => {}
    }
    if let Some(event) = restart.start().await {
        return Some(event);
    }
    tokio::select! {
        biased;
        () = closed(&mut closing) => None,
        event = restart.wait() => Some(event),
    }
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // A session that is gone closes, too.
    drop(closing.wait_for(|closing| *closing).await);
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    /// Starts once it is let, and never answers.
    struct Slow {
        begun: Option<oneshot::Sender<()>>,
        let_on: Option<oneshot::Receiver<()>>,
        made: watch::Sender<bool>,
    }

    impl Restart for Slow {
        async fn start(&mut self) -> Option<Event> {
            self.begun.take()?.send(()).ok()?;
            self.let_on.take()?.await.ok()?;
            self.made.send_replace(true);
            None
        }

        async fn wait(&mut self) -> Event {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn what_has_begun_to_start_is_started_whole_however_the_session_ends() {
        let (begun, begins) = oneshot::channel();
        let (let_on, go) = oneshot::channel();
        let (made, is_made) = watch::channel(false);
        let (close, closing) = watch::channel(false);
        let slow = Slow { begun: Some(begun), let_on: Some(go), made };
        let restart = tokio::spawn(run(slow, Duration::ZERO, closing));
        begins.await.expect("it begins");
        close.send_replace(true);
        assert!(!*is_made.borrow());
        let_on.send(()).expect("it goes on");
        assert!(restart.await.expect("it ends").is_none(), "what never answers is not waited for");
        assert!(*is_made.borrow());
    }

    #[tokio::test]
    async fn nothing_is_started_once_the_session_closes() {
        let (begun, mut begins) = oneshot::channel();
        let (_let_on, go) = oneshot::channel();
        let (close, closing) = watch::channel(false);
        let slow = Slow { begun: Some(begun), let_on: Some(go), made: watch::Sender::new(false) };
        let mut restart = Box::pin(run(slow, Duration::from_secs(3600), closing));
        assert!((&mut restart).now_or_never().is_none());
        close.send_replace(true);
        assert!(restart.await.is_none());
        assert!(begins.try_recv().is_err());
    }
}
