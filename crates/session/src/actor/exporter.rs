//! Where measurements go besides the view.

use tokio::sync::mpsc::UnboundedSender;

use crate::event::Event;
use crate::telemetry::{self, Exporter};

/// Where measurements are sent, if the user's environment names a place.
pub(super) fn start(events: &UnboundedSender<Event>) -> Option<Exporter> {
    let notice = |message: String| drop(events.send(Event::Notice { message }));
    match telemetry::ExportSettings::read(|name| std::env::var(name).ok()) {
        Ok(None) => None,
        Ok(Some(settings)) => {
            settings.ignored.iter().for_each(|words| notice(words.clone()));
            let endpoint = settings.endpoint.clone();
            match Exporter::start(settings) {
                Ok(exporter) => {
                    notice(format!("spans are sent to {endpoint}"));
                    Some(exporter)
                }
                Err(error) => {
                    notice(format!("spans are sent nowhere: {error}"));
                    None
                }
            }
        }
        Err(error) => {
            notice(format!("spans are sent nowhere: {error}"));
            None
        }
    }
}
