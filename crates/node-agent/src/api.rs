//! The API of an agent: for the owner of its folder, over a unix socket; and its metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use nodes::{FleetRole, InvitationToken};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::agent::{Agent, Ending};
use crate::authority::clock;
use crate::error::NodeError;
use crate::http::{json, refusal};

/// The longest that a reader of events waits.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const MOST_USES: u32 = 10_000;
const LONGEST_INVITATION: u64 = 30 * 24 * 3600;

type Answer = Response<Full<Bytes>>;

/// A fleet as one of its nodes sees it: `GET /v1/nodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FleetView {
    pub fleet: String,
    /// The node that was asked.
    pub here: String,
    pub strategy: String,
    /// Where that node runs services: `process`, `docker`, `cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    pub nodes: Vec<NodeView>,
}

/// A node of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeView {
    pub name: String,
    pub id: String,
    pub address: String,
    /// `here`, `up`, `down`, `expelled`.
    pub state: String,
    /// `up`, `down`, or none: it is no neighbour.
    pub link: Option<String>,
    pub rtt_us: Option<u64>,
    pub since_s: Option<u64>,
    pub labels: std::collections::BTreeMap<String, String>,
    pub services: Vec<SharedServiceView>,
}

/// A service of a node, in requests a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SharedServiceView {
    pub app: String,
    pub service: String,
    pub limit: Option<f64>,
    pub users: f64,
    pub guests: f64,
    pub away: f64,
    /// Of what went away, how much each node served in the last second.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub to: std::collections::BTreeMap<String, f64>,
    pub refused: f64,
    /// What does not fit.
    pub need: f64,
    /// What it takes of the node that was asked.
    pub offered: f64,
    /// Why it is not asked for help.
    pub why: Option<String>,
}

/// A command: `POST /v1/commands`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum NodeCommand {
    Invite { uses: u32, seconds: u64, operator: bool },
    Expel { name: String },
    Remove { app: String },
    Down {},
}

/// Answers a command or a question of this machine.
pub(crate) async fn answer(agent: &Arc<Agent>, head: &Parts, body: &[u8]) -> Answer {
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/v1/nodes") => json(StatusCode::OK, &view(agent)),
        (&Method::GET, "/v1/events") => events(agent, head.uri.query().unwrap_or_default()).await,
        (&Method::POST, "/v1/commands") => match serde_json::from_slice(body) {
            Ok(command) => obey(agent, command).await,
            Err(error) => refusal(StatusCode::BAD_REQUEST, &format!("there is no such command: {error}")),
        },
        _ => refusal(StatusCode::NOT_FOUND, "there is no such path"),
    }
}

async fn obey(agent: &Arc<Agent>, command: NodeCommand) -> Answer {
    match command {
        NodeCommand::Invite { uses, seconds, operator } => match invite(agent, uses, seconds, operator) {
            Ok(token) => json(StatusCode::OK, &json!({ "token": token.to_string() })),
            Err(error) => refused(&error),
        },
        NodeCommand::Expel { name } => match expel(agent, &name) {
            Ok(()) => json(StatusCode::OK, &json!({ "expelled": name })),
            Err(error) => refused(&error),
        },
        NodeCommand::Remove { app } => remove(agent, &app).await,
        NodeCommand::Down {} => {
            agent.ending.send_replace(Ending::Asked);
            json(StatusCode::OK, &json!({ "ends": true }))
        }
    }
}

fn refused(error: &NodeError) -> Answer {
    let body = json!({ "error": error.to_string(), "hint": error.hint() });
    json(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

/// Ends an app.
pub(crate) async fn remove(agent: &Arc<Agent>, app: &str) -> Answer {
    match agent.apps.remove(app).await {
        Ok(()) => {
            agent.events.tell("app.removed", app, json!({}));
            agent.news.notify_one();
            json(StatusCode::OK, &json!({ "removed": app }))
        }
        Err(error) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &error),
    }
}

fn invite(agent: &Agent, uses: u32, seconds: u64, operator: bool) -> Result<InvitationToken, NodeError> {
    if agent.authority.is_none() {
        return Err(NodeError::NoAuthority);
    }
    let fingerprint = *blake3::hash(&agent.settings.folder.needed("ca.der")?).as_bytes();
    let token = InvitationToken { address: agent.me().address.to_string(), fingerprint, secret: rand::random() };
    let role = if operator { FleetRole::Operator } else { FleetRole::Node };
    let until = clock() + seconds.min(LONGEST_INVITATION);
    agent.invitations.lock().give(&token.secret, uses.clamp(1, MOST_USES), until, role);
    agent.keep_invitations()?;
    Ok(token)
}

fn expel(agent: &Arc<Agent>, name: &str) -> Result<(), NodeError> {
    let authority = agent.authority.as_ref().ok_or(NodeError::NoAuthority)?;
    if name == agent.record.name {
        return Err(NodeError::Refused {
            to: agent.record.name.clone(),
            why: "the node with the fleet's key cannot be expelled".to_owned(),
        });
    }
    let list = authority.lock().expel(name)?;
    agent.hear_crl(&list, &agent.record.name);
    Ok(())
}

/// Events after a number; with `wait`, the first that come.
async fn events(agent: &Agent, query: &str) -> Answer {
    let value = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse::<u64>().ok())
    };
    let (after, wait) = (value("after").unwrap_or(0), Duration::from_millis(value("wait").unwrap_or(0)));
    let mut news = agent.events.news();
    // None in time: then there are none.
    drop(tokio::time::timeout(wait.min(LONGEST_WAIT), news.wait_for(|number| *number > after)).await);
    json(StatusCode::OK, &agent.events.after(after))
}

/// The fleet as this node sees it.
pub(crate) fn view(agent: &Agent) -> FleetView {
    let now = agent.now();
    let me = agent.me();
    let mut members = agent.membership.lock().members();
    let down: Vec<_> = agent.gone.lock().values().cloned().collect();
    let neighbours = agent.neighbours.lock().clone();
    let mind = agent.mind.lock();
    let shown = mind.shown(now);
    let own = shown.iter().map(|(app, service, load)| SharedServiceView {
        app: app.clone(),
        service: service.clone(),
        limit: load.limit,
        users: load.users,
        guests: load.guests,
        away: load.away,
        to: load.to.clone(),
        refused: load.refused,
        need: load.need,
        offered: 0.0,
        why: load.stays.then(|| "it stays where it is called".to_owned()),
    });
    let is_expelled = agent.is_expelled.load(Ordering::Relaxed);
    let mut nodes = vec![NodeView {
        name: me.name.clone(),
        id: me.id.to_string(),
        address: me.address.to_string(),
        state: if is_expelled { "expelled" } else { "here" }.to_owned(),
        link: None,
        rtt_us: None,
        since_s: Some(now.as_secs()),
        labels: agent.record.labels.clone(),
        services: own.collect(),
    }];
    members.sort_by(|one, other| one.name.cmp(&other.name));
    let (known, since, links) = (agent.known.lock(), agent.since.lock(), agent.links.lock());
    for member in &members {
        let link = links.get(&member.id);
        let is_up = link.is_some_and(|link| link.is_up());
        let is_neighbour = neighbours.contains(&member.id);
        let said = mind.said(member.id);
        let reported = said.iter().flat_map(|report| &report.apps);
        let services = reported.flat_map(|(app, services)| services.iter().map(move |(name, load)| (app, name, load)));
        let services = services.map(|(app, name, load)| {
            let of_own = shown.iter().find(|(own, service, _)| own == app && service == name);
            let unfit = of_own.and_then(|(.., own)| own.unfit.iter().find(|(node, _)| *node == member.name));
            SharedServiceView {
                app: app.clone(),
                service: name.clone(),
                limit: load.limit,
                users: load.users,
                guests: (load.served - load.users).max(0.0),
                away: 0.0,
                to: std::collections::BTreeMap::new(),
                refused: 0.0,
                need: load.need,
                offered: load.offer,
                why: unfit.map(|(_, why)| (*why).to_owned()),
            }
        });
        nodes.push(NodeView {
            name: member.name.clone(),
            id: member.id.to_string(),
            address: member.address.to_string(),
            state: "up".to_owned(),
            link: is_neighbour.then(|| if is_up { "up" } else { "down" }.to_owned()),
            rtt_us: link.and_then(|link| link.rtt()).map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            since_s: since.get(&member.id).map(|since| since.elapsed().as_secs()),
            labels: known.get(&member.id).map(|known| known.card.labels.clone()).unwrap_or_default(),
            services: services.collect(),
        });
    }
    for member in down.iter().filter(|down| !members.iter().any(|member| member.id == down.id)) {
        nodes.push(NodeView {
            name: member.name.clone(),
            id: member.id.to_string(),
            address: member.address.to_string(),
            state: "down".to_owned(),
            link: None,
            rtt_us: None,
            since_s: None,
            labels: std::collections::BTreeMap::new(),
            services: Vec::new(),
        });
    }
    FleetView {
        fleet: agent.record.fleet.clone(),
        here: me.name,
        strategy: agent.settings.strategy.name.as_str().to_owned(),
        backend: Some(agent.backend().to_owned()),
        nodes,
    }
}
