//! `dyn cluster logs`: what pods wrote, and with `--follow` what they write, as they come and go.

use futures_util::StreamExt;
use kubernetes::cluster::{Access, PodLine, Tail, connect, lines, pods, tail};
use kubernetes::object::label;
use serde_json::json;

use super::cluster::{load, target};
use crate::arguments::{Goal, Logs};
use crate::fault::Fault;
use crate::{speech, start};

/// Lines of each pod that are shown where nobody says how many.
const LINES: usize = 200;

pub(crate) fn run(logs: &Logs, goal: &Goal) -> Result<(), Fault> {
    let (app, _, settings) = load(&logs.file)?;
    let name = settings.name_of(&app).to_owned();
    let service = match &logs.service {
        Some(service) => Some(super::invoke::find(&app, service)?.name.clone()),
        None => None,
    };
    start::runtime()?.block_on(async {
        let access = connect(&target(goal)).await?;
        let which = Which { labels: label::selector(&name), service };
        let last = i64::try_from(logs.last.unwrap_or(LINES)).unwrap_or(i64::MAX);
        if logs.follow {
            follow(&access, &which, last, logs.json).await
        } else {
            once(&access, &which, last, logs.json).await
        }
    })
}

/// Whose lines are meant.
struct Which {
    /// Labels of the pods.
    labels: String,
    /// Rust name of the only service.
    service: Option<String>,
}

async fn once(access: &Access, which: &Which, last: i64, as_json: bool) -> Result<(), Fault> {
    let service = which.service.as_deref();
    for pod in pods(access, &which.labels, service).await? {
        let mut all = std::pin::pin!(lines(access, &pod, last, false).await?);
        while let Some(told) = all.next().await {
            let told = told?;
            // Whoever read them has gone.
            if told.is_of(service) && line(&told, as_json).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What is there and what comes, until Ctrl-C.
async fn follow(access: &Access, which: &Which, last: i64, as_json: bool) -> Result<(), Fault> {
    let mut told = tail(access, &which.labels, which.service.as_deref(), last);
    while let Some(tail) = told.recv().await {
        let said = match &tail {
            Tail::Line(told) => line(told, as_json),
            Tail::Began { pod } if as_json => speech::json(json!({ "pod": pod, "began": true })),
            Tail::Ended { pod } if as_json => speech::json(json!({ "pod": pod, "ended": true })),
            Tail::Trouble(words) if as_json => speech::json(json!({ "trouble": words })),
            Tail::Began { pod } => speech::err(format_args!("{pod} begins")),
            Tail::Ended { pod } => speech::err(format_args!("{pod} has ended")),
            Tail::Trouble(words) => speech::err(format_args!("{words}")),
        };
        if said.is_err() {
            break;
        }
    }
    Ok(())
}

fn line(line: &PodLine, as_json: bool) -> std::io::Result<()> {
    match (&line.service, as_json) {
        (None, true) => speech::json(json!({ "pod": line.pod, "line": line.text })),
        (Some(service), true) => speech::json(json!({ "pod": line.pod, "service": service, "line": line.text })),
        (None, false) => speech::out(format_args!("{} | {}", line.pod, line.text)),
        (Some(service), false) => speech::out(format_args!("{} {service} | {}", line.pod, line.text)),
    }
}
