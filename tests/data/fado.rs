//! FaDO's own scenarios: its compose set-up with its configuration file, the five steps of its policies, and its replication
//! series; over three real S3 stores and three servers of functions.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde_json::{Value, json};
use support::session::Client;

use crate::functions::Functions;
use crate::juice::Juice;
use crate::link::Link;
use crate::server::{Hashes, LOOK, PATIENCE};
use crate::weed::{KEY, Weed};
use crate::{Server, noise};

const NAMES: [&str; 3] = ["hpc", "cloud1", "cloud2"];

/// A store of either kind.
enum Store {
    Weed(Weed),
    Juice(Juice),
}

impl Store {
    fn port(&self) -> u16 {
        match self {
            Self::Weed(weed) => weed.port(),
            Self::Juice(juice) => juice.port(),
        }
    }

    /// Every object of the bucket, read behind its S3; of JuiceFS those that these tests write.
    fn hashes(&self, bucket: &str) -> Hashes {
        match self {
            Self::Weed(weed) => weed.hashes(bucket),
            Self::Juice(juice) => juice.hashes(bucket, &["first", "second"]),
        }
    }
}

/// Three clusters with a store and functions each, and the server that FaDO's file was imported for.
struct Fado {
    stores: [Store; 3],
    links: [Link; 3],
    _functions: [Functions; 3],
    server: Server,
    door: String,
    client: Client,
}

impl Fado {
    fn start() -> Self {
        Self::over(NAMES.map(|_| Store::Weed(Weed::start())))
    }

    fn over(stores: [Store; 3]) -> Self {
        let links = [0, 1, 2].map(|at: usize| Link::to(stores[at].port()));
        let functions = NAMES.map(Functions::start);
        let zones =
            [json!(["germany", "high-performance"]), json!(["germany", "high-performance"]), json!(["germany"])];
        let all = || NAMES.iter().enumerate();
        let deployments = all().map(|(at, name)| {
            json!({
                "cluster_name": name, "alias": format!("minio{at}"), "endpoint": format!("127.0.0.1:{}", links[at].port),
                "access_key": KEY.0, "secret_key": KEY.1, "use_ssl": false, "management_url": "http://127.0.0.1:1",
            })
        });
        let config = json!({
            "clusters": all().map(|(at, name)| json!({ "name": name, "zones": zones[at] })).collect::<Vec<_>>(),
            "faas_deployments": all().map(|(at, name)| json!({ "cluster_name": name, "url": functions[at].url() })).collect::<Vec<_>>(),
            "storage_deployments": deployments.collect::<Vec<_>>(),
            "buckets": [],
        });
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("config.json"), config.to_string()).expect("written");
        let mut import = crate::dyn_command(home.path());
        let imported = import.args(["data", "import", "config.json"]).output().expect("dyn runs");
        let notes = String::from_utf8_lossy(&imported.stderr).into_owned();
        assert!(imported.status.success() && notes.contains("MINIO0_SECRET") && notes.contains("--door"), "{notes}");
        let text = String::from_utf8(imported.stdout).expect("settings");
        assert!(!text.contains(KEY.0) && !text.contains(KEY.1), "{text}");
        let text = text.replace("[server]\n", "[server]\nplace = \"hpc\"\n");
        let names: Vec<String> =
            (0..3).flat_map(|at| ["KEY", "SECRET"].map(|half| format!("MINIO{at}_{half}"))).collect();
        let variables: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), if name.ends_with("_KEY") { KEY.0 } else { KEY.1 })).collect();
        let (server, mut lines) = Server::start_as(home, &text, &["--door", "127.0.0.1:0"], &variables);
        let line = lines.next().expect("a line").expect("text");
        let door = line.strip_prefix("the door is at ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { stores, links, _functions: functions, server, door, client: Client::default() }
    }

    /// Changes a bucket by a file, as FaDO's page does by its API: what the plan says.
    fn apply(&self, bucket: Option<&str>) -> String {
        let settings = self.server.says(&["export"]);
        let (before, _) = settings.split_once("\n[buckets.images]").unwrap_or((&settings, ""));
        let rest = settings.split_once("\n[endpoints.").map(|(_, rest)| format!("\n[endpoints.{rest}"));
        let before = before.split_once("\n[endpoints.").map_or(before, |(before, _)| before);
        let bucket = bucket.map(|bucket| format!("\n[buckets.images]\n{bucket}\n")).unwrap_or_default();
        let text = format!("{before}\n{bucket}{}", rest.expect("endpoints"));
        fs::write(self.server.home.path().join("next.toml"), text).expect("written");
        self.server.says(&["apply", "next.toml", "--yes"])
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        fs::write(self.server.home.path().join("file"), bytes).expect("written");
        self.server.says(&["put", &format!("images/{key}"), "file"]);
    }

    /// How often each function answers so many requests for the bucket.
    fn shares(&self, requests: usize) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for number in 0..requests {
            let url = format!("{}/function/{}", self.door, number % 7);
            let answer = self.client.ask_with(&url, &[("X-FaDO-Bucket", "images")]).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.body);
            let said: Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!((said["method"].as_str(), said["path"].as_str()), (Some("GET"), url.strip_prefix(&self.door)));
            let name = said["SERVER_NAME"].as_str().expect("a name").to_owned();
            *shares.entry(name).or_default() += 1;
        }
        shares
    }

    fn asked(&self) -> Vec<String> {
        self.shares(9).into_keys().collect()
    }

    fn until_asked(&self, wanted: &[&str]) {
        let begun = Instant::now();
        while self.asked() != wanted {
            assert!(begun.elapsed() < PATIENCE, "never {wanted:?}: {}", self.server.says(&["status"]));
            std::thread::sleep(LOOK);
        }
    }

    fn listings(&self) -> [Hashes; 3] {
        [0, 1, 2].map(|at: usize| self.stores[at].hashes("images"))
    }
}

#[test]
fn replicas_and_routes_follow_the_five_steps_of_fado() {
    five_steps(&Fado::start());
}

/// The copies of FaDO's second and third cluster are at another product than its master.
#[test]
fn replicas_and_routes_follow_the_five_steps_over_two_kinds_of_stores() {
    let juice = || Store::Juice(Juice::start());
    five_steps(&Fado::over([Store::Weed(Weed::start()), juice(), juice()]));
}

fn five_steps(fado: &Fado) {
    // 1. No bucket: nothing is stored, and nothing routed.
    let none = fado.client.ask_with(&fado.door, &[("X-FaDO-Bucket", "images")]).expect("an answer");
    assert!(none.status == 404 && none.body.contains("no-such-bucket"), "{} {}", none.status, none.body);
    assert_eq!(fado.client.get(&fado.door).status, 404);
    // 2. The bucket, in Germany and without a copy.
    let plan = fado.apply(Some("master = \"minio0\"\nzones = [\"germany\"]"));
    assert!(plan.contains("add bucket images with its master at minio0"), "{plan}");
    assert_eq!(fado.asked(), ["hpc"], "as soon as the change is told");
    fado.put("first", &noise(1, 200_000));
    let mut wanted = Hashes::from([("first".to_owned(), blake3::hash(&noise(1, 200_000)).to_string())]);
    assert_eq!(fado.listings(), [wanted.clone(), Hashes::new(), Hashes::new()]);
    // 3. Two copies: in the two other clusters, with what there is.
    fado.apply(Some("master = \"minio0\"\nzones = [\"germany\"]\nreplicas = 2"));
    fado.server.says(&["wait", "images"]);
    fado.until_asked(&["cloud1", "cloud2", "hpc"]);
    assert_eq!(fado.listings(), [wanted.clone(), wanted.clone(), wanted.clone()]);
    assert_eq!(fado.shares(30).into_values().collect::<Vec<_>>(), [10, 10, 10], "round_robin");
    // 4. A second object: at all three.
    fado.put("second", &noise(2, 300_000));
    fado.server.says(&["wait", "images"]);
    wanted.insert("second".to_owned(), blake3::hash(&noise(2, 300_000)).to_string());
    assert_eq!(fado.listings(), [wanted.clone(), wanted.clone(), wanted.clone()]);
    // 5. High performance alone: one cluster leaves, and no request goes there once that is told. Two copies are too many now.
    let home = fado.server.home.path();
    let text = fado.server.says(&["export"]).replace("\"germany\"]\nreplicas", "\"high-performance\"]\nreplicas");
    fs::write(home.join("too-many.toml"), text).expect("written");
    let refused = fado.server.run(&["plan", "too-many.toml"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("minio2: not in high-performance"), "{words}");
    let plan = fado.apply(Some("master = \"minio0\"\nzones = [\"high-performance\"]\nreplicas = 1"));
    assert!(plan.contains("remove images from minio2") && !plan.contains("copy"), "{plan}");
    assert_eq!(fado.asked(), ["cloud1", "hpc"]);
    let begun = Instant::now();
    while fado.stores[2].hashes("images") != Hashes::new() {
        assert!(begun.elapsed() < PATIENCE, "the copy stays");
        std::thread::sleep(LOOK);
    }
    let listings = fado.listings();
    assert_eq!(listings[..2], [wanted.clone(), wanted]);
    assert_eq!(fado.asked(), ["cloud1", "hpc"]);
    // An override of its route, which goes with its bucket.
    fado.server.says(&["route", "set", "images", "--policy", "first", "--endpoint", "cloud2", "--endpoint", "hpc"]);
    assert_eq!(fado.asked(), ["cloud2"]);
    assert!(fado.server.says(&["status"]).contains("route  first  cloud2, hpc"));
    let wrong = fado.server.run(&["route", "set", "images", "--policy", "least_con"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean least_conn?"));
    let busy = fado.server.run(&["endpoint", "remove", "cloud2"]);
    let words = String::from_utf8_lossy(&busy.stderr).into_owned();
    assert!(!busy.status.success() && words.contains("buckets.images.route.endpoints"), "{words}");
    for (policy, asked) in [("ip_hash", 1), ("uri_hash", 2), ("random", 2), ("least_conn", 2)] {
        fado.server.says(&["route", "set", "images", "--policy", policy]);
        // Of two functions, over seven paths and from one address.
        assert_eq!(fado.shares(60).len(), asked, "{policy}");
    }
    fado.server.says(&["route", "clear", "images"]);
    fado.apply(None);
    assert_eq!(fado.client.ask_with(&fado.door, &[("X-FaDO-Bucket", "images")]).expect("an answer").status, 404);
    // Functions elsewhere, with a path of their own.
    let (_, port) = fado.door.rsplit_once(':').expect("a port");
    let said = fado.server.says(&[
        "endpoint",
        "add",
        "aws",
        "https://aws.example.org",
        "--place",
        "cloud2",
        "--path",
        "/prod",
    ]);
    assert!(said.contains("add endpoint aws in cloud2"), "{said}");
    assert!(fado.server.says(&["status"]).contains("endpoint aws  cloud2  https://aws.example.org/prod"));
    assert!(fado.server.says(&["endpoint", "remove", "aws"]).contains("remove endpoint aws"));
    let wrong = fado.server.run(&["endpoint", "add", "x", &format!("127.0.0.1:{port}"), "--place", "cloud2"]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("is no origin of HTTP"));
}

#[test]
fn series_of_fado_from_10_to_150_mb_copies_each_object_once() {
    const SIZE: u32 = 10_000_000;
    let fado = Fado::start();
    fado.apply(Some("master = \"minio0\"\nreplicas = 2"));
    fado.server.says(&["wait", "images"]);
    let mut wanted = Hashes::new();
    let sent = |at: usize| fado.links[at].bytes().0;
    for number in 1..=15_u32 {
        let bytes = noise(number, SIZE);
        wanted.insert(format!("{number:02}"), blake3::hash(&bytes).to_string());
        let before = [sent(1), sent(2)];
        fado.put(&format!("{number:02}"), &bytes);
        let begun = Instant::now();
        fado.server.says(&["wait", "images"]);
        println!("{} MB: whole {:.2} s after the last 10 MB", number * 10, begun.elapsed().as_secs_f64());
        for (at, before) in [1, 2].into_iter().zip(before) {
            let copied = sent(at) - before;
            let most = u64::from(SIZE) * 11 / 10;
            assert!((u64::from(SIZE)..most).contains(&copied), "{} got {copied} bytes of {number} objects", NAMES[at]);
        }
    }
    assert_eq!(fado.listings(), [wanted.clone(), wanted.clone(), wanted]);
}
