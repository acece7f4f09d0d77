//! `dyn logs`: what services of the running session wrote.

use session_api::LogLine;

use super::status::attached;
use crate::arguments::Logs;
use crate::fault::{Fault, Kind};
use crate::{speech, start};

pub(crate) fn run(logs: &Logs) -> Result<(), Fault> {
    start::runtime()?.block_on(async {
        let client = attached(&logs.file)?;
        let snapshot = client.snapshot().await?;
        if let Some(service) = logs.service.as_deref().filter(|service| snapshot.service(service).is_none()) {
            let known = snapshot.services.iter().map(|service| service.name.as_str());
            return Err(Fault::new(Kind::Usage, format!("{service} is no service of {}", snapshot.app))
                .hint(app::suggest(service, known, "services")));
        }
        let width = snapshot.services.iter().map(|service| service.name.len()).max().unwrap_or_default();
        let mut lines = client.follow_logs(logs.service.as_deref(), logs.last, logs.follow).await?;
        while let Some(json) = lines.next().await? {
            let said = match serde_json::from_str::<LogLine>(&json) {
                _ if logs.json => speech::json(&json),
                Ok(LogLine { service, line, .. }) if logs.service.is_none() => {
                    speech::out(format_args!("{service:width$} | {line}"))
                }
                Ok(LogLine { line, .. }) => speech::out(line),
                // Not a line of a service: the session says that some were lost.
                Err(_) => speech::err(&json),
            };
            // Whoever read them has gone, as in `dyn logs FILE | head`.
            if said.is_err() {
                break;
            }
        }
        Ok(())
    })
}
