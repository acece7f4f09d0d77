//! The end of a session: what runs is ended, what was made is removed.

use std::time::Duration;

use super::Actor;
use crate::event::Event;
use crate::store::running::RunningSession;

/// A container is created and started within this, or its engine hangs.
const LAST_MAKING: Duration = Duration::from_secs(10);

impl Actor {
    /// Ends every task (a rustc that runs ends with its task), then the backend.
    pub(super) fn close(&mut self) {
        self.closing.send_replace(true);
        // One that is carried out says to the cluster that it was stopped.
        self.stop_push();
        let (mut tasks, mut making) = (std::mem::take(&mut self.tasks), std::mem::take(&mut self.making));
        let (backend, events, folder) = (self.backend.take(), self.events.clone(), self.tools.place.folder.clone());
        let (recorder, tools) = (self.recorder.clone(), self.tools.clone());
        tokio::spawn(async move {
            tasks.shutdown().await;
            let made = async { while making.join_next().await.is_some() {} };
            if tokio::time::timeout(LAST_MAKING, made).await.is_err() {
                drop(events.send(Event::Notice {
                    message: "something is still being made; `dyn stop` removes what is left".to_owned(),
                }));
            }
            if let Err(error) = tokio::task::spawn_blocking(move || recorder.end()).await {
                drop(events.send(Event::Notice { message: format!("the recording was not ended: {error}") }));
            }
            if let Some(backend) = backend
                && let Err(error) = backend.close().await
            {
                drop(events.send(Event::Notice { message: format!("{error}; `dyn stop` removes what is left") }));
            }
            // Last of all: services may say goodbye to them.
            tools.resources.close().await;
            if let Err(error) = RunningSession::remove(&folder) {
                drop(events.send(Event::Notice { message: format!("cannot remove the session's file: {error}") }));
            }
            drop(events.send(Event::Closed));
        });
    }
}
