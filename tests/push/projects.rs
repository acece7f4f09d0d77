//! Whose an app is, what it is called, and what leads in from outside.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::app::App;
use crate::cluster::{Namespace, Ran, kubeconfig};

/// The app in a file of another name.
fn called(app: &App, name: &str) -> std::path::PathBuf {
    let file = app.file.with_file_name(name);
    fs::rename(&app.file, &file).unwrap();
    file
}

fn plan_of_objects(ran: &Ran) -> Vec<String> {
    let objects = ran.all("plan")[0]["plan"]["objects"].as_array().unwrap();
    objects
        .iter()
        .map(|step| format!("{} {}", step["what"].as_str().unwrap(), step["object"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_file_of_any_name_is_pushed_and_its_way_in_is_changed_and_removed() {
    let (namespace, app) = (Namespace::new("names"), App::new());
    let file = called(&app, "My_app.rs");
    let entry = |host: &str| format!("keep_source = false\n[entry]\nhost = \"{host}\"\n");
    app.settings(&entry("one.example.org"));
    namespace.push(&file, &[]).done();
    let host = |namespace: &Namespace| -> Vec<String> {
        let found = namespace.objects("ingresses").into_values();
        found.map(|object| object["spec"]["rules"][0]["host"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(host(&namespace), ["one.example.org"]);
    let records = namespace.objects("configmaps").into_values().filter(|it| it["binaryData"].is_object());
    let kept: Vec<_> =
        records.map(|it| it["binaryData"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()).collect();
    assert_eq!(kept, [["objects"]], "the source is not kept");

    app.settings(&entry("two.example.org"));
    let changed = namespace.push(&file, &[]).done();
    assert!(plan_of_objects(&changed)[0].starts_with("changed ingress/"), "{:?}", plan_of_objects(&changed));
    assert_eq!(host(&namespace), ["two.example.org"]);
    app.settings("keep_source = false\n");
    let removed = namespace.push(&file, &[]).done();
    assert!(plan_of_objects(&removed)[0].starts_with("gone ingress/"), "{:?}", plan_of_objects(&removed));
    assert_eq!(host(&namespace), [""; 0]);
    let writes = namespace.writes().len();
    namespace.push(&file, &[]).done();
    assert_eq!(namespace.writes()[writes..], [""; 0], "nothing to push");
}

#[test]
fn two_projects_of_one_name_are_two_apps_and_down_takes_no_strangers() {
    let (namespace, ours, theirs) = (Namespace::new("projects"), App::new(), App::new());
    namespace.push(&ours.file, &[]).done();
    let versions = || -> Vec<String> {
        let found = namespace.objects("deployments").into_values();
        found.map(|object| object["metadata"]["annotations"]["dyninka.dev/version"].to_string()).collect()
    };
    let before = versions();
    theirs.edit("-> u64 { 1 }", "-> u64 { 7 }");
    let writes = namespace.writes().len();
    let strange = namespace.push(&theirs.file, &[]);
    assert_eq!(strange.code, Some(1), "{}", strange.stderr);
    for word in ["another project's", "pushed by", "name = ", "dyn.id"] {
        assert!(strange.stderr.contains(word), "no {word:?} in {}", strange.stderr);
    }
    let down = |file: &Path, home: &Path| {
        let mut command = namespace.command("down", file);
        command.env("DYNINKA_HOME", home).args(["--cluster", "--yes"]);
        command.output().unwrap()
    };
    let home = tempfile::tempdir().unwrap();
    let refused = down(&theirs.file, home.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another project's"));
    // The app of this project, and another cluster than it was pushed to.
    let place = {
        use std::os::unix::ffi::OsStrExt;
        let file = ours.file.canonicalize().unwrap();
        format!("app-{}", &blake3::hash(file.as_os_str().as_bytes()).to_hex()[..8])
    };
    let pins = json!({ "apps": { place: { "dyn-testbed": { "uid": "another" } } } });
    fs::write(home.path().join("clusters.json"), pins.to_string()).unwrap();
    let refused = down(&ours.file, home.path());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("it is another cluster now"));
    assert_eq!((versions(), namespace.writes().len()), (before, writes), "nothing was written");
    // The same project elsewhere brings its id along, and is the same app.
    fs::copy(ours.file.with_file_name("dyn.id"), theirs.file.with_file_name("dyn.id")).unwrap();
    let same = namespace.push(&theirs.file, &["--plan"]).done();
    assert_eq!(same.planned()["plus"], "changed", "{:?}", same.planned());

    // Behind the way in from outside, callers choose no flow and see nothing of the source.
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let url = namespace.url("twice");
    assert_eq!(client.get(&url).send().unwrap().text().unwrap(), "22");
    assert_eq!(client.get(&url).header("Dyninka-Route", "source").send().unwrap().status(), 403);
    assert_eq!(client.get(format!("{url}metrics")).send().unwrap().status(), 403);
    let invoked = namespace.command("invoke", &ours.file).args(["twice", "--cluster", "--route", "source"]).output();
    let invoked = invoked.unwrap();
    assert_eq!(String::from_utf8_lossy(&invoked.stdout).trim(), "20", "{}", String::from_utf8_lossy(&invoked.stderr));
}

#[test]
fn a_plugin_and_a_proxy_are_named_and_a_plugin_that_waits_holds_nobody_up() {
    let (namespace, app, folder) = (Namespace::new("plugin"), App::new(), tempfile::tempdir().unwrap());
    let (config, text) = (folder.path().join("config"), fs::read_to_string(kubeconfig()).unwrap());
    let token = text.split("token: \"").nth(1).unwrap().split('"').next().unwrap();
    let with = |user: &str| fs::write(&config, text.replace(&format!("token: \"{token}\""), user)).unwrap();
    let plugin = |command: &str| {
        format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}, interactiveMode: Never, \
             installHint: get it with cloud-get}}"
        )
    };
    let push = || {
        let mut command = namespace.command("push", &app.file);
        command.env("KUBECONFIG", &config).args(["--plan", "--json"]);
        command
    };
    with(&plugin("no-such-login"));
    let missing = Ran::of(&push().output().unwrap());
    assert_eq!(missing.code, Some(3), "{}", missing.stderr);
    assert!(missing.stderr.contains("no-such-login") && missing.stderr.contains("cloud-get"), "{}", missing.stderr);

    // One that says when it runs, and goes on until its reader is gone.
    let began = folder.path().join("began");
    rustix::fs::mkfifoat(rustix::fs::CWD, &began, rustix::fs::Mode::RWXU).unwrap();
    let script = folder.path().join("login");
    fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", began.display())).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    with(&plugin(script.to_str().unwrap()));
    let mut waiting = push().stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let child: i32 = fs::read_to_string(&began).unwrap().trim().parse().unwrap();
    let process = rustix::process::Pid::from_child(&waiting);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    // It ends while the plugin still waits: nobody has ended that yet.
    assert!(!waiting.wait().unwrap().success());
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();

    with(&format!("token: \"{token}\""));
    let mut command = push();
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "10.44.0.0/16,,");
    Ran::of(&command.output().unwrap()).done();
    let mut command = push();
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", ".example.org");
    let through = Ran::of(&command.output().unwrap());
    assert!(through.code == Some(3) && !through.stderr.contains("disabled feature"), "{}", through.stderr);
    fs::write(&config, text.replace("server: ", "proxy-url: \"socks5://127.0.0.1:1\", server: ")).unwrap();
    let through = Ran::of(&push().output().unwrap());
    assert!(through.code == Some(3) && !through.stderr.contains("disabled feature"), "{}", through.stderr);
}
