//! A service with pods in two places: requests go to the node whose place holds their data, and follow it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::app::App;
use crate::cluster::{Namespace, Ran, kubeconfig, kubectl};
use crate::load::Load;
use crate::store::{KEY, PodStore};
use support::dyn_command;

const APP: &str = r#"use dyninka::prelude::*;

static IMAGES: Bucket = Bucket::named("images");

/// The pod that reads, and what it reads.
#[service(near = "images")]
async fn fetch() -> Result<(String, String)> {
    let found = IMAGES.get("cats/1").await?;
    let pod = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok((pod.trim().to_owned(), String::from_utf8_lossy(&found.bytes).into_owned()))
}

#[service]
fn last(found: (String, String)) -> (String, String) { found }

#[dyninka::main]
fn main() { fetch().last() }
"#;

/// Nodes of the testbed with a label of this test alone, gone with it.
struct Labels {
    key: String,
}

impl Labels {
    fn set(&self, node: &str, place: &str) {
        kubectl(&["label", "node", node, &format!("{}={place}", self.key)]);
    }
}

impl Drop for Labels {
    fn drop(&mut self) {
        for node in ["node1", "node2"] {
            let removed = format!("{}-", self.key);
            let kubeconfig = crate::cluster::kubeconfig();
            // A label that was never set is none either.
            drop(
                Command::new("kubectl")
                    .arg("--kubeconfig")
                    .arg(kubeconfig)
                    .args(["label", "node", node, &removed])
                    .output(),
            );
        }
    }
}

/// A volume for the data server's claim, which a cluster with a provisioner makes by itself.
struct Volume {
    name: String,
    _folder: tempfile::TempDir,
}

impl Volume {
    fn new(namespace: &Namespace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let claim = json!({ "namespace": namespace.name, "name": "dyninka-app-data" });
        namespace.have(&json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": namespace.name },
            "spec": {
                "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "claimRef": claim,
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": folder.path() },
            },
        }));
        Self { name: namespace.name.clone(), _folder: folder }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        kubectl(&["delete", "persistentvolume", &self.name, "--wait=false"]);
    }
}

/// The data server in the cluster, reached from here.
struct Server {
    folder: tempfile::TempDir,
    forward: Child,
    /// Open: it says a line for each connection.
    _lines: BufReader<ChildStdout>,
    url: String,
}

impl Server {
    fn reach(namespace: &Namespace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = &namespace.objects("secrets")["dyninka-app-key"]["data"]["token"];
        let key = STANDARD.decode(secret.as_str().unwrap()).unwrap();
        fs::write(folder.path().join("token"), [b"dynd_", key.as_slice()].concat()).unwrap();
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(kubeconfig()).args(["--namespace", &namespace.name, "port-forward"]);
        let mut forward = command.args(["service/dyninka-app-data", ":7070"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(forward.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let at = line.strip_prefix("Forwarding from ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        assert!(at.starts_with("127.0.0.1:"), "{line}");
        Self { url: format!("http://{at}"), folder, forward, _lines: lines }
    }

    fn says(&self, arguments: &[&str]) -> String {
        let mut command = dyn_command();
        command.current_dir(self.folder.path()).args(["data", "--server", &self.url, "--token-file", "token"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone in either case.
        drop(self.forward.kill());
        drop(self.forward.wait());
    }
}

fn stores(stores: &BTreeMap<&str, PodStore>, images: &str) -> String {
    let keys = "credentials = { key = { env = \"KEY\" }, secret = { env = \"SECRET\" } }";
    let store = |(name, store): (&&str, &PodStore)| {
        format!("[stores.{name}]\nplace = \"{name}\"\nendpoint = \"{}\"\n{keys}\n", store.endpoint())
    };
    let stores: String = stores.iter().map(store).collect();
    format!("places = {{ hpc = {{}}, cc1 = {{}} }}\n{stores}[buckets]\nimages = {images}\n")
}

/// The node that answers, and what it read.
fn asked(namespace: &Namespace, headers: &[(&str, &str)]) -> (String, String) {
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let request =
        headers.iter().fold(client.get(namespace.url("last")), |request, (name, value)| request.header(*name, *value));
    let answer = request.send().unwrap();
    let (status, body) = (answer.status(), answer.text().unwrap());
    assert!(status.is_success(), "{status}: {body}");
    let (pod, text): (String, String) = serde_json::from_str(&body).unwrap();
    let node = namespace.objects("pods")[&pod]["spec"]["nodeName"].as_str().unwrap().to_owned();
    (node, text)
}

/// A push while requests come, of which none fails.
fn under_load(namespace: &Namespace, app: &App) -> Ran {
    let load = Load::start(&namespace.url("last"));
    load.wait(10);
    let ran = namespace.push(&app.file, &[]).done();
    load.wait(10);
    let answers = load.end();
    assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    assert!(answers.bodies.iter().all(|body| body.contains("meow")), "{:?}", answers.bodies);
    ran
}

/// Waits until a request is answered by a node.
fn comes_to(namespace: &Namespace, headers: &[(&str, &str)], node: &str) {
    let begun = Instant::now();
    loop {
        let (answered, text) = asked(namespace, headers);
        assert!(text.starts_with("meow"), "{text}");
        if answered == node {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{headers:?} goes to {answered}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn requests_go_to_the_node_whose_place_holds_their_data_and_a_push_loses_none() {
    const IMAGES: [(&str, &str); 1] = [("dyninka-data", "images/cats/1")];
    const MASTER: [(&str, &str); 2] = [IMAGES[0], ("dyninka-data-version", "images=*")];
    let (namespace, app) = (Namespace::new("places"), App::of(APP));
    let labels = Labels { key: format!("{}/place", namespace.name) };
    let at = BTreeMap::from(["hpc", "cc1"].map(|place| (place, PodStore::start())));
    let file = |images: &str| fs::write(app.file.with_file_name("stores.toml"), stores(&at, images)).unwrap();
    file("{ master = \"hpc\", audit = \"1s\" }");
    let places =
        ["hpc", "cc1"].map(|place| format!("[places.{place}]\nnodes = {{ \"{}\" = \"{place}\" }}\n", labels.key));
    app.settings(&format!(
        "[entry]\nnode_port = 0\n[data]\ncluster = \"stores.toml\"\nplace = \"cc1\"\nserver = true\n\
         [services.fetch]\nplaces = [\"hpc\", \"cc1\"]\n{}",
        places.concat()
    ));

    // Nothing is built or written where pods would wait for keys, or for a node.
    let refused = |words: &[&str]| {
        let ran = namespace.push(&app.file, &[]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        for words in words {
            assert!(ran.stderr.contains(words), "no {words} in {}", ran.stderr);
        }
        assert_eq!(namespace.made(), [""; 0]);
    };
    refused(&["there is no Secret store-hpc in the namespace", "for the store hpc", "kubectl create secret generic"]);
    for store in ["store-hpc", "store-cc1"] {
        let keys = [("key", KEY.0), ("secret", KEY.1)].map(|(name, value)| format!("--from-literal={name}={value}"));
        namespace.kubectl(&["create", "secret", "generic", store, &keys[0], &keys[1]]);
    }
    labels.set("node1", "hpc");
    refused(&["no node is in cc1", &format!("nodes have {}=hpc", labels.key), "[places.cc1]"]);
    labels.set("node2", "cc1");

    let _volume = Volume::new(&namespace);
    let first = namespace.push(&app.file, &[]).done();
    let planned = &first.all("plan")[0]["plan"]["places"];
    let why = |at: usize| (planned[at]["place"].as_str().unwrap(), planned[at]["why"].as_str().unwrap());
    assert_eq!(why(0), ("hpc", "the master of images is there"));
    assert_eq!(why(1), ("cc1", "settings name no copy of images there"));
    let server = Server::reach(&namespace);
    fs::write(server.folder.path().join("cat"), "meow").unwrap();
    server.says(&["put", "images/cats/1", "cat"]);
    for _ in 0..5 {
        assert_eq!(asked(&namespace, &IMAGES), ("node1".to_owned(), "meow".to_owned()));
        assert_eq!(asked(&namespace, &[]).0, "node1", "the service names the bucket");
    }
    let unknown = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let unknown = unknown.get(namespace.url("last")).header("dyninka-data", "image/1").send().unwrap();
    assert_eq!(unknown.status(), 404);
    drop(server);

    // The next push says that a copy is to be in the callers' place, which the server makes, and has an edit, which rolls the pods of
    // both places. No request fails, and requests follow the copy.
    assert_eq!(at["cc1"].object("images/cats/1"), None);
    file("{ master = \"hpc\", at = [\"cc1\"], audit = \"1s\" }");
    let text = fs::read_to_string(&app.file).unwrap();
    let (from, to) = ("(&found.bytes).into_owned()", "(&found.bytes).into_owned() + \"!\"");
    fs::write(&app.file, text.replace(from, to)).unwrap();
    assert_eq!(under_load(&namespace, &app).planned()["fetch"], "changed");
    let server = Server::reach(&namespace);
    server.says(&["wait", "images"]);
    assert_eq!(at["cc1"].object("images/cats/1").as_deref(), Some("meow"));
    comes_to(&namespace, &IMAGES, "node2");
    assert_eq!(asked(&namespace, &MASTER), ("node1".to_owned(), "meow!".to_owned()));

    // The master moves without a push.
    let text = server.says(&["export"]);
    let text = text.replace("master = \"hpc\"", "master = \"cc1\"").replace("at = [\"cc1\"]", "at = [\"hpc\"]");
    fs::write(server.folder.path().join("next.toml"), text).unwrap();
    server.says(&["apply", "next.toml", "--yes"]);
    comes_to(&namespace, &MASTER, "node2");

    // The app goes. Its data stays, and so does the catalog.
    let down = namespace.command("cluster down", &app.file).arg("--yes").output().unwrap();
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert_eq!(namespace.made(), [""; 0]);
    assert!(at.values().all(|store| store.object("images/cats/1").as_deref() == Some("meow")));
    assert!(namespace.objects("persistentvolumeclaims").contains_key("dyninka-app-data"));
}
