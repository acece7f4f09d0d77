//! `dyn push --to`: an app to nodes of a fleet, as libraries by their content and how they are to run.

use std::collections::BTreeMap;
use std::path::Path;

use app::App;
use compiler::{BuildError, Builder, Profile, Progress};
use kubernetes::model::{keeps_state, needs};
use kubernetes::settings::{AppSettings, Variable};
use kubernetes::settings_file;
use node_agent::{BundledService, FleetOperator, NodeBundle, NodeError};
use nodes::FleetMember;
use serde_json::json;
use session_api::units;

use super::node::folder;
use crate::arguments::Push;
use crate::fault::{Fault, Kind};
use crate::question::confirm;
use crate::start::runtime;
use crate::{finding, speech};

/// Every node of the fleet.
const ALL: &str = "all";

pub(crate) fn run(push: &Push) -> Result<(), Fault> {
    refuse_others(push)?;
    let (app, settings) = load(&push.file)?;
    let operator = FleetOperator::open(folder()?)?;
    runtime()?.block_on(async {
        let members = operator.members().await?;
        let nodes = chosen(&push.to, members)?;
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let (bundle, libraries) = build(push, &app, &settings).await?;
        let bytes: usize = libraries.values().map(bytes::Bytes::len).sum();
        say(push, json!({ "event": "plan", "app": bundle.app, "services": bundle.services, "nodes": names }), || {
            let services = units::many(bundle.services.len(), "service");
            format!("{}: {services}, {} to {}", bundle.app, units::bytes(bytes as u64), names.join(", "))
        });
        if !settings.together.is_empty() {
            let words = "[together] is not for nodes: each service has a host of its own there";
            say(push, json!({ "event": "notice", "message": words }), || words.to_owned());
        }
        if push.plan {
            return Ok(());
        }
        if !confirm(&format!("push to {}?", names.join(", ")), push.yes)? {
            return Err(Fault::new(Kind::Interrupted, "nothing was pushed"));
        }
        let mut failed = Vec::new();
        for node in &nodes {
            match operator.push(node, &bundle, &libraries).await {
                Ok(done) => {
                    let services = &done.services;
                    say(
                        push,
                        json!({ "event": "node", "node": done.node, "sent": done.sent, "services": services }),
                        || {
                            let services: Vec<String> =
                                services.iter().map(|(_, version, how)| format!("{version} {how}")).collect();
                            format!("{}: {}; {} sent", done.node, services.join(", "), units::bytes(done.sent))
                        },
                    );
                }
                // Others get it all the same: each node is whole in itself.
                Err(error) => {
                    say(push, json!({ "event": "failed", "node": node.name, "why": error.to_string() }), || {
                        format!("{}: {error}", node.name)
                    });
                    failed.push(node.name.as_str());
                }
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        Err(Fault::new(Kind::App, format!("not pushed to {}", failed.join(", ")))
            .hint("a node where a push fails runs what it ran before; push again once it is mended"))
    })
}

/// Options that are a cluster's.
fn refuse_others(push: &Push) -> Result<(), Fault> {
    let others = [
        ("SERVICES", !push.services.is_empty()),
        ("--with-dependents", push.with_dependents),
        ("--force", push.force),
        ("--remove", push.remove),
        ("--registry", push.registry.is_some()),
        ("--serve", push.serve),
        ("--context", push.goal.context.is_some()),
        ("--namespace", push.goal.namespace.is_some()),
    ];
    match others.into_iter().find(|(_, is_said)| *is_said) {
        Some((name, _)) => {
            Err(Fault::new(Kind::Usage, format!("{name} is for pushes to a cluster, and --to names nodes")))
        }
        None => Ok(()),
    }
}

fn say(push: &Push, event: serde_json::Value, words: impl FnOnce() -> String) {
    // A push is not given up because nobody reads of it.
    drop(if push.json { speech::json(event) } else { speech::err(words()) });
}

/// The nodes that were named.
fn chosen(names: &[String], members: Vec<FleetMember>) -> Result<Vec<FleetMember>, NodeError> {
    let mut members = members;
    members.sort_by(|one, other| one.name.cmp(&other.name));
    if names.iter().any(|name| name == ALL) {
        return Ok(members);
    }
    let known = || members.iter().map(|member| member.name.clone()).collect();
    let find = |name: &String| {
        let found = members.iter().find(|member| member.name == *name).cloned();
        found.ok_or_else(|| NodeError::NoNode { name: name.clone(), known: known() })
    };
    names.iter().map(find).collect()
}

/// Builds every service as it is shipped.
async fn build(
    push: &Push,
    app: &App,
    settings: &AppSettings,
) -> Result<(NodeBundle, BTreeMap<String, bytes::Bytes>), Fault> {
    let home = session::Home::open()?;
    let is_json = push.json;
    let hear = move |progress: Progress| {
        let words = match progress {
            Progress::Fetching(text) | Progress::Notice(text) => text,
            Progress::Compiling(package) => format!("compiling {package}"),
        };
        if !is_json {
            drop(speech::err(words));
        }
    };
    let builder = Builder::open(&push.file, &home.build(), hear).map_err(built)?.profile(Profile::Optimised);
    builder.check_flow(app).await.map_err(built)?;
    let services = app.services.iter().map(|service| builder.build(app, &service.name));
    let artifacts = futures_util::future::try_join_all(services).await.map_err(built)?;
    let forms = app.wires();
    let mut bundle = NodeBundle::new(settings.name_of(app), host::LIBRARY_INTERFACE);
    bundle.entry = app.last().map(str::to_owned);
    bundle.listen = settings.entry.listen;
    let mut libraries = BTreeMap::new();
    for (service, artifact) in app.services.iter().zip(artifacts) {
        let content = std::fs::read(&artifact.path)
            .map_err(|error| Fault::new(Kind::Machine, format!("cannot read {}: {error}", artifact.path.display())))?;
        let hash = blake3::hash(&content).to_hex().to_string();
        libraries.insert(hash.clone(), content.into());
        let said = settings.services.get(&service.name).cloned().unwrap_or_default();
        let needs = needs(app, &service.name);
        let bundled = BundledService {
            host: service.host.clone(),
            version: artifact.version,
            library: hash,
            schema: forms.get(&service.name).map(app::Wire::hash).unwrap_or_default(),
            inputs: service.inputs.iter().map(|input| input.name.clone()).collect(),
            route: app.route_of(&service.name),
            env: variables(&service.name, &said.env)?,
            rate: said.load.rate.map(f64::from),
            at_once: said.load.at_once.map(|most| most as usize),
            latency_us: said.load.latency.map(|most| most.in_millis().saturating_mul(1000)),
            idempotent: said.load.idempotent.unwrap_or(false),
            stays: said.load.stays.unwrap_or_else(|| keeps_state(app, &service.name, &needs)),
            needs: needs.into_iter().collect(),
        };
        bundle.services.insert(service.name.clone(), bundled);
    }
    Ok((bundle, libraries))
}

/// The app in a file, with its settings. What is wrong with it is told.
fn load(file: &Path) -> Result<(App, AppSettings), Fault> {
    let (app, diagnostics, _) = session::load(file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    let settings = settings_file::load(file, &app).map_err(|error| {
        finding::print(&session::findings(&error));
        Fault::said(Kind::App)
    })?;
    Ok((app, settings))
}

fn built(error: BuildError) -> Fault {
    finding::print(&error.diagnostics());
    let fault = Fault::new(Kind::App, error.to_string());
    error.hint().into_iter().fold(fault, Fault::hint)
}

/// Variables of a service. Nodes know no Secrets and no ConfigMaps.
fn variables(service: &str, env: &BTreeMap<String, Variable>) -> Result<BTreeMap<String, String>, Fault> {
    let read = |(name, value): (&String, &Variable)| match value {
        Variable::Text(text) => Ok((name.clone(), text.clone())),
        Variable::Secret(_) | Variable::Config(_) => {
            let words = format!("{service} takes {name} from a Secret or a ConfigMap, which nodes do not have");
            Err(Fault::new(Kind::App, words).hint("set it as text in [services.NAME] env, or leave it out"))
        }
    };
    env.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> FleetMember {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 7940));
        FleetMember { id: nodes::MemberId([0; 16]), life: 0, address, name: name.to_owned() }
    }

    #[test]
    fn nodes_are_chosen_by_name_and_a_name_that_is_none_says_which_there_are() {
        let members = || vec![member("fog"), member("edge")];
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&names, members()).map(|nodes| nodes.into_iter().map(|node| node.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["all"]).expect("all"), ["edge", "fog"]);
        assert_eq!(names(&["fog"]).expect("one"), ["fog"]);
        let error = names(&["frog"]).expect_err("none");
        assert_eq!(error.to_string(), "there is no node frog in the fleet");
        assert_eq!(error.hint().as_deref(), Some("nodes: edge, fog"));
    }
}
