//! Agents in this process, over loopback: who is let in, who is not, and what each may do.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use balance::{StrategyName, StrategySettings};
use node_agent::{
    FleetFolder, FleetOperator, FleetView, NodeBackend, NodeBundle, NodeClient, NodeCommand, NodeError, NodeSaid,
    NodeSettings,
};
use nodes::MembershipPace;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    folder: FleetFolder,
    events: Arc<Mutex<Vec<Value>>>,
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), NodeError>>,
    address: SocketAddr,
}

fn folder(home: &TempDir, name: &str) -> FleetFolder {
    FleetFolder::at(home.path().join(name))
}

fn settings(folder: &FleetFolder) -> NodeSettings {
    NodeSettings {
        folder: folder.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        advertise: None,
        seeds: Vec::new(),
        pace: MembershipPace::Lan,
        strategy: StrategySettings::new(StrategyName::Offer),
        neighbours: Vec::new(),
        metrics: None,
        cpus: None,
        backend: NodeBackend::Process,
        program: "/nowhere".into(),
        interface: 1,
        pods: None,
    }
}

impl Node {
    async fn up(folder: &FleetFolder) -> Self {
        Self::with(settings(folder)).await
    }

    async fn with(settings: NodeSettings) -> Self {
        let folder = settings.folder.clone();
        let events: Arc<Mutex<Vec<Value>>> = Arc::default();
        let heard = events.clone();
        let said = Arc::new(move |said: NodeSaid| {
            if let NodeSaid::Event(event) = said {
                heard.lock().push(serde_json::to_value(event).unwrap());
            }
        });
        let (end, ends) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel();
        let task =
            tokio::spawn(node_agent::run(settings, said, move |address| ready.send(address).unwrap(), async move {
                drop(ends.await)
            }));
        let address = tokio::time::timeout(PATIENCE, is_ready).await.unwrap().expect("it is up");
        Self { folder, events, end: Some(end), task, address }
    }

    fn client(&self) -> NodeClient {
        NodeClient::new(self.folder.clone())
    }

    async fn view(&self) -> FleetView {
        self.client().nodes().await.unwrap()
    }

    async fn invite(&self, operator: bool) -> String {
        let command = NodeCommand::Invite { uses: 1, seconds: 3600, operator };
        self.client().command(&command).await.unwrap()["token"].as_str().unwrap().to_owned()
    }

    fn said(&self, words: &str) -> bool {
        self.events.lock().iter().any(|event| event.to_string().contains(words))
    }

    async fn down(mut self) {
        drop(self.end.take());
        tokio::time::timeout(PATIENCE, &mut self.task).await.unwrap().unwrap().unwrap();
    }

    async fn links_up(&self) -> usize {
        self.view().await.nodes.iter().filter(|node| node.link.as_deref() == Some("up")).count()
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = tokio::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn joined(home: &TempDir, by: &Node, name: &str) -> FleetFolder {
    let folder = folder(home, name);
    node_agent::join(&folder, &by.invite(false).await, name, BTreeMap::new()).await.unwrap();
    folder
}

fn begin(home: &TempDir) -> FleetFolder {
    let folder = folder(home, "one");
    node_agent::init(&folder, "plant", "one", BTreeMap::new()).unwrap();
    folder
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_of_three_knows_itself_and_what_each_keeps_is_its_owners_alone() {
    let home = tempfile::tempdir().unwrap();
    let one = Node::up(&begin(&home)).await;
    let two = Node::up(&joined(&home, &one, "two").await).await;
    let three = Node::up(&joined(&home, &one, "three").await).await;
    for node in [&one, &two, &three] {
        until("all see all", async || node.links_up().await == 2).await;
        let names: Vec<_> = node.view().await.nodes.into_iter().map(|node| node.name).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(node.view().await.nodes[1..].iter().all(|node| node.rtt_us.is_some()));
        assert_eq!(mode(node.folder.path()), 0o700);
        assert_eq!(mode(&node.folder.socket()), 0o600);
        assert_eq!(mode(&node.folder.path().join("node.key")), 0o600);
    }
    assert!(!three.folder.path().join("ca.key").exists());
    // The key is not to be had from who invites: it never left.
    let again = node_agent::run(settings(&one.folder), Arc::new(|_| {}), |_| {}, std::future::pending()).await;
    assert!(matches!(again, Err(NodeError::Running)), "{again:?}");
    // One says goodbye, and comes back to those it remembers, under the same id.
    let (folder, id) = (two.folder.clone(), two.folder.record().unwrap().id);
    two.down().await;
    until("it is gone", async || one.view().await.nodes.iter().any(|node| node.name == "two" && node.state == "down"))
        .await;
    let two = Node::up(&folder).await;
    until("it is back", async || one.links_up().await == 2 && two.links_up().await == 2).await;
    assert_eq!(two.folder.record().unwrap().id, id);
    for node in [one, two, three] {
        node.down().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeds_that_are_wrong_or_gone_are_asked_again_and_said_once() {
    let home = tempfile::tempdir().unwrap();
    let one = Node::up(&begin(&home)).await;
    let folder = joined(&home, &one, "two").await;
    let address = one.address;
    one.down().await;
    let seeds = vec!["nobody.invalid:7940".to_owned(), "127.0.0.1:1".to_owned()];
    let two = Node::with(NodeSettings { seeds, ..settings(&folder) }).await;
    assert_eq!(two.view().await.nodes.len(), 1);
    // The remembered one is there again, at the address it had.
    let one = Node::with(NodeSettings { listen: address, ..settings(&self::folder(&home, "one")) }).await;
    until("they find each other", async || one.links_up().await == 1 && two.links_up().await == 1).await;
    for seed in ["nobody.invalid:7940", "127.0.0.1:1"] {
        assert!(two.said(&format!("{seed} is asked again every 5 s")), "{:?}", two.events.lock());
    }
    // A port that refuses does so in the same words each time.
    let told = two.events.lock().iter().filter(|event| event.to_string().contains("127.0.0.1:1 is asked")).count();
    assert_eq!(told, 1);
    one.down().await;
    two.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_again_finds_the_others_by_memory_when_its_seed_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let one = Node::up(&begin(&home)).await;
    let two = Node::up(&joined(&home, &one, "two").await).await;
    let three = Node::up(&joined(&home, &one, "three").await).await;
    until("all see all", async || two.links_up().await == 2 && three.links_up().await == 2).await;
    // Both came in by the first node, and it does not come back.
    one.down().await;
    let folder = three.folder.clone();
    three.down().await;
    let three = Node::up(&folder).await;
    until("they find each other", async || two.links_up().await == 1 && three.links_up().await == 1).await;
    two.down().await;
    three.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expelled_node_has_no_link_and_a_list_of_another_authority_is_no_list() {
    let home = tempfile::tempdir().unwrap();
    let one = Node::up(&begin(&home)).await;
    let two = Node::up(&joined(&home, &one, "two").await).await;
    let three = Node::up(&joined(&home, &one, "three").await).await;
    until("all see all", async || one.links_up().await == 2 && two.links_up().await == 2).await;
    let folder = folder(&home, "copy");
    std::fs::create_dir(folder.path()).unwrap();
    for name in ["ca.der", "crl.der", "fleet.json", "members.json", "node.der", "node.key"] {
        std::fs::copy(three.folder.path().join(name), folder.path().join(name)).unwrap();
    }
    let expelled = two.client().command(&NodeCommand::Expel { name: "three".to_owned() }).await;
    assert!(expelled.unwrap_err().to_string().contains("no key of the fleet"), "only the first node expels");
    one.client().command(&NodeCommand::Expel { name: "three".to_owned() }).await.unwrap();
    until("nobody has a link to it", async || one.links_up().await == 1 && two.links_up().await == 1).await;
    until("it is told", async || three.view().await.nodes[0].state == "expelled").await;
    until("it has no link", async || three.links_up().await == 0).await;
    three.down().await;
    // One that has not heard of it is told when it comes.
    let three = Node::up(&folder).await;
    until("it is refused", async || one.said("Revoked") || two.said("Revoked")).await;
    assert_eq!((one.links_up().await, two.links_up().await, three.links_up().await), (1, 1, 0));
    // After a restart they know it still, and it is refused still.
    let folder = two.folder.clone();
    two.down().await;
    let two = Node::up(&folder).await;
    until("the others are there", async || two.links_up().await == 1).await;
    for node in [one, two, three] {
        node.down().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_fleet_is_refused_at_both_ends() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = Node::up(&begin(&home)).await;
    let stranger = Node::with(NodeSettings { seeds: vec![one.address.to_string()], ..settings(&begin(&other)) }).await;
    until("it is said who and why", async || one.said("node.refused") && one.said("127.0.0.1")).await;
    assert_eq!((one.view().await.nodes.len(), stranger.view().await.nodes.len()), (1, 1));
    // An invitation of the one fleet, to the address of the other: nothing is said there.
    let mut token: nodes::InvitationToken = one.invite(false).await.parse().unwrap();
    token.address = stranger.address.to_string();
    let refused = node_agent::join(&folder(&home, "two"), &token.to_string(), "two", BTreeMap::new()).await;
    assert!(matches!(refused, Err(NodeError::Unreachable { .. })), "{refused:?}");
    assert!(folder(&home, "two").record().is_err());
    one.down().await;
    stranger.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_deploys_nothing_and_an_operator_shares_no_load() {
    let home = tempfile::tempdir().unwrap();
    let one = Node::up(&begin(&home)).await;
    let two = Node::up(&joined(&home, &one, "two").await).await;
    assert!(matches!(FleetOperator::open(two.folder.clone()), Err(NodeError::NoRole(_))));
    // A node that dresses up as an operator: its certificate says what it is.
    let thief = folder(&home, "thief");
    std::fs::create_dir(thief.path()).unwrap();
    for name in ["ca.der", "crl.der", "fleet.json"] {
        std::fs::copy(two.folder.path().join(name), thief.path().join(name)).unwrap();
    }
    std::fs::copy(two.folder.path().join("node.der"), thief.path().join("operator.der")).unwrap();
    std::fs::copy(two.folder.path().join("node.key"), thief.path().join("operator.key")).unwrap();
    let thief = FleetOperator::open(thief).unwrap();
    let members = FleetOperator::open(one.folder.clone()).unwrap().members().await.unwrap();
    let at = members.iter().find(|member| member.name == "one").unwrap();
    let refused = thief.push(at, &NodeBundle::new("app", 1), &BTreeMap::new()).await.unwrap_err();
    assert!(refused.to_string().contains("needs the certificate of an operator"), "{refused}");
    assert!(one.said("who deploys needs the certificate of an operator"));
    // An operator may, and is told what is wrong with the bundle.
    let laptop = folder(&home, "laptop");
    node_agent::join(&laptop, &one.invite(true).await, "laptop", BTreeMap::new()).await.unwrap();
    let refused = node_agent::run(settings(&laptop), Arc::new(|_| {}), |_| {}, std::future::pending()).await;
    assert!(matches!(refused, Err(NodeError::NoRole(_))), "{refused:?}");
    let operator = FleetOperator::open(laptop).unwrap();
    let refused = operator.push(at, &NodeBundle::new("app", 9), &BTreeMap::new()).await.unwrap_err();
    assert!(refused.to_string().contains("version 9 of the interface to hosts"), "{refused}");
    let refused = operator.push(at, &NodeBundle::new("app", 1), &BTreeMap::new()).await.unwrap_err();
    assert!(refused.to_string().contains("0 services"), "{refused}");
    one.down().await;
    two.down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_said_with_its_holder() {
    let home = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = held.local_addr().unwrap();
    let settings = NodeSettings { listen, ..settings(&begin(&home)) };
    let refused = node_agent::run(settings, Arc::new(|_| {}), |_| {}, std::future::pending()).await.unwrap_err();
    assert!(refused.to_string().contains(&listen.to_string()) && refused.hint().is_some(), "{refused}");
    assert!(refused.to_string().contains(" has it)"), "{refused}");
}
