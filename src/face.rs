//! How `dyn dev` shows what its session reports: JSON lines, plain lines, or lines under a progress bar.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use session_api::{Fate, Report, Taken};

use crate::{finding, speech};

/// Shows reports.
pub(crate) enum Face {
    /// One JSON value a line on stdout.
    Json,
    /// Logs on stdout, talk on stderr.
    Lines(Lines),
}

/// The builds of an edit, or of a start.
#[derive(Default)]
struct Builds {
    edit: u64,
    begun: u64,
    built: u64,
}

impl Builds {
    fn begin(&mut self, edit: u64) {
        if edit != self.edit {
            *self = Self { edit, ..Self::default() };
        }
        self.begun += 1;
    }

    /// The line of the bar; `service` was begun or built last.
    fn words(&self, service: &str) -> String {
        let Self { begun, built, .. } = self;
        match begun {
            0 | 1 => format!("building {service}"),
            _ => format!("building {begun} services, {built} built"),
        }
    }
}

/// The way a library came to be.
fn built(compiled: bool, with: Option<usize>, ms: f64) -> String {
    match with {
        _ if !compiled => "as built before".to_owned(),
        Some(with) => format!("built in {ms:.0} ms, {with} services at once"),
        None => format!("built in {ms:.0} ms"),
    }
}

/// The placed values that begin anew.
fn reset(states: &BTreeMap<String, Fate>) -> String {
    let reset = states.iter().filter_map(|(state, fate)| match fate {
        Fate::Reset { why } => Some(format!("; {state} begins anew: {why}")),
        Fate::Kept | Fate::Carried { .. } | Fate::New => None,
    });
    reset.collect()
}

pub(crate) struct Lines {
    bar: ProgressBar,
    builds: Builds,
    /// Logs go to stdout, unless that is for a command's own answer.
    logs_aside: bool,
    /// As wide as the longest service name seen, so that log lines stand in columns.
    width: usize,
}

impl Face {
    /// The face for a choice of `--json` and `--plain`. A bar is drawn on a terminal alone.
    pub(crate) fn new(json: bool, plain: bool) -> Self {
        if json {
            return Self::Json;
        }
        let target = if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar.set_message("reading the app");
        Self::Lines(Lines { bar, builds: Builds::default(), logs_aside: false, width: 0 })
    }

    /// The face of a command whose answer goes to stdout: everything else goes to stderr.
    pub(crate) fn aside() -> Self {
        let mut face = Self::new(false, false);
        if let Self::Lines(lines) = &mut face {
            lines.logs_aside = true;
        }
        face
    }

    /// Shows a report. An error means that nobody reads any more.
    pub(crate) fn show(&mut self, report: &Report) -> io::Result<()> {
        let lost = speech::lost();
        if lost > 0 {
            let message = format!("{lost} lines before this could not be written");
            self.show_one(&Report::Notice { message })?;
        }
        self.show_one(report)
    }

    fn show_one(&mut self, report: &Report) -> io::Result<()> {
        match self {
            Self::Json => match serde_json::to_string(report) {
                Ok(line) => speech::json(line),
                Err(error) => speech::err(format_args!("an event cannot be written as JSON: {error}")),
            },
            Self::Lines(lines) => lines.show(report),
        }
    }
}

impl Face {
    /// Takes the bar away: what follows is the command's own output.
    pub(crate) fn finish(&self) {
        if let Self::Lines(lines) = self {
            lines.bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn show(&mut self, report: &Report) -> io::Result<()> {
        match report {
            Report::Notice { message } => self.say(message)?,
            Report::Building { edit, service } => {
                self.width = self.width.max(service.len());
                self.builds.begin(*edit);
                self.bar.set_message(self.builds.words(service));
            }
            Report::Built { service, version, compiled, with, ms, .. } => {
                self.builds.built += 1;
                self.bar.set_message(self.builds.words(service));
                self.say(&format!(
                    "{service:width$}  {version}  {}",
                    built(*compiled, *with, *ms),
                    width = self.width
                ))?;
            }
            Report::Ready { url, backend, services, ms } => {
                self.bar.finish_and_clear();
                speech::err(format_args!("ready in {:.1} s on {backend}: {url}", ms / 1e3))?;
                for service in services {
                    speech::err(format_args!("  {:width$}  {}", service.name, service.url, width = self.width))?;
                }
            }
            Report::Unchanged { edit, ms } => {
                self.say(&format!("edit {edit}: nothing changed its meaning ({ms:.0} ms)"))?
            }
            Report::Verdict { edit, verdict, .. } => {
                self.say(&format!("edit {edit}: {}: {}", verdict.service, verdict.words()))?;
            }
            Report::Unjudged { edit, why } => self.say(&format!("edit {edit}: not replayed: {why}"))?,
            Report::Superseded { edit, by } => self.say(&format!("edit {edit}: overtaken by edit {by}"))?,
            Report::Live { edit, services, removed, flow, ms } => {
                self.live(*edit, services, *flow, ms.total)?;
                if !removed.is_empty() {
                    self.say(&format!("edit {edit}: gone: {}", removed.join(", ")))?;
                }
            }
            Report::Plan { push } => {
                for line in push.plan() {
                    self.say(&line)?;
                }
                self.say(&format!("{} {}: {}", push.act.word(), push.push, push.stage))?;
            }
            Report::Pushing { push, service, state } => self.say(&format!("push {push}: {service}: {state}"))?,
            Report::Pushed { push } => self.say(&format!("{} {}: {}", push.act.word(), push.push, push.stage))?,
            Report::RolledBack { service, why, .. } => self.say(&format!("{service} stays as it was: {why}"))?,
            Report::Broken { diagnostics, .. } => self.bar.suspend(|| finding::say(diagnostics))?,
            Report::Log { service, line, .. } => {
                let (width, aside) = (self.width, self.logs_aside);
                let line = format!("{service:width$} | {line}");
                self.bar.suspend(|| if aside { speech::err(line) } else { speech::out(line) })?;
            }
            Report::Down { service, why, restart_ms } => {
                let again = restart_ms.map_or_else(String::new, |ms| format!("; starting it again in {ms} ms"));
                self.say(&format!("{service} is down: {why}{again}"))?;
            }
            Report::Up { service, version, anew } => {
                let state = if *anew { "; its placed state began anew" } else { ", and goes on where it was" };
                self.say(&format!("{service} is up again as {version}{state}"))?;
            }
            Report::Moved { service, to, states, ms, .. } => {
                let waited = ms.hold + ms.carry;
                let reset = reset(states);
                self.say(&format!("{service} runs in the host {to}; requests waited for {waited:.1} ms{reset}"))?;
            }
            Report::Stayed { services, why } => {
                self.say(&format!("{} stays where it is: {why}", services.join(", ")))?
            }
            Report::Failed { .. } => self.bar.finish_and_clear(),
            Report::Stopped => {
                self.bar.finish_and_clear();
                speech::err("stopped")?;
            }
        }
        Ok(())
    }

    fn live(&self, edit: u64, services: &[Taken], flow: bool, total: f64) -> io::Result<()> {
        if flow {
            self.say(&format!("edit {edit}: the flow changed"))?;
        }
        for Taken { name, reason, version, state, .. } in services {
            let reset = reset(state);
            self.say(&format!("edit {edit}: {name}: {reason}; {version} answers after {total:.0} ms{reset}"))?;
        }
        Ok(())
    }

    fn say(&self, words: &str) -> io::Result<()> {
        self.bar.suspend(|| speech::err(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_counts_the_services_of_a_start_and_names_the_one_of_an_edit() {
        let mut builds = Builds::default();
        builds.begin(0);
        assert_eq!(builds.words("a"), "building a");
        builds.begin(0);
        builds.built += 1;
        assert_eq!(builds.words("b"), "building 2 services, 1 built");
        builds.begin(1);
        assert_eq!(builds.words("a"), "building a");
    }

    #[test]
    fn a_library_of_several_services_says_of_how_many() {
        assert_eq!(built(true, Some(25), 812.0), "built in 812 ms, 25 services at once");
        assert_eq!(built(true, None, 81.0), "built in 81 ms");
        assert_eq!(built(false, None, 1.0), "as built before");
    }
}
