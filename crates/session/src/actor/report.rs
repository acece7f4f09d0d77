//! What the loop tells, and what follows from it on disk.

use std::sync::Arc;

use session_api::Report;

use super::Actor;
use crate::event::Event;
use crate::queued::Queued;
use crate::store::running::RunningSession;

impl Actor {
    /// Shows a picture to those who follow the session.
    pub(super) fn show(&mut self) {
        let served = self.state.served();
        self.served.send_if_modified(|known| {
            let is_other = *known != served;
            *known = served;
            is_other
        });
        self.shown += 1;
        self.pictures.send_replace(Arc::new(self.picture()));
    }

    /// Tells front ends, programs and the journal, and has others find a session that serves.
    pub(super) fn report(&mut self, report: Report) {
        let report = self.with_processes(report);
        let at_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(message) = self.journal.note(at_ms, &report) {
            self.outbox.send(Queued(Report::Notice { message }));
        }
        self.keep_edit(&report);
        match &report {
            Report::Ready { .. } => {
                self.recorder.know(self.state.app_name(), self.state.versions(), self.state.inputs());
                self.begin_recording();
            }
            Report::Live { .. } => {
                self.recorder.know(self.state.app_name(), self.state.versions(), self.state.inputs())
            }
            _ => {}
        }
        if let Report::Ready { url, backend, services, .. } = &report {
            let running = RunningSession {
                pid: std::process::id(),
                backend: backend.clone(),
                url: url.clone(),
                socket: self.socket.clone(),
                services: services.clone(),
            };
            if let Err(error) = running.write(&self.tools.place.folder) {
                let message = format!("other commands will not find this session: {error}");
                self.outbox.send(Queued(Report::Notice { message }));
            }
        }
        self.outbox.send(Queued(report));
    }

    /// Where it was asked for with the start. A recording that does not begin keeps nothing else from it.
    fn begin_recording(&mut self) {
        let Some(name) = self.tools.options.recording.record.clone() else { return };
        let (recorder, events) = (self.recorder.clone(), self.events.clone());
        self.making.spawn_blocking(move || {
            let message = recorder.start(name.as_deref()).unwrap_or_else(|why| format!("nothing is recorded: {why}"));
            drop(events.send(Event::Notice { message }));
        });
    }
}
