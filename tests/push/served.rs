//! No registry at all: nodes fetch from whoever pushes, by a port of their own, without being told anything.

use std::process::Command;

use crate::app::App;
use crate::cluster::{Namespace, Ran, unique};
use crate::rolls::comes_to;

fn body(url: &str) -> String {
    reqwest::blocking::Client::builder().no_proxy().build().unwrap().get(url).send().unwrap().text().unwrap()
}

#[test]
fn nodes_fetch_from_whoever_pushes_and_from_nobody_afterwards() {
    let (namespace, app) = (Namespace::new("served"), App::new());
    app.settings("[entry]\nnode_port = 0\n[images]\nserve = true\n");
    // No run before this one has brought the nodes the same bytes.
    let unique = u64::from(unique());
    let step = |value: u64| app.edit("-> u64 { 1 }", &format!("-> u64 {{ {value} }}"));
    step(unique);
    let first = namespace.push(&app.file, &[]).done();
    let url = namespace.url("twice");
    assert_eq!(body(&url), ((10 + unique) * 2).to_string());
    let image = |service: &str| {
        let deployment = namespace.deployment(service);
        deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    assert!(image("plus").starts_with("localhost:3"), "{}", image("plus"));
    let sent = |ran: &Ran| ran.all("done")[0]["sent"].as_u64().unwrap();
    assert!(sent(&first) > 100_000, "a library at least: {}", sent(&first));
    let door = |kind: &str| namespace.objects(kind).into_keys().find(|name| name.ends_with("-images"));
    let service = door("services").unwrap();
    assert_eq!(door("endpoints"), None, "it leads nowhere now");

    // Images keep their names, so nothing else is touched; nodes fetch what they lack.
    let (source, writes) = (image("source"), namespace.writes().len());
    namespace.push(&app.file, &[]).done();
    assert_eq!(namespace.writes()[writes..], [""; 0]);
    step(unique + 1);
    let edited = namespace.push(&app.file, &["--serve"]).done();
    assert_eq!(edited.planned()["plus"], "changed");
    assert_eq!((edited.planned()["source"].as_str(), image("source")), ("unchanged", source));
    assert_eq!(door("services").unwrap(), service);
    assert_eq!(door("endpoints"), None);
    assert!(sent(&edited) > 100_000, "{}", sent(&edited));
    comes_to(&url, &((11 + unique) * 2).to_string());

    let down = namespace.command("cluster down", &app.file).arg("--yes").output().unwrap();
    let down = Ran::of(&down);
    assert_eq!(down.code, Some(0), "{}", down.stderr);
    assert_eq!(door("services"), None);
}

/// A port of this machine that nobody but this machine reaches, until it is dropped.
struct Walled(String);

impl Walled {
    fn off(port: u64) -> Self {
        let wall = Self(port.to_string());
        wall.rule("--insert");
        wall
    }

    fn rule(&self, how: &str) {
        let rule =
            [how, "INPUT", "--in-interface", "dyn-br0", "--protocol", "tcp", "--dport", &self.0, "--jump", "REJECT"];
        assert!(Command::new("iptables").args(["--wait"]).args(rule).status().unwrap().success(), "{rule:?}");
    }
}

impl Drop for Walled {
    fn drop(&mut self) {
        self.rule("--delete");
    }
}

#[test]
fn nodes_that_do_not_get_here_leave_what_ran_and_it_is_said_what_to_do() {
    let (namespace, app) = (Namespace::new("walled"), App::new());
    let unique = u64::from(unique());
    app.edit("-> u64 { 1 }", &format!("-> u64 {{ {unique} }}"));
    namespace.push(&app.file, &["--serve"]).done();
    let url = namespace.url("twice");
    let services = namespace.objects("services");
    let (_, door) = services.iter().find(|(name, _)| name.ends_with("-images")).unwrap();
    let port = door["spec"]["ports"][0]["nodePort"].as_u64().unwrap();

    let wall = Walled::off(port);
    app.edit("-> u64 { 1 }", &format!("-> u64 {{ {} }}", unique + 1));
    let failed = namespace.push(&app.file, &["--serve"]);
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("roll plus out") && failed.stderr.contains("Pull"), "{}", failed.stderr);
    let notices: Vec<_> = failed.all("notice").iter().map(|it| it["text"].as_str().unwrap().to_owned()).collect();
    let said = |words: &str| notices.iter().any(|text| text.contains(words));
    assert!(said("is not known before they fetch: cannot come here by node"), "{notices:#?}");
    assert!(said(&format!("/etc/containerd/certs.d/localhost:{port}/hosts.toml")), "{notices:#?}");
    assert_eq!(body(&url), ((10 + unique) * 2).to_string(), "what ran runs");

    drop(wall);
    namespace.push(&app.file, &["--serve"]).done();
    comes_to(&url, &((11 + unique) * 2).to_string());
}
