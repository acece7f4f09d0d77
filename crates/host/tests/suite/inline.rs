//! A host in a process of its own, whose function was quick for long: then it is not, and nobody else notices.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};

use protocol::{Config, Limits, Peer, ServiceLoad};
use reqwest::Client;
use serde_json::{Value, json};

/// More calls than it takes to be believed to be quick.
const MANY: usize = 100;

/// Ended with its handle.
struct Process {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Process {
    fn start(service: &str, first: Option<SocketAddr>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = format!("{service}.so");
        std::fs::copy(support::examples().join(format!("libhop_{service}.so")), folder.path().join(&library)).unwrap();
        // Free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let peer = |address: SocketAddr, inputs: &[&str]| Peer {
            address: address.to_string(),
            others: Vec::new(),
            host: "x".to_owned(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
        };
        let peers = [("uneven", peer(address, &["deed"])), ("first", peer(first.unwrap_or(address), &[]))];
        let config = Config {
            app: "app".to_owned(),
            service: service.to_owned(),
            instance: None,
            listen: address,
            front: None,
            peers: peers.map(|(name, peer)| (name.to_owned(), peer)).into_iter().collect::<BTreeMap<_, _>>().into(),
            route: None,
            library: Some(library),
            token: "secret".to_owned(),
            limits: Limits::default(),
            record: false,
            moved: None,
            near: None,
            names: None,
            outside: None,
            load: ServiceLoad::default(),
        };
        std::fs::write(folder.path().join("config.json"), serde_json::to_vec(&config).unwrap()).unwrap();
        let child = Command::new(support::examples().join("serve")).arg(folder.path()).spawn().unwrap();
        Self { child, address, _folder: folder }
    }

    /// Waits until it listens.
    async fn ready(self, client: &Client) -> Self {
        while client.get(format!("http://{}/readyz", self.address)).send().await.is_err() {
            tokio::task::yield_now().await;
        }
        self
    }

    async fn ask(&self, client: &Client, deed: &str, deadline: &str) -> (u16, Value) {
        let question = client.post(format!("http://{}/", self.address)).json(&json!({ "deed": deed }));
        let answer = question.header("dyninka-deadline", deadline).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// A chain whose last function was quick so far.
async fn quick(client: &Client) -> (Process, Process) {
    let first = Process::start("first", None).ready(client).await;
    let uneven = Process::start("uneven", Some(first.address)).ready(client).await;
    for _ in 0..MANY {
        assert_eq!(uneven.ask(client, "", "30000").await, (200, json!(1)));
    }
    (first, uneven)
}

#[tokio::test]
async fn a_call_that_never_ends_is_told_of_in_time_and_stops_nobody() {
    let client = Client::builder().no_proxy().build().unwrap();
    let (_first, uneven) = quick(&client).await;
    let endless = uneven.ask(&client, "loop", "1500");
    let others = async {
        for _ in 0..MANY {
            assert_eq!(uneven.ask(&client, "", "30000").await, (200, json!(1)));
        }
    };
    let ((status, problem), ()) = tokio::join!(endless, others);
    assert_eq!((status, &problem["type"]), (504, &"urn:dyninka:problem:deadline".into()), "{problem}");
    // Nor does what comes later.
    assert_eq!(uneven.ask(&client, "ask", "30000").await, (200, json!(7)));
}

#[tokio::test]
async fn what_a_call_waits_for_is_fetched_by_the_thread_that_waits_no_more() {
    let client = Client::builder().no_proxy().build().unwrap();
    let (_first, uneven) = quick(&client).await;
    for _ in 0..3 {
        assert_eq!(uneven.ask(&client, "ask", "30000").await, (200, json!(7)));
        assert_eq!(uneven.ask(&client, "", "30000").await, (200, json!(1)));
    }
}
