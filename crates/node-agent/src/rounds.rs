//! What an agent does again and again: wake the membership, ask seeds, measure, decide, and tell.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use nodes::LinkFrame;
use protocol::{HostLoad, HostSharing};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::agent::{Agent, NodeCounts};
use crate::authority::clock;
use crate::http::{HttpTarget, request};
use crate::served::ServedApp;
use crate::{link, relay};

/// Seeds are asked this often while nobody else is known, and otherwise.
const ALONE: Duration = Duration::from_secs(5);
const OTHERWISE: Duration = Duration::from_secs(30);
/// A decision comes so long after what it is for, and at least this often.
const DEBOUNCE: Duration = Duration::from_millis(50);
const AT_LEAST: Duration = Duration::from_secs(1);
/// A host is asked for news for so long, and again after this.
const WAIT: u64 = 1000;
const BREATH: Duration = Duration::from_millis(100);
/// What a host may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Wakes the membership when it wants to be.
pub(crate) async fn wake(agent: Arc<Agent>) {
    loop {
        let next = agent.membership.lock().wakes_at();
        let left = next.map_or(AT_LEAST, |next| next.saturating_sub(agent.now()));
        tokio::select! {
            () = tokio::time::sleep(left) => agent.with_members(|members, now| members.wake(now)),
            () = agent.woken.notified() => {}
        }
    }
}

/// Asks seeds and remembered members who is there: often while this node is alone.
pub(crate) async fn seek(agent: Arc<Agent>, remembered: Vec<SocketAddr>) {
    let own = agent.me().address;
    let mut seeds: BTreeSet<String> = agent.settings.seeds.iter().cloned().collect();
    seeds.extend(remembered.iter().map(ToString::to_string));
    seeds.remove(&own.to_string());
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<Instant> = None;
    loop {
        let members = agent.membership.lock().members();
        let is_alone = members.is_empty();
        let is_due = last.is_none_or(|last| last.elapsed() >= if is_alone { ALONE } else { OTHERWISE });
        if is_due && !seeds.is_empty() {
            last = Some(Instant::now());
            let there: BTreeSet<String> = members.iter().map(|member| member.address.to_string()).collect();
            let asked = seeds.iter().filter(|seed| !there.contains(*seed)).map(|seed| {
                let agent = agent.clone();
                let seed = seed.clone();
                tokio::spawn(async move { (link::greet(&agent, &seed).await, seed) })
            });
            for task in asked.collect::<Vec<_>>() {
                let Ok((greeted, seed)) = task.await else { continue };
                match greeted {
                    Ok(card) => {
                        told.remove(&seed);
                        agent.with_members(|members, now| members.announce(card.member, now));
                    }
                    // Said once, tried again and again.
                    Err(error) if told.get(&seed) != Some(&error.to_string()) => {
                        let words = format!("{error}; {seed} is asked again every {} s", ALONE.as_secs());
                        agent.events.tell("node.notice", &agent.record.name, json!({ "words": words }));
                        told.insert(seed, error.to_string());
                    }
                    Err(_) => {}
                }
            }
        }
        tokio::time::sleep(AT_LEAST).await;
    }
}

/// Follows the hosts of every app that is served here.
pub(crate) async fn measure(agent: Arc<Agent>) {
    type Followed = (String, String, SocketAddr);
    let mut followed: BTreeMap<Followed, JoinHandle<()>> = BTreeMap::new();
    loop {
        let served = agent.apps.served();
        let hosts = served.iter().flat_map(|(name, app)| {
            let all = app.hosts.iter().flat_map(|(service, hosts)| hosts.iter().map(move |host| (service, *host)));
            all.map(move |(service, host)| ((name.clone(), service.clone(), host), app.headers()))
        });
        let hosts: BTreeMap<Followed, HeaderMap> = hosts.collect();
        followed.retain(|key, task| {
            let stays = hosts.contains_key(key);
            if !stays {
                task.abort();
                agent.mind.lock().forget_host(&key.0, &key.1, &key.2.to_string());
            }
            stays
        });
        for (key, headers) in hosts {
            let follow = |key| tokio::spawn(follow(agent.clone(), key, headers));
            followed.entry(key.clone()).or_insert_with(|| follow(key));
        }
        tokio::time::sleep(DEBOUNCE).await;
    }
}

/// Asks one host for its load, whenever it has news.
async fn follow(agent: Arc<Agent>, (app, service, host): (String, String, SocketAddr), headers: HeaderMap) {
    let (target, name) = (HttpTarget::Host(host), host.to_string());
    let mut after = 0;
    loop {
        let path = format!("/_dyninka/load?after={after}&wait={WAIT}");
        let asked = agent.apps.pool().ask(&target, request(&Method::GET, &path, headers.clone(), Bytes::new()));
        let asked = tokio::time::timeout(PATIENCE + Duration::from_millis(WAIT), asked).await;
        let load: Option<HostLoad> = match asked {
            Ok(Ok(answer)) => serde_json::from_slice(&answer.body).ok(),
            Ok(Err(_)) | Err(_) => None,
        };
        if let Some(load) = load {
            after = load.seq;
            agent.mind.lock().observe(&app, &service, &name, load, agent.now());
            agent.news.notify_one();
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// Decides, and tells hosts and neighbours.
pub(crate) async fn decide(agent: Arc<Agent>) {
    let mut served: Vec<Arc<crate::bundle::NodeBundle>> = Vec::new();
    let mut noticed: BTreeMap<String, Instant> = BTreeMap::new();
    let mut shared: BTreeMap<(String, String), bool> = BTreeMap::new();
    loop {
        tokio::select! {
            () = agent.news.notified() => {}
            () = tokio::time::sleep(AT_LEAST) => {}
        }
        let running = agent.apps.served();
        let bundles: Vec<_> = running.values().map(|app| app.bundle.clone()).collect();
        let is_same = bundles.len() == served.len() && bundles.iter().zip(&served).all(|(a, b)| Arc::ptr_eq(a, b));
        if !is_same {
            if let Err(error) = agent.mind.lock().serve(&running) {
                tracing::error!(%error, "the strategy cannot be begun");
            }
            served = bundles;
            agent.introduce();
            agent.choose();
        }
        let begun = Instant::now();
        let (told, notices) = agent.mind.lock().decide(agent.now(), Duration::from_secs(clock()));
        NodeCounts::add(&agent.counts.decisions, 1);
        NodeCounts::add(&agent.counts.decision_ns, u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        think(&agent);
        for notice in notices {
            if noticed.insert(notice.clone(), Instant::now()).is_none_or(|at| at.elapsed() > OTHERWISE) {
                agent.events.tell("node.notice", &agent.record.name, json!({ "words": notice }));
            }
        }
        // An expelled node is alone: its hosts fall back by themselves.
        if !agent.is_expelled.load(std::sync::atomic::Ordering::Relaxed) {
            let tells =
                told.into_iter().flat_map(|(app, service, sharing)| tell(&agent, &running, app, service, sharing));
            for task in tells.collect::<Vec<_>>() {
                drop(task.await);
            }
            report(&agent);
        }
        events(&agent, &mut shared);
        tokio::time::sleep(DEBOUNCE).await;
    }
}

/// Has strategies decide that take their time; nothing waits for them.
fn think(agent: &Arc<Agent>) {
    for turn in agent.mind.lock().slow_turns(agent.now(), Duration::from_secs(clock())) {
        let agent = agent.clone();
        tokio::spawn(async move {
            let decided = turn.decide().await;
            agent.mind.lock().settle(decided, agent.now());
            agent.news.notify_one();
        });
    }
}

/// Tells the hosts of a service what was decided.
fn tell(
    agent: &Arc<Agent>,
    running: &BTreeMap<String, ServedApp>,
    app: String,
    service: String,
    sharing: HostSharing,
) -> Vec<JoinHandle<()>> {
    let Some(running) = running.get(&app) else { return Vec::new() };
    let body = match serde_json::to_vec(&sharing) {
        Ok(body) => Bytes::from(body),
        Err(error) => {
            tracing::error!(%error, "a decision cannot be written");
            return Vec::new();
        }
    };
    let one = |host: &SocketAddr| {
        let (target, headers) = (HttpTarget::Host(*host), running.headers());
        let (agent, body, app, service) = (agent.clone(), body.clone(), app.clone(), service.clone());
        tokio::spawn(async move {
            let asked = request(&Method::PUT, "/_dyninka/sharing", headers, body);
            match tokio::time::timeout(PATIENCE, agent.apps.pool().ask(&target, asked)).await {
                Ok(Ok(answer)) if answer.status.is_success() => {}
                Ok(Ok(answer)) => {
                    let answer = String::from_utf8_lossy(&answer.body);
                    tracing::warn!(app, service, %answer, "a host refused a decision");
                }
                Ok(Err(error)) => tracing::debug!(app, service, %error, "a host was not told"),
                Err(_) => tracing::debug!(app, service, "a host was not told in time"),
            }
        })
    };
    running.hosts.get(&service).into_iter().flatten().map(one).collect()
}

fn report(agent: &Agent) {
    let reports = agent.mind.lock().reports(agent.now());
    for (id, report) in reports {
        let Some(link) = agent.link_of(id) else { continue };
        match serde_json::to_vec(&report) {
            Ok(bytes) => link.send(LinkFrame::Report(bytes)),
            Err(error) => tracing::error!(%error, "a report cannot be written"),
        }
    }
}

/// Tells of services whose overflow begins or ends to go elsewhere.
fn events(agent: &Agent, shared: &mut BTreeMap<(String, String), bool>) {
    for (app, service, load) in agent.mind.lock().shown(agent.now()) {
        let now = load.away > 0.0;
        let before = shared.insert((app.clone(), service.clone()), now).unwrap_or(false);
        if before != now {
            let data = json!({ "away": load.away, "users": load.users, "limit": load.limit });
            relay::tell_sharing(agent, &app, &service, now, data);
        }
    }
}

/// Gets a new certificate in time.
pub(crate) async fn renew(agent: Arc<Agent>) {
    const LOOK: Duration = Duration::from_hours(6);
    loop {
        if let Err(error) = crate::renewal::renew(&agent).await {
            agent.events.tell("node.notice", &agent.record.name, json!({ "words": error.to_string() }));
        }
        tokio::time::sleep(LOOK).await;
    }
}
