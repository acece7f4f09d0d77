//! `dyn doctor`: what this machine offers, and what to do about what it lacks.

use std::fs;
use std::path::Path;

use compiler::{Machine, Usage};
use serde::Serialize;
use session::{DockerEngine, FolderRemoval, Home, On};
use session_api::units;

use crate::fault::{Fault, Kind};
use crate::{speech, start};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    /// Whether everything `dyn` does works with it.
    pub(super) good: bool,
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

/// What everything but one thing works without.
const NOT_NEEDED: [&str; 8] = ["docker", "hops", "inotify", "edits", "clock", "certificate", "port", "services"];

pub(crate) fn run(json: bool) -> Result<(), Fault> {
    let home = Home::open()?;
    let findings = start::runtime()?.block_on(look(&home));
    if json {
        let value = serde_json::to_string(&findings).map_err(|error| Fault::new(Kind::Machine, error))?;
        drop(speech::json(value));
    } else {
        for finding in &findings {
            let mark = if finding.good { "ok  " } else { "lack" };
            drop(speech::out(format_args!("{mark} {:11} {}", finding.name, finding.found)));
            if let Some(advice) = &finding.advice {
                drop(speech::out(format_args!("                 {advice}")));
            }
        }
    }
    // Without Docker everything still runs as processes; without a toolchain nothing does.
    let usable = findings.iter().all(|finding| finding.good || NOT_NEEDED.contains(&finding.name));
    if usable { Ok(()) } else { Err(Fault::said(Kind::Machine)) }
}

async fn look(home: &Home) -> Vec<Finding> {
    let mut findings = Vec::new();
    match Machine::find(Path::new("."), &home.build()).await {
        Ok(machine) => {
            findings.push(good("toolchain", format!("{} for {}", machine.toolchain.version, machine.toolchain.host)));
            let passed_over = machine.linker.passed_over.join("; ");
            let advice = (!passed_over.is_empty()).then_some(passed_over);
            findings.push(Finding { advice, ..good("linker", machine.linker.name.clone()) });
            findings.push(match machine.toolchain.waits().await {
                Ok(()) => good("edits", "rustc is kept ready: yes".to_owned()),
                Err(why) => Finding {
                    name: "edits",
                    good: false,
                    found: format!("rustc is kept ready: no, {why}"),
                    advice: Some("it is started at each edit, which takes a tenth longer".to_owned()),
                },
            });
        }
        Err(error) => {
            findings.push(Finding { name: "toolchain", good: false, found: error.to_string(), advice: error.hint() })
        }
    }
    match session::engine().await {
        Ok(DockerEngine { version, by_tcp }) => {
            findings.push(good("docker", format!("an engine answers: {version}")));
            findings.push(match by_tcp {
                None => good("hops", "containers call each other over unix sockets".to_owned()),
                Some(why) => Finding {
                    name: "hops",
                    good: false,
                    found: format!("containers call each other by TCP: {why}"),
                    advice: Some("hops take longer; services as processes (--on process) use unix sockets".to_owned()),
                },
            });
        }
        Err(why) => findings.push(Finding {
            name: "docker",
            good: false,
            found: format!("no engine answers: {why}"),
            advice: Some(format!("services run as processes without it (--on {}); to have it: apt-get install docker.io, then start dockerd", name(On::Process))),
        }),
    }
    findings.push(inotify());
    findings.push(disk(home));
    findings.extend(super::on_nodes::checked().await);
    findings.extend(session::folders(home).into_iter().map(|folder| {
        let kind = match folder.removal {
            FolderRemoval::Clean => "dyn clean removes it",
            FolderRemoval::CleanAll => "dyn clean --all removes it",
            FolderRemoval::Nothing => "kept",
        };
        good("folder", format!("{}: {} of {}; {kind}", folder.path.display(), units::bytes(folder.bytes), folder.holds))
    }));
    findings
}

fn name(on: On) -> &'static str {
    match on {
        On::Auto => "auto",
        On::Docker => "docker",
        On::Process => "process",
    }
}

pub(super) fn good(name: &'static str, found: String) -> Finding {
    Finding { name, good: true, found, advice: None }
}

#[cfg(feature = "nodes")]
pub(super) fn lack(name: &'static str, found: String, advice: Option<String>) -> Finding {
    Finding { name, good: false, found, advice }
}

/// Each watched folder takes one watch; editors and other tools take thousands.
fn inotify() -> Finding {
    const ENOUGH: u64 = 8192;
    const FILE: &str = "/proc/sys/fs/inotify/max_user_watches";
    match fs::read_to_string(FILE).ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(watches) if watches >= ENOUGH => good("inotify", format!("{watches} watches")),
        Some(watches) => Finding {
            name: "inotify",
            good: false,
            found: format!("only {watches} watches for all programs of this user"),
            advice: Some("sysctl fs.inotify.max_user_watches=524288".to_owned()),
        },
        None => Finding {
            name: "inotify",
            good: false,
            found: format!("{FILE} does not read"),
            advice: Some("files are looked through instead".to_owned()),
        },
    }
}

fn disk(home: &Home) -> Finding {
    match compiler::usage(&home.build()) {
        Ok(Usage { artifacts, artifact_bytes, dependency_bytes }) => {
            let total = units::bytes(artifact_bytes + dependency_bytes);
            let found = format!(
                "{total} in {}: {artifacts} libraries of {}, dependencies of {}",
                home.build().display(),
                units::bytes(artifact_bytes),
                units::bytes(dependency_bytes)
            );
            good("disk", found)
        }
        Err(error) => Finding { name: "disk", good: false, found: error.to_string(), advice: error.hint() },
    }
}
