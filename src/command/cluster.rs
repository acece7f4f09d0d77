//! What every command that talks to a cluster begins with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::App;
use kubernetes::cluster::{ClusterError, ClusterTarget};
use kubernetes::history::PushedSource;
use kubernetes::push::{PushError, PushEvent, PushListener, PushOptions};
use kubernetes::settings::AppSettings;
use kubernetes::settings_file::{self, SettingsError};
use session::Home;
use session_api::units;

use crate::arguments::Goal;
use crate::fault::{Fault, Kind};
use crate::{finding, speech, start};

/// The app in a file, with its settings. What is wrong with it is told.
pub(crate) fn load(file: &Path) -> Result<(App, PushedSource, AppSettings), Fault> {
    let (app, diagnostics, sources) = session::load(file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    let settings = settings_file::load(file, &app).map_err(|error| {
        let SettingsError::Mistakes { mistakes } = &error else {
            return Fault::new(Kind::App, error.to_string());
        };
        for mistake in mistakes {
            drop(speech::err(format_args!("error: {mistake}\nhint: {}", mistake.help)));
        }
        Fault::said(Kind::App)
    })?;
    Ok((app, PushedSource::of(&sources), settings))
}

/// What a push or rollback of a file is made from.
pub(crate) fn options(file: &Path, goal: &Goal) -> Result<PushOptions, Fault> {
    let what = load(file)?;
    let home = Home::open()?;
    let place = home.place(file)?;
    let host = std::env::current_exe()
        .map_err(|error| Fault::new(Kind::Machine, format!("cannot find this program: {error}")))?;
    Ok(PushOptions::new(file, what, target(goal), home.push_place(&place), host))
}

/// The file that remembers clusters.
pub(crate) fn pins(home: &Home) -> PathBuf {
    home.clusters()
}

/// Which cluster is meant.
pub(crate) fn target(goal: &Goal) -> ClusterTarget {
    ClusterTarget { context: goal.context.clone(), namespace: goal.namespace.clone() }
}

/// Tells events: as JSON lines on stdout, or in words on stderr.
pub(crate) fn listener(json: bool) -> PushListener {
    Arc::new(move |event| {
        // A push is not given up because nobody reads of it.
        drop(if json {
            match serde_json::to_string(&event) {
                Ok(line) => speech::json(line),
                Err(error) => speech::err(format_args!("an event cannot be written: {error}")),
            }
        } else {
            words(&event).map_or(Ok(()), speech::err)
        });
    })
}

fn words(event: &PushEvent) -> Option<String> {
    Some(match event {
        PushEvent::Connected { context, namespace, server, cluster } => {
            format!("to {context}, namespace {namespace} ({server}, cluster {cluster})")
        }
        PushEvent::Building { .. } => return None,
        PushEvent::Built { service, version, bytes, ms } => {
            format!("built {service}: {version}, {}, {ms:.0} ms", units::bytes(*bytes))
        }
        PushEvent::Waiting { holder } => format!("waiting: {holder} is pushing"),
        PushEvent::Shipping { through } => format!("shipping through {through}"),
        PushEvent::Shipped { layers, bytes, ms } => {
            format!("shipped {layers} layers, {}, {ms:.0} ms", units::bytes(*bytes))
        }
        PushEvent::Rolling { service, ready, wanted, old, why } => {
            let why = why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{service}: {ready} of {wanted} new ready, {old} old left{why}")
        }
        PushEvent::Live { service, version, ms } => format!("{service} is live: {version}, {ms:.0} ms"),
        PushEvent::Failed { service, why, lines } => {
            let lines: String = lines.iter().map(|line| format!("\n  | {line}")).collect();
            format!("{service} failed: {why}{lines}")
        }
        PushEvent::RollingBack { service } => format!("{service} is put back"),
        PushEvent::Removed { object } => format!("removed {object}"),
        PushEvent::Notice { text } => text.clone(),
    })
}

/// A stop that is said by Ctrl-C or by whoever ends this process; the second one means it.
pub(crate) async fn until_told<T>(
    doing: impl Future<Output = Result<T, PushError>>,
    stop: tokio::sync::watch::Sender<bool>,
) -> Result<T, Fault> {
    let mut signals = start::Signals::new()?;
    start::insist()?;
    tokio::pin!(doing);
    loop {
        tokio::select! {
            done = &mut doing => return done.map_err(Fault::from),
            _ = signals.next() => {
                if stop.send_replace(true) {
                    return Err(Fault::new(Kind::Interrupted, "forced to end before it was told to the cluster")
                        .hint("the next push goes on where this one stopped"));
                }
            }
        }
    }
}

impl From<ClusterError> for Fault {
    fn from(error: ClusterError) -> Self {
        let kind = match &error {
            ClusterError::Busy { .. } | ClusterError::Lost { .. } => Kind::Busy,
            ClusterError::Foreign { .. }
            | ClusterError::Contested { .. }
            | ClusterError::OtherCluster { .. }
            | ClusterError::NotPushedThere { .. } => Kind::App,
            _ => Kind::Machine,
        };
        let hint = error.hint();
        hint.into_iter().fold(Self::new(kind, error.to_string()), Self::hint)
    }
}

impl From<PushError> for Fault {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Cluster(error) => error.into(),
            PushError::Build(
                compiler::BuildError::Rustc { findings, .. } | compiler::BuildError::Flow { findings },
            ) => {
                let diagnostics: Vec<_> = findings.into_iter().map(|finding| finding.diagnostic).collect();
                finding::print(&diagnostics);
                Self::said(Kind::App)
            }
            error => {
                let kind = match &error {
                    PushError::Stopped => Kind::Interrupted,
                    PushError::RolledBack { .. }
                    | PushError::NothingToPutBack { .. }
                    | PushError::Unknown { .. }
                    | PushError::Name { .. }
                    | PushError::Stranger { .. }
                    | PushError::Breaks { .. }
                    | PushError::Lacking { .. }
                    | PushError::NotAlike { .. }
                    | PushError::Stores { .. }
                    | PushError::Empty { .. }
                    | PushError::Moved => Kind::App,
                    _ => Kind::Machine,
                };
                let hint = error.hint();
                hint.into_iter().fold(Self::new(kind, error.to_string()), Self::hint)
            }
        }
    }
}
