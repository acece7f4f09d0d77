//! A service that is handed over to another host while requests come.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ::protocol::{Config, Limits, Peer, ServiceLoad, Transfer, header};
use host::Server;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::chain::TOKEN;

/// A host of the service `counts`, which answers its input and how often it was called.
struct Counts {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    config: Config,
    folder: TempDir,
}

impl Counts {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(support::examples().join("libhop_kinds.so"), folder.path().join("kinds.so")).unwrap();
        let own = Peer {
            address: "counts:1".to_owned(),
            others: Vec::new(),
            host: "counts".to_owned(),
            inputs: vec!["value".to_owned()],
        };
        let config = Config {
            app: "app".to_owned(),
            service: "counts".to_owned(),
            instance: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            front: None,
            peers: BTreeMap::from([("counts".to_owned(), own)]).into(),
            route: None,
            library: Some("kinds.so".to_owned()),
            token: TOKEN.to_owned(),
            names: None,
            outside: None,
            limits: Limits::default(),
            load: ServiceLoad::default(),
            record: true,
            moved: None,
            near: None,
        };
        std::fs::write(folder.path().join("config.json"), serde_json::to_vec(&config).unwrap()).unwrap();
        let server = Server::bind(folder.path()).await.unwrap();
        let (end, ended) = oneshot::channel();
        let address = server.address();
        let task = tokio::spawn(server.serve(async move { drop(ended.await) }));
        Self { address, end, task, config, folder }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn ask(&self, client: &Client) -> Response {
        client.post(self.url("/")).json(&json!({ "value": 0 })).send().await.unwrap()
    }

    async fn count(&self, client: &Client) -> u64 {
        let answer = self.ask(client).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    async fn transfer(&self, client: &Client, to: &str) -> Response {
        let transfer = Transfer { to: to.to_owned(), reset: false };
        client.post(self.url("/_dyninka/transfer")).bearer_auth(TOKEN).json(&transfer).send().await.unwrap()
    }

    /// Has it open the public listener.
    async fn lead(&self, client: &Client, front: SocketAddr) {
        let config = Config { front: Some(front), ..self.config.clone() };
        std::fs::write(self.folder.path().join("config.json"), serde_json::to_vec(&config).unwrap()).unwrap();
        let told = client.post(self.url("/_dyninka/reload")).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(told.status(), 200);
    }

    async fn state(&self, client: &Client) -> (u16, Value) {
        let answer = client.get(self.url("/_dyninka/state/COUNT")).bearer_auth(TOKEN).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Requests that it measured.
    async fn measured(&self, client: &Client) -> u64 {
        let answer = client.get(self.url("/_dyninka/hops")).bearer_auth(TOKEN).send().await.unwrap();
        answer.headers()[header::REQUESTS].to_str().unwrap().parse().unwrap()
    }

    async fn end(self) {
        self.end.send(()).unwrap();
        self.task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_under_requests_counts_each_once_and_passes_on_whoever_still_comes() {
    let (old, new, client) = (Counts::start().await, Counts::start().await, Client::new());
    let stop = Arc::new(AtomicBool::new(false));
    let callers = (0..8).map(|_| {
        let (url, stop, client) = (old.url("/"), stop.clone(), client.clone());
        tokio::spawn(async move {
            let mut counts: Vec<u64> = Vec::new();
            while !stop.load(Ordering::Relaxed) || counts.len() < 50 {
                let answer = client.post(&url).json(&json!({ "value": 0 })).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                assert!(answer.headers().contains_key(header::SERVER_TIMING));
                counts.push(answer.json().await.unwrap());
            }
            counts
        })
    });
    let callers: Vec<_> = callers.collect();
    while old.count(&client).await < 50 {}
    let moved = old.transfer(&client, &new.address.to_string()).await;
    assert_eq!(moved.status(), 200);
    let moved: Value = moved.json().await.unwrap();
    assert_eq!(moved["states"]["COUNT"]["how"], "carried", "{moved}");
    // Asked again, it is done already; and there is one owner of the value.
    assert_eq!(old.transfer(&client, &new.address.to_string()).await.status(), 200);
    assert_eq!(old.transfer(&client, "127.0.0.1:1").await.status(), 409);
    let (status, problem) = old.state(&client).await;
    assert!(status == 409 && problem["detail"].as_str().unwrap().contains("moved to"), "{problem}");
    stop.store(true, Ordering::Relaxed);
    let mut counts = Vec::new();
    for caller in callers {
        counts.extend(caller.await.unwrap());
    }
    counts.sort_unstable();
    let before = counts.len();
    counts.dedup();
    assert_eq!(counts.len(), before, "none is counted twice");
    let (_, all) = new.state(&client).await;
    let again = new.count(&client).await;
    assert_eq!(again, all.as_u64().unwrap() + 1);
    // Each request is measured by one of the two.
    let measured = old.measured(&client).await + new.measured(&client).await;
    assert_eq!(measured, again);
    old.end().await;
    assert_eq!(new.count(&client).await, again + 1);
    new.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn public_listener_that_moves_answers_every_caller_with_a_kept_connection_or_a_new_one() {
    let (mut host, client) = (Counts::start().await, Client::new());
    let front = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    host.lead(&client, front).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers = (0..16).map(|number| {
        let (stop, answered) = (stop.clone(), answered.clone());
        // Each second one connects anew for every request.
        let kept = if number % 2 == 0 { 1 } else { 0 };
        let client = Client::builder().pool_max_idle_per_host(kept).build().unwrap();
        tokio::spawn(async move {
            let mut counts: Vec<u64> = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let asked = client.post(format!("http://{front}/")).json(&json!({ "value": 0 })).send().await;
                let answer = asked.unwrap_or_else(|error| panic!("{error:?}"));
                assert_eq!(answer.status(), 200);
                counts.push(answer.json().await.unwrap());
                answered.fetch_add(1, Ordering::Relaxed);
            }
            counts
        })
    });
    let callers: Vec<_> = callers.collect();
    let some_more = async || {
        let wanted = answered.load(Ordering::Relaxed) + 100;
        while answered.load(Ordering::Relaxed) < wanted && !callers.iter().any(JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    };
    for _ in 0..5 {
        some_more().await;
        let next = Counts::start().await;
        assert_eq!(host.transfer(&client, &next.address.to_string()).await.status(), 200);
        next.lead(&client, front).await;
        std::mem::replace(&mut host, next).end().await;
    }
    some_more().await;
    stop.store(true, Ordering::Relaxed);
    let mut counts = Vec::new();
    for caller in callers {
        counts.extend(caller.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=counts.len() as u64).collect::<Vec<_>>());
    host.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_to_nobody_changes_nothing() {
    let (old, client) = (Counts::start().await, Client::new());
    assert_eq!(old.count(&client).await, 1);
    let refused = old.transfer(&client, "127.0.0.1:1").await;
    assert_eq!(refused.status(), 409);
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("its new host cannot be reached"), "{problem}");
    assert_eq!((old.count(&client).await, old.state(&client).await), (2, (200, json!(2))));
    old.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused_after_a_transfer_as_before_it() {
    let (old, new, client) = (Counts::start().await, Counts::start().await, Client::new());
    let ask = |body: &'static str, content_type: &'static str| {
        client.post(old.url("/")).header("content-type", content_type).body(body).send()
    };
    let wrong = [("{", "application/json"), ("{\"value\":\"x\"}", "application/json"), ("value=1", "text/plain")];
    let mut before = Vec::new();
    for (body, content_type) in wrong {
        let answer = ask(body, content_type).await.unwrap();
        before.push((answer.status(), answer.text().await.unwrap()));
    }
    assert_eq!(old.transfer(&client, &new.address.to_string()).await.status(), 200);
    for ((body, content_type), (status, text)) in wrong.into_iter().zip(before) {
        let answer = ask(body, content_type).await.unwrap();
        assert_eq!((answer.status(), answer.text().await.unwrap()), (status, text));
    }
    old.end().await;
    new.end().await;
}
