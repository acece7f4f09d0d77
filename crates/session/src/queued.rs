//! Reports on their way to whoever shows them.

use local_cluster::{Lost, QueueEntry};
use session_api::Report;

/// A report in a [`queue`](crate::queue).
#[derive(Debug)]
pub struct Queued(pub Report);

impl QueueEntry for Queued {
    fn line(&self) -> Option<(&str, usize)> {
        match &self.0 {
            Report::Log { service, line, .. } => Some((service, line.len())),
            _ => None,
        }
    }

    fn dropped(service: Option<&str>, lost: Lost) -> Self {
        Self(match service {
            Some(service) => Report::Log { service: service.to_owned(), stream: "dropped", line: lost.to_string() },
            None => Report::Notice { message: format!("{} events were dropped: nobody took them", lost.lines) },
        })
    }
}
