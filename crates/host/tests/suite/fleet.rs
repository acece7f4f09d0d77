//! A fleet of three in this process: hosts as they are, and agents that decide by `nodes` and `balance`. The way between
//! agents is plain HTTP here; who asks stands in a header, as a certificate says it elsewhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use balance::{Decision, NodeId, ServiceId, Strategy, StrategyName, StrategySettings};
use nodes::{AwayWays, GuestLimits, LoadReport, NodeBook, OwnService};
use parking_lot::Mutex;
use protocol::{HostLoad, HostSharing, Limits};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use reqwest::Client;
use tokio::net::TcpListener;

use crate::chain::{Host, TOKEN, host};

const SERVICE: ServiceId = ServiceId(0);
const SENDER: &str = "x-sender";

struct Agent {
    me: NodeId,
    name: &'static str,
    address: SocketAddr,
    host: SocketAddr,
    client: Client,
    begun: Instant,
    mind: Mutex<Mind>,
    others: OnceLock<Vec<Arc<Agent>>>,
    /// Requests that its host handed over.
    asked: AtomicUsize,
}

struct Mind {
    book: NodeBook,
    strategy: Box<dyn Strategy>,
    decision: Decision,
    ways: Option<AwayWays>,
    guests: GuestLimits,
    random: Xoshiro256PlusPlus,
}

impl Agent {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn others(&self) -> &[Arc<Self>] {
        self.others.get().map_or(&[], Vec::as_slice)
    }

    /// Measures, decides, and tells host and neighbours.
    async fn round(&self) {
        let url = format!("http://{}/_dyninka/load", self.host);
        let load: HostLoad = self.client.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
        let sharing = {
            let (now, mind) = (self.now(), &mut *self.mind.lock());
            mind.book.service("first").unwrap().meter.observe("one", now, load);
            mind.decision = mind.strategy.decide(&mind.book.view(now), now, &mut mind.random);
            let share = mind.decision.shares.as_ref().unwrap()[0].clone();
            match &mut mind.ways {
                Some(ways) => ways.tell(share, now),
                None => mind.ways = Some(AwayWays::new(share, now)),
            }
            mind.guests.tell(mind.decision.limits_in.as_deref().unwrap_or_default(), now);
            mind.book.host_sharing(SERVICE, &mind.decision, &self.address.to_string()).unwrap()
        };
        // A machine may be busy with other things for longer than a fleet waits for an agent.
        let sharing = HostSharing { ttl_ms: 60_000, ..sharing };
        let url = format!("http://{}/_dyninka/sharing", self.host);
        let told = self.client.put(url).bearer_auth(TOKEN).json(&sharing).send().await.unwrap();
        assert!(told.status().is_success(), "{}", told.text().await.unwrap());
        for other in self.others() {
            let report = {
                let mind = &mut *self.mind.lock();
                let limits_in = mind.decision.limits_in.clone().unwrap_or_default();
                serde_json::to_vec(&mind.book.report(other.me, &limits_in, mind.decision.margin)).unwrap()
            };
            let report = LoadReport::read(&report).unwrap();
            other.mind.lock().book.hear(self.me, report, other.now());
        }
    }

    /// A request that did not fit here.
    async fn away(&self, method: Method, headers: HeaderMap, body: Bytes) -> Response {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut tried = Vec::new();
        loop {
            let next = {
                let mind = &mut *self.mind.lock();
                mind.ways.as_mut().and_then(|ways| ways.next(&tried, tried.len(), self.now(), &mut mind.random))
            };
            let Some(next) = next else { return StatusCode::TOO_MANY_REQUESTS.into_response() };
            let other = self.others().iter().find(|other| other.me == next).unwrap();
            let request = self.client.request(method.clone(), format!("http://{}/guest/app/first", other.address));
            let request = request.headers(onward(&headers)).header(SENDER, self.name).body(body.clone());
            let answer = request.send().await.unwrap();
            match answer.status() {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::NOT_FOUND => tried.push(next),
                _ => return handed_back(answer, other.name).await,
            }
        }
    }

    /// A request of a neighbour.
    async fn guest(&self, method: Method, headers: HeaderMap, body: Bytes) -> Response {
        let sender = headers[SENDER].to_str().unwrap().to_owned();
        let from = self.others().iter().find(|other| other.name == sender).unwrap().me;
        if !self.mind.lock().guests.takes(SERVICE, from, self.now()) {
            return StatusCode::TOO_MANY_REQUESTS.into_response();
        }
        let request = self.client.request(method, format!("http://{}/", self.host));
        let request = request.headers(onward(&headers)).header("dyninka-node", sender).body(body);
        handed_back(request.send().await.unwrap(), "").await
    }
}

/// What a request carries from node to node.
fn onward(headers: &HeaderMap) -> HeaderMap {
    let names = ["content-type", "dyninka-route", "dyninka-path", "dyninka-deadline", "traceparent"];
    let kept = names.into_iter().filter_map(|name| Some((name.parse().ok()?, headers.get(name)?.clone())));
    kept.collect()
}

async fn handed_back(answer: reqwest::Response, name: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    for name in ["content-type", "server-timing", "dyninka-version", "dyninka-filtered"] {
        if let Some(value) = answer.headers().get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if !name.is_empty() {
        response.headers_mut().insert("dyninka-nodes", name.parse().unwrap());
    }
    *response.body_mut() = answer.bytes().await.unwrap().into();
    response
}

async fn hear(State(agent): State<Arc<Agent>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    match uri.path() {
        "/away/app/first" => agent.away(method, headers, body).await,
        "/guest/app/first" => agent.guest(method, headers, body).await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn fleet(limits: [(&'static str, f64); 3]) -> (Vec<Host>, Vec<Arc<Agent>>) {
    let (mut hosts, mut agents) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for (at, (name, limit)) in limits.into_iter().enumerate() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let host = host("first", nowhere, Limits::default(), TOKEN, false).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = OwnService { schema: "one".to_owned(), limit: Some(limit), ..OwnService::default() };
        let me = NodeId(at as u32);
        let mut book = NodeBook::new(me, "app", BTreeMap::from([("first".to_owned(), own)]), 0.0);
        for (other, (name, _)) in limits.iter().enumerate().filter(|(other, _)| *other != at) {
            book.link(NodeId(other as u32), name, true, Some(Duration::from_millis(1)));
        }
        let mind = Mind {
            book,
            strategy: StrategySettings::new(StrategyName::Offer).build(None).unwrap(),
            decision: Decision::default(),
            ways: None,
            guests: GuestLimits::default(),
            random: Xoshiro256PlusPlus::seed_from_u64(at as u64),
        };
        let agent = Arc::new(Agent {
            me,
            name,
            address: listener.local_addr().unwrap(),
            host: host.address,
            client: Client::new(),
            begun,
            mind: Mutex::new(mind),
            others: OnceLock::new(),
            asked: AtomicUsize::new(0),
        });
        tokio::spawn(axum::serve(listener, Router::new().fallback(hear).with_state(agent.clone())).into_future());
        hosts.push(host);
        agents.push(agent);
    }
    for agent in &agents {
        let others = agents.iter().filter(|other| other.me != agent.me).cloned().collect();
        assert!(agent.others.set(others).is_ok());
    }
    // Once to report, once to decide on reports, and once more to tell hosts of it.
    for _ in 0..3 {
        for agent in &agents {
            agent.round().await;
        }
    }
    (hosts, agents)
}

/// What became of requests that callers sent to a host, each one after the other.
async fn load(host: SocketAddr, callers: usize, each: usize) -> BTreeMap<(u16, String), usize> {
    let calls = (0..callers).map(|_| {
        tokio::spawn(async move {
            let (client, mut counts) = (Client::new(), BTreeMap::new());
            for _ in 0..each {
                let answer = client.get(format!("http://{host}/")).send().await.unwrap();
                let node = answer.headers().get("dyninka-nodes").map_or("", |value| value.to_str().unwrap()).to_owned();
                let key = (answer.status().as_u16(), node);
                if key.0 == 200 {
                    assert_eq!(answer.text().await.unwrap(), "7");
                }
                *counts.entry(key).or_insert(0) += 1;
            }
            counts
        })
    });
    let mut counts = BTreeMap::new();
    for call in calls.collect::<Vec<_>>() {
        for (key, count) in call.await.unwrap() {
            *counts.entry(key).or_insert(0) += count;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_in_a_fleet_loses_no_request_from_the_first_that_does_not_fit_on() {
    let (hosts, agents) = fleet([("light", 0.01), ("mid", 1e6), ("heavy", 1e6)]).await;
    // The first takes the only token there is; the second is served by a neighbour, though nobody was overloaded before.
    let first = load(hosts[0].address, 1, 2).await;
    assert_eq!(first.values().sum::<usize>(), 2);
    assert!(first.keys().all(|(status, _)| *status == 200), "{first:?}");
    assert!(first.keys().any(|(_, node)| !node.is_empty()), "{first:?}");
    let deciding: Vec<_> = agents
        .iter()
        .map(|agent| {
            let agent = agent.clone();
            tokio::spawn(async move {
                let mut clock = tokio::time::interval(Duration::from_millis(50));
                loop {
                    clock.tick().await;
                    agent.round().await;
                }
            })
        })
        .collect();
    let counts = load(hosts[0].address, 16, 100).await;
    for task in &deciding {
        task.abort();
    }
    assert!(counts.keys().all(|(status, _)| *status == 200), "{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 1600);
    // What the light node serves itself is what its limit allows, and both neighbours help.
    let by = |node: &str| counts.get(&(200, node.to_owned())).copied().unwrap_or_default();
    assert!(by("mid") > 0 && by("heavy") > 0 && by("mid") + by("heavy") > by(""), "{counts:?}");
    for host in hosts {
        host.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_in_a_fleet_that_is_overloaded_everywhere_sends_nothing_around() {
    let (hosts, agents) = fleet([("light", 0.01), ("mid", 0.01), ("heavy", 0.01)]).await;
    let all = hosts.iter().map(|host| load(host.address, 4, 20));
    let all = futures_util::future::join_all(all).await;
    for counts in &all {
        assert_eq!(counts.values().sum::<usize>(), 80);
        assert!(counts.keys().all(|(status, _)| matches!(status, 200 | 503)), "{counts:?}");
        assert!(counts.keys().any(|(status, _)| *status == 503), "{counts:?}");
    }
    for (host, agent) in hosts.iter().zip(&agents) {
        let url = format!("http://{}/_dyninka/load", host.address);
        let load: HostLoad = agent.client.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
        // Each request of a user is one at its own host, and at most three times a guest elsewhere.
        assert_eq!(load.users, 80);
        assert!(load.guests <= 160 * 3, "{load:?}");
        assert_eq!(load.in_flight, 0);
    }
    for host in hosts {
        host.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_in_a_fleet_takes_of_a_burst_what_was_saved_up_and_answers_the_rest_at_once() {
    let (hosts, _agents) = fleet([("light", 100.0), ("mid", 100.0), ("heavy", 100.0)]).await;
    let counts = load(hosts[0].address, 200, 1).await;
    assert_eq!(counts.values().sum::<usize>(), 200);
    assert!(counts.keys().all(|(status, _)| matches!(status, 200 | 503)), "{counts:?}");
    // However slow the machine is: ten were saved up here, and five for guests at each of the others.
    let served: usize = counts.iter().filter(|((status, _), _)| *status == 200).map(|(_, count)| count).sum();
    assert!(served >= 20, "{counts:?}");
    for host in hosts {
        host.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_between_two_that_are_full_by_old_reports_sends_no_request_on_twice() {
    // Both promised room before anybody came, and neither is told anything new.
    let (hosts, agents) = fleet([("light", 5.0), ("mid", 5.0), ("heavy", 0.01)]).await;
    let forged = |host: SocketAddr| async move {
        let client = Client::new();
        for _ in 0..100 {
            let answer = client.get(format!("http://{host}/")).header("dyninka-node", "light").send().await.unwrap();
            assert!(matches!(answer.status().as_u16(), 200 | 429), "{}", answer.status());
            assert!(!answer.headers().contains_key("dyninka-nodes"));
        }
    };
    let (one, other) = (hosts[0].address, hosts[1].address);
    let (at_one, at_other, (), ()) = tokio::join!(load(one, 4, 100), load(other, 4, 100), forged(one), forged(other));
    for counts in [&at_one, &at_other] {
        assert!(counts.keys().all(|(status, _)| matches!(status, 200 | 503)), "{counts:?}");
    }
    // Each request that did not fit came to its own agent once. Had one been sent on, there were more.
    for agent in &agents[..2] {
        let url = format!("http://{}/_dyninka/load", agent.host);
        let load: HostLoad = agent.client.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
        assert_eq!(load.users, 400);
        assert!(agent.asked.load(Ordering::Relaxed) <= 400, "{}", agent.asked.load(Ordering::Relaxed));
    }
    for host in hosts {
        host.end().await;
    }
}
