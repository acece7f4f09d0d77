//! An agent beside pods that somebody else runs: it follows them, tells them their part, and runs nothing itself.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use balance::{StrategyName, StrategySettings};
use node_agent::{BundledService, FleetFolder, FleetOperator, NodeBackend, NodeBundle, NodeSettings, PodApp};
use nodes::MembershipPace;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "key";

/// A pod's host as far as an agent sees it: what it was told last, by whom.
struct Pod {
    address: SocketAddr,
    told: Arc<Mutex<Option<Value>>>,
}

impl Pod {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told: Arc<Mutex<Option<Value>>> = Arc::default();
        let hears = told.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(hear(stream, hears.clone()));
            }
        });
        Self { address, told }
    }

    fn limit(&self) -> Option<f64> {
        self.told.lock().as_ref()?["limit"].as_f64()
    }
}

/// Answers what an agent asks, until it closes the connection.
async fn hear(mut stream: TcpStream, told: Arc<Mutex<Option<Value>>>) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let lines = head.to_ascii_lowercase();
            let length =
                lines.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            (body.len() >= length).then(|| (head.to_owned(), body[..length].to_owned()))
        });
        let Some((head, body)) = whole else {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        read.clear();
        assert!(head.to_ascii_lowercase().contains("authorization: bearer key"), "{head}");
        let answer = if head.starts_with("PUT /_dyninka/sharing ") {
            *told.lock() = Some(serde_json::from_str(&body).unwrap());
            "{}".to_owned()
        } else {
            assert!(head.starts_with("GET /_dyninka/load?"), "{head}");
            let counts = ["seq", "users", "guests", "away", "refused", "waited", "in_flight", "cpu_ns", "p50_ns"];
            Value::Object(counts.iter().map(|name| ((*name).to_owned(), 0.into())).collect()).to_string()
        };
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn bundle() -> NodeBundle {
    let service = BundledService {
        host: "banner".to_owned(),
        version: String::new(),
        library: String::new(),
        schema: "one".to_owned(),
        inputs: Vec::new(),
        route: None,
        needs: Vec::new(),
        env: BTreeMap::new(),
        rate: Some(100.0),
        at_once: None,
        latency_us: None,
        idempotent: false,
        stays: false,
    };
    let services = BTreeMap::from([("banner".to_owned(), service)]);
    NodeBundle { services, ..NodeBundle::new("app", 1) }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The status of `/away/app/banner` with these header lines.
async fn away(at: SocketAddr, headers: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let asked = format!("GET /away/app/banner HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_told_their_part_of_the_limit_as_they_come_and_go_and_nobody_deploys_to_them() {
    let home = tempfile::tempdir().unwrap();
    let made = FleetFolder::at(home.path().join("made"));
    node_agent::init(&made, "plant", "edge", BTreeMap::new()).unwrap();
    std::fs::write(made.path().join("members.json"), "[]").unwrap();
    // What a Secret holds is all that the agent has.
    let secret = home.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    for (name, bytes) in made.identity().unwrap() {
        std::fs::write(secret.join(name), bytes).unwrap();
    }
    let folder = FleetFolder::at(home.path().join("node"));
    folder.take_identity(&secret).unwrap();
    assert_eq!(folder.record().unwrap().name, "edge");
    // It is taken once: what a node learned since is newer.
    std::fs::write(secret.join("fleet.json"), "nonsense").unwrap();
    folder.take_identity(&secret).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let (pods, hosts) = watch::channel(BTreeMap::new());
    let settings = NodeSettings {
        folder: folder.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        advertise: None,
        seeds: Vec::new(),
        pace: MembershipPace::Lan,
        strategy: StrategySettings::new(StrategyName::Offer),
        neighbours: Vec::new(),
        metrics: None,
        cpus: Some(1.0),
        backend: NodeBackend::Process,
        program: "/nowhere".into(),
        interface: 1,
        pods: Some(PodApp { bundle: bundle(), token: TOKEN.to_owned(), away: at, hosts }),
    };
    let (end, ends) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel();
    let run = node_agent::run(settings, Arc::new(|_| {}), move |address| ready.send(address).unwrap(), async move {
        drop(ends.await);
    });
    let task = tokio::spawn(run);
    let address = tokio::time::timeout(PATIENCE, is_ready).await.unwrap().unwrap();
    let (one, two) = (Pod::start().await, Pod::start().await);
    let tell = |all: &[&Pod]| {
        let all = all.iter().map(|pod| pod.address).collect::<Vec<_>>();
        pods.send_replace(BTreeMap::from([("banner".to_owned(), all)]));
    };
    tell(&[&one]);
    until("one pod has the whole limit", || one.limit() == Some(100.0)).await;
    tell(&[&one, &two]);
    until("each has half of it", || one.limit() == Some(50.0) && two.limit() == Some(50.0)).await;
    tell(&[&two]);
    until("the one that is left has all of it", || two.limit() == Some(100.0)).await;
    // Hosts hand over at the address they were told, by the app's secret alone.
    assert_eq!(away(at, "").await, "401");
    assert_eq!(away(at, "authorization: Bearer other\r\n").await, "401");
    assert_eq!(away(at, "authorization: Bearer key\r\n").await, "429", "there is no other node");
    let operator = FleetOperator::open(made).unwrap();
    let member = nodes::FleetMember { id: folder.record().unwrap().id, life: 0, address, name: "edge".to_owned() };
    let refused = operator.push(&member, &bundle(), &BTreeMap::new()).await.unwrap_err().to_string();
    assert!(refused.contains("edge is a cluster: push to it without --to"), "{refused}");
    // A pod that starts again is a later life of the node, whatever its folder says.
    assert!(folder.record().unwrap().restarts > 1_700_000_000);
    drop(end);
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
}
