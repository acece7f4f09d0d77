//! A service with an instance in each of two places: requests go to the place that holds their data, and follow it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use serde_json::Value;
use support::session::{Client, Dev};

use crate::server::{LOOK, PATIENCE};
use crate::{Server, dyn_command};

const APP: &str = r#"use dyninka::prelude::*;

static IMAGES: Bucket = Bucket::named("images");
static MODELS: Bucket = Bucket::named("models");

#[service]
fn wish() -> String { "cats/1".to_owned() }

/// The process that reads, and what it reads.
#[service(near = "images")]
async fn fetch(key: String) -> Result<(u32, String)> {
    let found = match IMAGES.get(&key).await {
        Err(error) if error.kind() == dyninka::BucketErrorKind::NotFound => MODELS.get(&key).await?,
        found => found?,
    };
    Ok((std::process::id(), String::from_utf8_lossy(&found.bytes).into_owned()))
}

#[service]
fn last(found: (u32, String)) -> (u32, String) { found }

#[dyninka::main]
fn main() { wish().fetch().last() }
"#;

const SETTINGS: &str =
    "[data]\nsettings = \"data.toml\"\nplace = \"cc1\"\n[services.fetch]\nplaces = [\"hpc\", \"cc1\"]\n";

fn settings(home: &Path, images: &str) -> String {
    let home = home.display();
    format!(
        "places = {{ hpc = {{ zones = [\"germany\"], labels = [\"gpu\", \"batch\"] }}, \
         cc1 = {{ zones = [\"us\"], labels = [\"batch\"] }}, cc2 = {{ zones = [\"us\"] }} }}\n\
         [stores]\ncc2 = {{ place = \"cc2\", folder = \"{home}/cc2\" }}\nhpc = {{ place = \"hpc\", folder = \"{home}/hpc\" }}\n\
         cc1 = {{ place = \"cc1\", folder = \"{home}/cc1\" }}\n[buckets]\nimages = {images}\n\
         models = {{ master = \"cc1\", audit = \"1s\" }}\n"
    )
}

/// A session beside its data server, in one home.
struct Places {
    server: Server,
    dev: Dev,
    client: Client,
    /// The processes of the instances, in hpc and in cc1.
    instances: [u64; 2],
}

impl Places {
    fn start() -> Self {
        Self::start_with(APP, SETTINGS)
    }

    fn start_with(app: &str, said: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        for store in ["hpc", "cc1", "cc2"] {
            fs::create_dir_all(home.path().join(store)).expect("a store");
        }
        let text = settings(home.path(), "{ master = \"hpc\", audit = \"1s\" }");
        let server = Server::start_with(home, &text);
        let home = server.home.path();
        fs::write(home.join("cat"), "meow").expect("written");
        server.says(&["put", "images/cats/1", "cat"]);
        fs::write(home.join("app.rs"), app).expect("written");
        fs::write(home.join("dyn.toml"), said).expect("written");
        // What all tests build is built once; the session looks for its data server in the same home.
        fs::create_dir_all(support::home().join("build")).expect("a folder");
        std::os::unix::fs::symlink(support::home().join("build"), home.join("build")).expect("a link");
        let arguments = ["--on", "process", "--port", "0", "--together", "none"];
        let mut dev = Dev::spawn(dyn_command(home), &home.join("app.rs"), &arguments);
        dev.ready = dev.wait_for("ready");
        let mut places = Self { server, dev, client: Client::default(), instances: [0; 2] };
        let status: Value = serde_json::from_str(&places.dyn_says(&["status", "app.rs", "--json"])).expect("JSON");
        let services = status["services"].as_array().expect("services");
        let fetch = services.iter().find(|service| service["name"] == "fetch").expect("fetch");
        places.instances = [0, 1].map(|at: usize| fetch["instances"][at]["pid"].as_u64().expect("a process"));
        places
    }

    fn dyn_says(&self, arguments: &[&str]) -> String {
        let output = dyn_command(self.server.home.path()).args(arguments).output().expect("dyn runs");
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the shell says of places.
    fn places(&self, data: &str) -> String {
        self.shell(&format!(":where {data}"))
    }

    /// What the shell prints for a line.
    fn shell(&self, line: &str) -> String {
        let mut shell = dyn_command(self.server.home.path());
        let shell = shell.args(["shell", "app.rs"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = shell.spawn().expect("dyn runs");
        writeln!(running.stdin.take().expect("its input"), "{line}").expect("a line");
        let output = running.wait_with_output().expect("an end");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the session says this of places.
    fn wait_for(&self, data: &str, words: &str) {
        let begun = Instant::now();
        loop {
            let said = self.places(data);
            if said.contains(words) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{said}");
            std::thread::sleep(LOOK);
        }
    }

    /// The instance that answers: 0 in hpc, 1 in cc1.
    fn asked(&self, headers: &[(&str, &str)]) -> usize {
        asked(&self.client, &self.dev.url(), headers, self.instances).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Waits until a request goes to an instance.
    fn wait_for_instance(&self, headers: &[(&str, &str)], instance: usize) {
        let begun = Instant::now();
        while self.asked(headers) != instance {
            assert!(begun.elapsed() < PATIENCE, "{}", self.places(""));
            std::thread::sleep(LOOK);
        }
    }

    fn apply(&self, images: &str) {
        let home = self.server.home.path();
        fs::write(home.join("next.toml"), settings(home, images)).expect("written");
        self.server.says(&["apply", "next.toml", "--yes"]);
    }
}

fn asked(client: &Client, url: &str, headers: &[(&str, &str)], instances: [u64; 2]) -> Result<usize, String> {
    let answer = client.ask_with(url, headers)?;
    if answer.status != 200 {
        return Err(format!("{}: {}", answer.status, answer.body));
    }
    let (pid, text): (u64, String) = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    if text != "meow" {
        return Err(format!("it read {text}"));
    }
    instances.iter().position(|known| *known == pid).ok_or_else(|| format!("{pid} is no instance"))
}

/// Callers of an object, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(places: &Places, headers: &'static [(&str, &str)]) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let call = |_| {
            let (stop, answered) = (stop.clone(), answered.clone());
            let (url, instances) = (places.dev.url(), places.instances);
            std::thread::spawn(move || {
                let (client, mut failures) = (Client::default(), Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    failures.extend(asked(&client, &url, headers, instances).err());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                failures
            })
        };
        Self { callers: (0..4).map(call).collect(), stop, answered }
    }

    /// What failed, and how many requests there were.
    fn end(self) -> (Vec<String>, u64) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.callers.into_iter().flat_map(|caller| caller.join().expect("a caller")).collect();
        (failures, self.answered.load(Ordering::Relaxed))
    }
}

#[test]
fn requests_go_to_the_place_of_their_data_and_follow_it_under_load() {
    const IMAGES: [(&str, &str); 1] = [("dyninka-data", "images/cats/1")];
    let places = Places::start();
    places.wait_for("images", "by the data server at ");
    let said = places.places("images/cats/1");
    assert!(said.contains("images: hpc (master, through "), "{said}");
    assert!(said.contains("fetch near images: fetch in hpc; not fetch.2: cc1 has no copy of images"), "{said}");
    // The last service is in cc1, and the data is not.
    for _ in 0..5 {
        assert_eq!((places.asked(&IMAGES), places.asked(&[])), (0, 0), "the object is in hpc");
        assert_eq!(places.asked(&[("dyninka-data", "models")]), 1, "the other bucket is in cc1");
    }
    let wrong = places.client.ask_with(&places.dev.url(), &[("dyninka-data", "image/1")]).expect("an answer");
    assert!(wrong.status == 404 && wrong.body.contains("there is no bucket image"), "{}", wrong.body);

    // The object gets a copy in the callers' place, and its master moves there and back: requests follow, and none fails.
    const MASTER: [(&str, &str); 2] = [("dyninka-data", "images/cats/1"), ("dyninka-data-version", "images=*")];
    let loads = [Load::start(&places, &IMAGES), Load::start(&places, &MASTER)];
    places.apply("{ master = \"hpc\", at = [\"cc1\"], audit = \"1s\" }");
    places.server.says(&["wait", "images"]);
    places.wait_for_instance(&IMAGES, 1);
    assert_eq!(places.asked(&MASTER), 0);
    for _ in 0..2 {
        for (instance, master, copy) in [(1, "cc1", "hpc"), (0, "hpc", "cc1")] {
            places.apply(&format!("{{ master = \"{master}\", at = [\"{copy}\"], audit = \"1s\" }}"));
            places.wait_for_instance(&MASTER, instance);
        }
    }
    // It moves as a whole: the copy that it leaves is deleted.
    places.apply("{ master = \"cc1\", audit = \"1s\" }");
    places.wait_for("images", "fetch near images: fetch.2 in cc1; not fetch: hpc has no copy");
    let left = places.server.home.path().join("hpc/images");
    let begun = Instant::now();
    while left.exists() {
        assert!(begun.elapsed() < PATIENCE, "the copy stays");
        std::thread::sleep(LOOK);
    }
    assert_eq!((places.asked(&IMAGES), places.asked(&MASTER)), (1, 1));
    for load in loads {
        let (failures, answered) = load.end();
        assert_eq!(failures, Vec::<String>::new());
        assert!(answered > 100, "{answered}");
    }
    let (ended, stderr) = places.dev.stop();
    assert!(ended.success(), "{stderr}");
}

#[test]
fn requests_with_a_version_go_where_it_is_and_read_it() {
    let places = Places::start();
    places.apply("{ master = \"hpc\", at = [\"cc1\"], audit = \"1h\" }");
    places.server.says(&["wait", "images"]);
    let data = ("dyninka-data", "images/cats/1");
    places.wait_for_instance(&[data, ("dyninka-data-version", "images=1")], 1);
    assert_eq!(places.asked(&[data, ("dyninka-data-version", "images=*")]), 0, "the master");
    let begun = Instant::now();
    while !places.shell(":data images").contains("cc1  cc1  whole") {
        assert!(begun.elapsed() < PATIENCE, "{}", places.shell(":data"));
        std::thread::sleep(LOOK);
    }
    // Nothing is copied any more: the copy in the callers' place stays behind.
    places.server.says(&["pause", "images"]);
    let home = places.server.home.path();
    fs::write(home.join("dog"), "wuff").expect("written");
    let said = places.server.says(&["put", "images/dogs/1", "dog"]);
    let digits = said.split("version ").nth(1).expect("a version").chars().take_while(char::is_ascii_digit);
    let version = format!("images={}", digits.collect::<String>());
    for _ in 0..20 {
        assert_eq!(places.asked(&[data, ("dyninka-data-version", version.as_str())]), 0);
    }
    places.server.says(&["resume", "images"]);
    places.server.says(&["wait", "images"]);
    places.wait_for_instance(&[data, ("dyninka-data-version", version.as_str())], 1);
    let (ended, stderr) = places.dev.stop();
    assert!(ended.success(), "{stderr}");
}

#[test]
fn function_reads_what_an_earlier_one_wrote_for_the_same_request() {
    let mut places = Places::start();
    places.apply("{ master = \"hpc\", at = [\"cc1\"], audit = \"1h\" }");
    places.server.says(&["wait", "images"]);
    places.wait_for_instance(&[], 1);
    places.server.says(&["pause", "images"]);
    let writes =
        "async fn wish() -> Result<String> { IMAGES.put(\"cats/1\", \"purr\").await?; Ok(\"cats/1\".to_owned()) }";
    let app = APP.replace("fn wish() -> String { \"cats/1\".to_owned() }", writes);
    fs::write(places.server.home.path().join("app.rs"), app).expect("a save");
    places.dev.wait_for("live");
    for _ in 0..10 {
        let answer = places.client.get(&places.dev.url());
        let found: (u64, String) = serde_json::from_str(&answer.body).expect("an answer");
        assert_eq!(found, (places.instances[1], "purr".to_owned()), "in cc1, whose copy is older");
        assert_eq!(answer.header("dyninka-data-version"), "images=*");
    }
    let copy = places.server.home.path().join("cc1/images/cats/1");
    assert_eq!(fs::read_to_string(copy).expect("the copy"), "meow");
    let (ended, stderr) = places.dev.stop();
    assert!(ended.success(), "{stderr}");
}

#[test]
fn requests_run_within_their_bounds_and_by_rules_and_their_answers_say_where() {
    let app = APP.replace("near = \"images\"", "near = \"images\", on = \"batch\"");
    let places = Places::start_with(&app, "[data]\nsettings = \"data.toml\"\nplace = \"hpc\"\n");
    let status: Value = serde_json::from_str(&places.dyn_says(&["status", "app.rs", "--json"])).expect("JSON");
    let services = status["services"].as_array().expect("services");
    let fetch = services.iter().find(|service| service["name"] == "fetch").expect("fetch");
    let at: Vec<&Value> = fetch["instances"].as_array().expect("instances").iter().map(|one| &one["at"]).collect();
    assert_eq!(at, ["cc1", "hpc"], "one in each place with the label");
    // The instances are those of cc1 and of hpc here.
    let (cc1, hpc) = (0, 1);
    places.wait_for("images", "by the data server at ");
    let ran = |headers: &[(&str, &str)]| {
        let answer = places.client.ask_with(&places.dev.url(), headers).expect("an answer");
        (answer.status, answer.header("dyninka-place").to_owned(), answer.body)
    };
    assert_eq!(places.asked(&[]), hpc);
    assert_eq!(ran(&[]).1, "wish@hpc, bucket:images@hpc, fetch@hpc, last@hpc");
    for (header, value, instance) in [
        ("dyninka-needs", "gpu", hpc),
        ("dyninka-needs", "batch, !gpu", cc1),
        ("dyninka-needs", "zone=us", cc1),
        ("dyninka-zone", "germany", hpc),
    ] {
        assert_eq!(places.asked(&[(header, value)]), instance, "{header}: {value}");
    }
    let away = ran(&[("dyninka-needs", "!gpu")]).1;
    assert_eq!(away, "wish@hpc, bucket:images@hpc, fetch@cc1, last@hpc", "it reads the master from there");
    let (status, _, body) = ran(&[("dyninka-zone", "us")]);
    assert!(status == 503 && body.contains("last is in hpc, which is not in us"), "{status} {body}");
    let (status, _, body) = ran(&[("dyninka-needs", "tpu")]);
    assert!(status == 503 && body.contains("cc1 does not have tpu; hpc does not have tpu"), "{status} {body}");
    for wrong in ["gpu,", "g pu", "!gpu, gpu", "a=b=c"] {
        let (status, _, body) = ran(&[("dyninka-needs", wrong)]);
        assert!(
            status == 400 && body.contains("Dyninka-Needs does not read at character "),
            "{wrong}: {status} {body}"
        );
    }
    // A rule counts once it was applied, for the requests that match all of it.
    let home = places.server.home.path();
    let rule =
        "[[routes]]\nmatch = { service = \"fetch\", bucket = \"images\", prefix = \"cats/\" }\nplaces = [\"cc1\"]\n";
    let text = settings(home, "{ master = \"hpc\", audit = \"1s\" }");
    fs::write(home.join("next.toml"), format!("{text}{rule}")).expect("written");
    assert!(places.server.says(&["plan", "next.toml"]).contains("change rules for requests"));
    places.server.says(&["apply", "next.toml", "--yes"]);
    places.wait_for_instance(&[("dyninka-data", "images/cats/1")], cc1);
    assert_eq!(places.asked(&[("dyninka-data", "images/dogs/1")]), hpc, "the rule is of other keys");
    let (ended, stderr) = places.dev.stop();
    assert!(ended.success(), "{stderr}");
}

/// F22: of 1,000 requests with the version of the last write, over three places whose copies are late, none reads an older one.
#[test]
fn thousand_requests_with_a_version_over_three_places_read_no_older_one() {
    let said = "[data]\nsettings = \"data.toml\"\nplace = \"cc1\"\npolicy = \"round_robin\"\n\
                [services.fetch]\nplaces = [\"hpc\", \"cc1\", \"cc2\"]\n";
    let places = Places::start_with(APP, said);
    places.apply("{ master = \"hpc\", at = [\"cc1\", \"cc2\"], audit = \"1h\" }");
    places.server.says(&["wait", "images"]);
    places.wait_for("images", "fetch near images: fetch in hpc or fetch.2 in cc1 or fetch.3 in cc2");
    let home = places.server.home.path();
    let read = |headers: &[(&str, &str)]| {
        let answer = places.client.ask_with(&places.dev.url(), headers).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (_, text): (u64, String) = serde_json::from_str(&answer.body).expect("an answer");
        (text, answer.header("dyninka-place").to_owned())
    };
    let (mut with_version, mut old, mut seen) = (0, 0, std::collections::BTreeSet::new());
    for round in 0..10 {
        places.server.says(&["pause", "images"]);
        let text = format!("round {round}");
        fs::write(home.join("cat"), &text).expect("written");
        let said = places.server.says(&["put", "images/cats/1", "cat"]);
        let digits = said.split("version ").nth(1).expect("a version").chars().take_while(char::is_ascii_digit);
        let version = format!("images={}", digits.collect::<String>());
        let versions = [("dyninka-data-version", version.as_str())];
        let mut is_new = |count: usize| {
            for _ in 0..count {
                let (found, at) = read(&versions);
                assert_eq!(found, text, "{version} read {at}");
                with_version += 1;
                seen.insert(at);
            }
        };
        is_new(50);
        // Those that ask for none read what is near, which may be older.
        old += (0..30).filter(|_| read(&[]).0 != text).count();
        places.server.says(&["resume", "images"]);
        is_new(25);
        places.server.says(&["wait", "images"]);
        is_new(25);
    }
    assert_eq!((with_version, old > 0), (1_000, true), "{old} without a version were older");
    println!("{old} of 300 requests without a version read an older one; with one, {seen:?}");
    let (ended, stderr) = places.dev.stop();
    assert!(ended.success(), "{stderr}");
}
