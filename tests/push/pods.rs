//! Pods that do not get there: what ran before is put back by itself, and serves all the while.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::app::App;
use crate::cluster::{Namespace, Ran};
use crate::load::Load;
use crate::rolls::{body, comes_to};

/// A push of `plus` that fails while what was there serves on, and the push after it is mended.
fn is_put_back(namespace: &Namespace, app: &App, push: impl FnOnce() -> Ran) -> Ran {
    let url = namespace.url("twice");
    let (before, load) = (namespace.deployment("plus"), Load::start(&url));
    let failed = push();
    let answers = load.end();
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("roll plus out"), "{}", failed.stderr);
    assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    assert!(answers.bodies.len() > 10 && answers.bodies.iter().all(|body| body == "22"), "{:?}", answers.bodies);
    let spec = |object: &Value| object["spec"]["template"]["spec"].clone();
    assert_eq!(spec(&namespace.deployment("plus")), spec(&before));
    app.edit("-> u64 { 1 }", "-> u64 { 3 }");
    failed
}

#[test]
fn what_is_never_ready_is_put_back_at_the_deadline() {
    let (namespace, app) = (Namespace::new("never"), App::new());
    namespace.push(&app.file, &[]).done();
    app.at_start("loop { std::thread::park() }");
    let failed = is_put_back(&namespace, &app, || namespace.push(&app.file, &["--deadline", "8"]));
    assert!(failed.stderr.contains("not ready within 8 s"), "{}", failed.stderr);
    namespace.push(&app.file, &[]).done();
    comes_to(&namespace.url("twice"), "26");
}

#[test]
fn what_ends_once_it_is_alone_is_put_back() {
    let (namespace, app) = (Namespace::new("alone"), App::new());
    namespace.push(&app.file, &[]).done();
    let pods = namespace.objects("pods");
    let old = pods.values().find(|pod| pod["metadata"]["labels"]["app.kubernetes.io/name"] == "plus").unwrap();
    // The new pod asks the old one whether it is ready, and ends when that is no more so.
    app.at_start(&format!(
        "std::thread::spawn(|| {{
            use std::io::{{Read, Write}};
            let is_there = || {{
                let mut old = std::net::TcpStream::connect(\"{}:8080\").ok()?;
                old.write_all(b\"GET /readyz HTTP/1.1\\r\\nhost: old\\r\\nconnection: close\\r\\n\\r\\n\").ok()?;
                let mut answer = String::new();
                old.read_to_string(&mut answer).ok()?;
                answer.starts_with(\"HTTP/1.1 200\").then_some(())
            }};
            while is_there().is_some() {{ std::thread::sleep(std::time::Duration::from_millis(50)); }}
            eprintln!(\"alone\");
            std::process::exit(9)
        }});",
        old["status"]["podIP"].as_str().unwrap()
    ));
    let failed = namespace.push(&app.file, &[]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("roll plus out") && failed.stderr.contains("exit code 9"), "{}", failed.stderr);
    assert!(failed.all("failed")[0]["lines"].to_string().contains("alone"), "{:?}", failed.all("failed"));
    comes_to(&namespace.url("twice"), "22");
}

/// A registry that this machine reaches and no node does.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        // The kernel names a port that is free; nobody else is told of it in between.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = folder.join("registry.yml");
        let store = folder.join("store");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{free}\", secret: test}}\n",
            store.display()
        );
        std::fs::write(&file, text).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { child, address: format!("localhost:{}", free.port()) };
        while std::net::TcpStream::connect(free).is_err() {
            std::thread::yield_now();
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn what_no_node_can_pull_is_put_back() {
    let (namespace, app, folder) = (Namespace::new("pull"), App::new(), tempfile::tempdir().unwrap());
    namespace.push(&app.file, &[]).done();
    let registry = Registry::start(folder.path());
    app.edit("-> u64 { 1 }", "-> u64 { 2 }");
    let failed = is_put_back(&namespace, &app, || namespace.push(&app.file, &["--registry", &registry.address]));
    for word in ["ImagePull", &registry.address] {
        assert!(failed.stderr.contains(word), "no {word} in {}", failed.stderr);
    }
    namespace.push(&app.file, &[]).done();
    comes_to(&namespace.url("twice"), "26");
}

fn quota(hard: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small" }, "spec": { "hard": hard } })
}

#[test]
fn what_a_quota_has_no_room_for_is_put_back() {
    let (namespace, app) = (Namespace::new("quota"), App::new());
    namespace.push(&app.file, &[]).done();
    namespace.have(&quota(&json!({ "pods": "3" })));
    app.edit("-> u64 { 1 }", "-> u64 { 2 }");
    let failed = is_put_back(&namespace, &app, || namespace.push(&app.file, &[]));
    assert!(failed.stderr.contains("exceeded quota: small"), "{}", failed.stderr);
    namespace.kubectl(&["delete", "resourcequota", "small"]);
    namespace.push(&app.file, &[]).done();
    comes_to(&namespace.url("twice"), "26");
}

#[test]
fn a_first_push_that_fails_leaves_nothing_behind() {
    let (namespace, app) = (Namespace::new("first"), App::new());
    // There is room for two of three pods, and then for four of six Services.
    for (hard, word) in [(json!({ "pods": "2" }), "exceeded quota"), (json!({ "services": "4" }), "exceeded quota")] {
        namespace.have(&quota(&hard));
        let failed = namespace.push(&app.file, &[]);
        assert_eq!(failed.code, Some(1), "{}", failed.stderr);
        assert!(failed.stderr.contains(word), "{}", failed.stderr);
        assert_eq!(namespace.made(), [""; 0], "{hard}");
    }
    namespace.kubectl(&["delete", "resourcequota", "small"]);
    app.at_start("std::process::exit(7)");
    let failed = namespace.push(&app.file, &[]);
    assert!(failed.stderr.contains("exit code 7"), "{}", failed.stderr);
    assert_eq!(namespace.made(), [""; 0]);
    app.edit("-> u64 { 1 }", "-> u64 { 1 }");
    namespace.push(&app.file, &[]).done();
    assert_eq!(body(&namespace.url("twice")), "22");
}
