//! The gate of an edit for jobs that wait: none is lost without a word.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use app::{App, Diagnostic, SourcePlace};
use protocol::error_chain;
use serde_json::{Value, json};
use session_api::units::many;

use super::unread::{Unread, unread};
use super::{JobServerEndpoint, QueuedJobs};

/// The job server may be on its way back.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(100);
/// Between two looks at jobs that are waited for.
const LOOK: Duration = Duration::from_millis(200);
/// One question, however many jobs there are.
const SOON: Duration = Duration::from_secs(30);

/// The job server as the session itself asks it.
pub(crate) struct Gate<'a> {
    pub(crate) client: &'a reqwest::Client,
    pub(crate) endpoint: JobServerEndpoint,
    /// Between the session and its hosts.
    pub(crate) secret: &'a str,
    pub(crate) choice: QueuedJobs,
}

/// Lets an edit pass where no job waits that it would not read; else as was chosen. `tell` hears what is worth a notice.
pub(crate) async fn pass(gate: &Gate<'_>, old: &App, new: &App, tell: impl Fn(String)) -> Result<(), Vec<Diagnostic>> {
    let unread = unread(old, new);
    if unread.is_empty() {
        return Ok(());
    }
    let mut is_told = false;
    loop {
        let drops = gate.choice == QueuedJobs::Drop;
        let counts = gate.ask(if drops { "drop" } else { "queued" }, &unread).await.map_err(|why| {
            let message = format!("cannot ask whether jobs wait that the edit does not read: {why}");
            vec![Diagnostic::error(message, place(new)).help("save again once the job server answers")]
        })?;
        let waiting: Vec<(&String, &Unread, usize)> =
            unread.iter().filter_map(|(name, unread)| Some((name, unread, *counts.get(name)?))).collect();
        let waiting: Vec<_> = waiting.into_iter().filter(|(.., count)| *count > 0).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        match gate.choice {
            QueuedJobs::Refuse => return Err(waiting.iter().map(|one| refusal(new, one)).collect()),
            QueuedJobs::Drop => {
                waiting.iter().for_each(|(name, _, count)| {
                    tell(format!("{} of {name} ended as failed: the edit does not read them", many(*count, "job")));
                });
                return Ok(());
            }
            QueuedJobs::Drain => {
                if !std::mem::replace(&mut is_told, true) {
                    waiting.iter().for_each(|(name, _, count)| {
                        tell(format!("the edit waits for {} of {name}, which it does not read", many(*count, "job")));
                    });
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

fn refusal(new: &App, (name, unread, count): &(&String, &Unread, usize)) -> Diagnostic {
    let (jobs, verb) = (many(*count, "job"), if *count == 1 { "waits" } else { "wait" });
    let message = format!("{jobs} of {name} {verb}, and the new {name} {}", unread.why.join(", and "));
    Diagnostic::error(message, place(new)).help(
        "they run on the version that serves: save again once they are through, or start the session with --drain-jobs, \
         which waits for them, or --drop-jobs, which ends them as failed",
    )
}

/// The file: what is not read any more may be in no line of it.
fn place(app: &App) -> SourcePlace {
    app.files
        .first()
        .map_or_else(|| SourcePlace::start_of(std::path::Path::new("app.rs")), |file| SourcePlace::start_of(file))
}

impl Gate<'_> {
    /// The number of jobs that are not read, by service; with `drop` they have ended.
    async fn ask(&self, what: &str, unread: &BTreeMap<String, Unread>) -> Result<BTreeMap<String, usize>, String> {
        let services: BTreeMap<&String, &Option<Vec<String>>> =
            unread.iter().map(|(name, unread)| (name, &unread.inputs)).collect();
        let services: Value = json!(services);
        let begun = Instant::now();
        loop {
            let asked = self.client.post(format!("{}/_dyninka/{what}", self.endpoint.url)).bearer_auth(self.secret);
            let why = match asked.timeout(SOON).json(&services).send().await {
                Ok(answer) if answer.status().is_success() => {
                    return answer.json().await.map_err(|error| error_chain(&error));
                }
                Ok(answer) => format!("the job server answered {}", answer.status()),
                Err(error) => error_chain(&error),
            };
            if begun.elapsed() > PATIENCE {
                return Err(why);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
