//! `dyn recordings`: what was recorded, and what it takes of the disk.

use std::path::Path;

use jiff::Timestamp;
use recordings::{Summary, saved};
use serde_json::json;
use session_api::units;

use crate::fault::{Fault, Kind};
use crate::speech;

pub(crate) fn run(file: &Path, json: bool) -> Result<(), Fault> {
    let shelved = saved::list(file).map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
    if shelved.is_empty() && !json {
        return Err(Fault::new(Kind::App, format!("there is no recording for {}", file.display()))
            .hint(format!("`dyn dev {} --record NAME` makes one", file.display())));
    }
    for recording in shelved {
        let line = match (&recording.summary, json) {
            (Ok(summary), false) => words(&recording.name, summary),
            (Err(error), false) => format!("{}: {error}", recording.name),
            (Ok(summary), true) => {
                json!({"name": recording.name, "folder": recording.folder, "summary": summary}).to_string()
            }
            (Err(error), true) => {
                let error = error.to_string();
                json!({"name": recording.name, "folder": recording.folder, "error": error}).to_string()
            }
        };
        // Whoever read it may have gone, as in `dyn recordings | head`.
        let said = if json { speech::json(line) } else { speech::out(line) };
        if said.is_err() {
            break;
        }
    }
    Ok(())
}

fn words(name: &str, summary: &Summary) -> String {
    let Summary { app, began, requests, hops, lost, unread, bytes, .. } = summary;
    let began = moment(*began);
    let mut words = format!("{name}: {app}, {began}, {requests} requests, {hops} hops, {}", units::bytes(*bytes));
    if *lost > 0 {
        words += &format!(", {lost} not recorded");
    }
    if *unread > 0 {
        words += &format!(", {unread} lines that do not read");
    }
    words
}

/// A moment of Unix time, in milliseconds, to its second.
fn moment(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    moment.strftime("%FT%TZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_to_its_second() {
        assert_eq!(moment(1_700_000_000_500), "2023-11-14T22:13:20Z");
    }
}
