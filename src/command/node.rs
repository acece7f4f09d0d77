//! `dyn node`: this machine as a node of a fleet.

#[cfg(feature = "cluster")]
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use balance::{NodeWatts, StrategyName, StrategySettings};
use node_agent::{
    FleetFolder, FleetRecord, NodeBackend, NodeClient, NodeCommand, NodeError, NodeEvent, NodeSaid, NodeSettings,
};
use nodes::{MembershipPace, NeighbourRule};
use serde_json::Value;
use session::Home;

use crate::arguments::{Node, NodeOn, NodeUp};
use crate::fault::{Fault, Kind};
use crate::question::confirm;
use crate::speech;
use crate::start::{Signals, runtime};

/// How long a node may take to end.
const ENDS: Duration = Duration::from_secs(10);
/// From the start of a node until its links are open, as a rule.
const SETTLES: Duration = Duration::from_secs(10);
/// Lines that wait to be written.
const LINES: usize = 1000;

/// Where this machine keeps what it is in its fleet.
pub(crate) fn folder() -> Result<FleetFolder, Fault> {
    Ok(FleetFolder::at(Home::open()?.state().join("node")))
}

pub(crate) fn run(node: &Node) -> Result<(), Fault> {
    let folder = folder()?;
    match node {
        Node::Init { fleet, name, label } => {
            let record = node_agent::init(&folder, fleet, &named(name.as_deref())?, node_agent::labels(label)?)?;
            told(&format!("the fleet {} has its first node, {}: `dyn node up` runs it", record.fleet, record.name));
            Ok(())
        }
        Node::Invite { uses, time, operator } => {
            let why = |why| Fault::new(Kind::Usage, format!("--for {time}: {why}")).hint("write it as 30m, 1h or 2h");
            let seconds = time_of(time).map_err(why)?.as_secs();
            let command = NodeCommand::Invite { uses: *uses, seconds, operator: *operator };
            let answer = ask(&folder, &command)?;
            drop(speech::out(answer["token"].as_str().unwrap_or_default()));
            Ok(())
        }
        Node::Join { token, name, label } => {
            let (name, labels) = (named(name.as_deref())?, node_agent::labels(label)?);
            let record = runtime()?.block_on(node_agent::join(&folder, token, &name, labels))?;
            told(&joined(&record));
            Ok(())
        }
        Node::Up(up) if up.systemd => systemd(up),
        Node::Up(up) => serve(folder, up),
        Node::Down => runtime()?.block_on(down(&folder)),
        Node::Expel { name } => {
            ask(&folder, &NodeCommand::Expel { name: name.clone() })?;
            told(&format!("{name} is expelled: every node hears of it and refuses it from then on"));
            Ok(())
        }
        Node::Remove { app } => {
            ask(&folder, &NodeCommand::Remove { app: app.clone() })?;
            told(&format!("{app} is removed from this node"));
            Ok(())
        }
        Node::Forget { yes } => forget(&folder, *yes),
    }
}

fn told(words: &str) {
    drop(speech::err(words));
}

fn joined(record: &FleetRecord) -> String {
    let name = &record.name;
    match record.role {
        nodes::FleetRole::Node => format!("{name} is a node of the fleet {}: `dyn node up` runs it", record.fleet),
        nodes::FleetRole::Operator => {
            format!("{name} is an operator of the fleet {}: `dyn push --to NODE` works from here", record.fleet)
        }
    }
}

fn ask(folder: &FleetFolder, command: &NodeCommand) -> Result<Value, Fault> {
    Ok(runtime()?.block_on(NodeClient::new(folder.clone()).command(command))?)
}

/// The name of this node: what was said, or the first word of the machine's.
fn named(said: Option<&str>) -> Result<String, Fault> {
    if let Some(name) = said {
        return Ok(name.to_owned());
    }
    let machine = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let name = machine.split('.').next().unwrap_or_default().to_owned();
    if nodes::is_name(&name) {
        return Ok(name);
    }
    Err(Fault::new(Kind::Usage, format!("the machine's name {machine:?} is none of a node")).hint("pass --name edge-1"))
}

fn time_of(text: &str) -> Result<Duration, String> {
    let hours = text.strip_suffix('h').and_then(|hours| hours.parse::<u64>().ok());
    match hours {
        Some(hours) => Ok(Duration::from_secs(hours.saturating_mul(3600))),
        None => balance::duration(text),
    }
}

/// Ends the agent. One that was killed left its containers, which go then.
async fn down(folder: &FleetFolder) -> Result<(), Fault> {
    let client = NodeClient::new(folder.clone());
    match client.command(&NodeCommand::Down {}).await {
        Ok(_) => ended(folder).await,
        Err(error @ NodeError::NotRunning) => match node_agent::sweep(folder).await? {
            0 => Err(error.into()),
            _ => {
                told("the agent did not run: what it had left of its services is removed");
                Ok(())
            }
        },
        Err(error) => Err(error.into()),
    }
}

async fn ended(folder: &FleetFolder) -> Result<(), Fault> {
    let until = tokio::time::Instant::now() + ENDS;
    while folder.socket().exists() {
        if tokio::time::Instant::now() > until {
            return Err(Fault::new(Kind::Machine, format!("the node has not ended within {} s", ENDS.as_secs())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn forget(folder: &FleetFolder, yes: bool) -> Result<(), Fault> {
    let record = folder.record()?;
    if std::os::unix::net::UnixStream::connect(folder.socket()).is_ok() {
        return Err(NodeError::Running.into());
    }
    let question = format!("remove the keys and apps of {} in the fleet {}?", record.name, record.fleet);
    if !confirm(&question, yes)? {
        return Err(Fault::new(Kind::Interrupted, "nothing was removed"));
    }
    runtime()?.block_on(node_agent::sweep(folder))?;
    folder.forget()?;
    told(&format!("{} has left the fleet {}", record.name, record.fleet));
    Ok(())
}

/// Joins a fleet for somebody else, who is to be its node by the files that come of it.
#[cfg(feature = "cluster")]
pub(super) async fn join_for(token: &str, name: &str) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    let unmade = |error| Fault::new(Kind::Machine, format!("cannot make a folder: {error}"));
    let own = tempfile::tempdir().map_err(unmade)?;
    let folder = FleetFolder::at(own.path().join("node"));
    let record = node_agent::join(&folder, token, name, BTreeMap::new()).await?;
    if record.role != nodes::FleetRole::Node {
        return Err(Fault::new(Kind::Usage, "the invitation is an operator's, who shares no load")
            .hint("`dyn node invite` without --operator prints one for a node"));
    }
    Ok(folder.identity()?)
}

/// What `[node]` says is looked at before anything is built: names of strategies and of neighbours.
#[cfg(feature = "cluster")]
pub(super) fn check(node: &kubernetes::settings::NodeTable) -> Result<(), Fault> {
    let place = |fault: Fault| fault.hint("in [node] of dyn.toml");
    let wrong = |error| place(Fault::from(NodeError::from(error)));
    let mut strategy = StrategySettings::new(StrategyName::parse(&node.strategy).map_err(wrong)?);
    strategy.watts = node.watts().as_deref().map(NodeWatts::parse).transpose().map_err(wrong)?;
    strategy.suits_node().map_err(wrong)?;
    for word in &node.neighbours {
        let read: Result<NeighbourRule, _> = word.parse();
        read.map_err(|error| place(Fault::new(Kind::App, format!("neighbours: {error}"))))?;
    }
    Ok(())
}

fn settings(folder: FleetFolder, up: &NodeUp) -> Result<NodeSettings, Fault> {
    let mut strategy = StrategySettings::new(StrategyName::parse(&up.strategy).map_err(NodeError::from)?);
    if let Some(period) = &up.period {
        let why = |why| Fault::new(Kind::Usage, format!("--period {period}: {why}")).hint("write it as 60s or 2s");
        strategy.period = balance::duration(period).map_err(why)?;
    }
    strategy.model.clone_from(&up.model);
    strategy.watts = up.watts.as_deref().map(NodeWatts::parse).transpose().map_err(NodeError::from)?;
    strategy.suits_node().map_err(NodeError::from)?;
    let rule = |word: &String| {
        let read: Result<NeighbourRule, _> = word.parse();
        read.map_err(|error| Fault::new(Kind::Usage, format!("--neighbours: {error}")))
    };
    if up.cpus.is_some_and(|cpus| !(cpus > 0.0 && cpus <= 4096.0)) {
        return Err(Fault::new(Kind::Usage, "--cpus takes a number above 0").hint("such as --cpus 1.5"));
    }
    let program = std::env::current_exe()
        .map_err(|error| Fault::new(Kind::Machine, format!("cannot find this program: {error}")))?;
    Ok(NodeSettings {
        folder,
        listen: up.listen,
        advertise: up.advertise,
        seeds: up.join.clone(),
        pace: if up.wan { MembershipPace::Wan } else { MembershipPace::Lan },
        strategy,
        neighbours: up.neighbours.iter().map(rule).collect::<Result<_, _>>()?,
        metrics: up.metrics,
        cpus: up.cpus,
        backend: match up.on {
            NodeOn::Process => NodeBackend::Process,
            NodeOn::Docker => NodeBackend::Docker,
        },
        program,
        interface: host::LIBRARY_INTERFACE,
        pods: None,
    })
}

fn serve(folder: FleetFolder, up: &NodeUp) -> Result<(), Fault> {
    let mut settings = settings(folder, up)?;
    let runtime = runtime()?;
    if up.in_pod {
        super::node_pods::begin(&runtime, &mut settings)?;
    }
    let record = settings.folder.record()?;
    // A node does not wait for whoever reads of it: what is not read in time is not said.
    let (lines, said) = std::sync::mpsc::sync_channel(LINES);
    let is_json = up.json;
    std::thread::spawn(move || {
        for said in said {
            drop(match said {
                NodeSaid::Event(event) if is_json => super::nodes::line(&event),
                NodeSaid::Event(event) => speech::err(words(&event)),
                NodeSaid::Line { service, line } => speech::err(format_args!("{service} | {line}")),
            });
        }
    });
    let said = move |said: NodeSaid| drop(lines.try_send(said));
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let end = async move {
            signals.next().await;
        };
        let ready = |address| {
            drop(speech::err(format_args!("{} of the fleet {} is up at {address}", record.name, record.fleet)));
            // An agent is there for weeks, and needs little of what its start and the first links needed.
            drop(tokio::spawn(async {
                tokio::time::sleep(SETTLES).await;
                drop(tokio::task::spawn_blocking(host::release_start));
            }));
        };
        Ok(node_agent::run(settings, Arc::new(said), ready, end).await?)
    })
}

/// An event in words.
fn words(event: &NodeEvent) -> String {
    let kind = event.kind.trim_start_matches("dev.dyninka.");
    let subject = &event.subject;
    let data = event.data.as_object();
    let data = data.into_iter().flatten().map(|(name, value)| match value {
        Value::String(text) => format!("{name}: {text}"),
        value => format!("{name}: {value}"),
    });
    let data: Vec<String> = data.collect();
    let words = format!("{kind} {subject}");
    if data.is_empty() { words } else { format!("{words} ({})", data.join(", ")) }
}

/// Prints a unit that runs this node with the options that were given.
fn systemd(up: &NodeUp) -> Result<(), Fault> {
    let program = std::env::current_exe()
        .map_err(|error| Fault::new(Kind::Machine, format!("cannot find this program: {error}")))?;
    drop(speech::out(unit(up, Home::open()?.state(), &program)));
    Ok(())
}

fn unit(up: &NodeUp, home: &Path, program: &Path) -> String {
    let mut options = vec![format!("--listen {}", up.listen)];
    options.extend(up.advertise.iter().map(|address| format!("--advertise {address}")));
    options.extend(up.join.iter().map(|seed| format!("--join {seed}")));
    options.extend((!up.neighbours.is_empty()).then(|| format!("--neighbours {}", up.neighbours.join(","))));
    options.push(format!("--strategy {}", up.strategy));
    options.extend(up.model.iter().map(|model| format!("--model {model}")));
    options.extend(up.period.iter().map(|period| format!("--period {period}")));
    options.extend(up.watts.iter().map(|watts| format!("--watts {watts}")));
    let is_docker = up.on == NodeOn::Docker;
    options.extend(is_docker.then(|| "--on docker".to_owned()));
    options.extend(up.cpus.iter().map(|cpus| format!("--cpus {cpus}")));
    options.extend(up.wan.then(|| "--wan".to_owned()));
    options.extend(up.metrics.iter().map(|address| format!("--metrics {address}")));
    let units = if is_docker { "network-online.target docker.service" } else { "network-online.target" };
    format!(
        "[Unit]\nDescription=Dyninka node\nAfter={units}\nWants={units}\n\n\
         [Service]\nEnvironment=DYNINKA_HOME={}\nExecStart={} node up {}\nRestart=always\nRestartSec=1\n\n\
         [Install]\nWantedBy=multi-user.target",
        home.display(),
        program.display(),
        options.join(" "),
    )
}

impl From<NodeError> for Fault {
    fn from(error: NodeError) -> Self {
        let kind = match &error {
            NodeError::Name(_)
            | NodeError::Token(_)
            | NodeError::Strategy(_)
            | NodeError::Model { .. }
            | NodeError::NoNode { .. } => Kind::Usage,
            NodeError::Running | NodeError::InFleet { .. } => Kind::Busy,
            NodeError::Bundle(_) => Kind::App,
            _ => Kind::Machine,
        };
        let fault = Self::new(kind, &error);
        match error.hint() {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        up: NodeUp,
    }

    #[test]
    fn a_unit_has_the_options_of_the_node_and_waits_for_an_engine_that_it_needs() {
        let unit = |options: &[&str]| {
            let line = Line::try_parse_from([&["dyn"][..], options].concat()).unwrap();
            unit(&line.up, Path::new("/home"), Path::new("/bin/dyn"))
        };
        let plain = unit(&["--cpus", "2"]);
        assert!(plain.contains("node up --listen 0.0.0.0:7940 --strategy offer --cpus 2\n"), "{plain}");
        assert!(!plain.contains("docker"), "{plain}");
        let docker = unit(&["--on", "docker"]);
        assert!(docker.contains(" --on docker\n"), "{docker}");
        for order in ["After", "Wants"] {
            assert!(docker.contains(&format!("{order}=network-online.target docker.service\n")), "{docker}");
        }
        assert!(Line::try_parse_from(["dyn", "--on", "auto"]).is_err(), "a node says where it runs services");
        assert!(Line::try_parse_from(["dyn", "--on", "docker", "--in-pod"]).is_err());
    }
}
