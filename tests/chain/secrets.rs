//! Secrets and env files of services on this machine: services find them, and nothing else shows them.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use serde_json::json;

use support::session::{Client, Dev};
use support::{app, dyn_command};

support::on_both_backends!(services_find_secrets_and_nothing_else_shows_them);

const APP: &str = "use dyninka::prelude::*;

fn length(name: &str) -> usize { std::env::var(name).map_or(0, |value| value.len()) }

#[service]
fn open() -> Vec<usize> { vec![length(\"URL\"), length(\"WORD\"), length(\"TOKEN\"), length(\"MODE\")] }

#[service]
fn shut(lengths: Vec<usize>) -> Vec<usize> { lengths.into_iter().chain([length(\"URL\"), length(\"TOKEN\")]).collect() }

#[dyninka::main]
fn main() { open().shut() }
";

const SETTINGS: &str = "[defaults]
env.MODE = \"quiet\"
env_file = \".env\"
[services.open]
env.URL = { secret = \"db\", key = \"url\" }
env.WORD = { secret = \"db\", key = \"word\" }
";

/// Each begins as nothing else on this machine does, and is another in each test.
struct Values {
    url: String,
    word: String,
    token: String,
}

fn write_secrets(file: &Path, url: &str) {
    let secrets = file.with_file_name(".secrets.toml");
    fs::write(&secrets, format!("[db]\nurl = \"{url}\"\n")).expect("its secrets");
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).expect("its mode");
}

fn services_find_secrets_and_nothing_else_shows_them(on: &str) {
    let (folder, file) = app(APP);
    let home = tempfile::tempdir().expect("a home");
    let value = |name: &str| format!("v4lue-{name}-{}-{on}", std::process::id());
    let values = Values { url: value("url"), word: value("the-word"), token: value("token") };
    fs::write(file.with_file_name("dyn.toml"), SETTINGS).expect("its settings");
    fs::write(file.with_file_name(".env"), format!("TOKEN={}\nMODE=of the file\n", values.token))
        .expect("its variables");
    write_secrets(&file, &values.url);
    let command = || {
        let mut command = dyn_command();
        command.env("DYNINKA_HOME", home.path()).env("DYN_LOG", "trace");
        command
    };
    let mut dev = {
        let mut command = command();
        command.env("DYN_SECRET_DB_WORD", &values.word);
        Dev::spawn(command, &file, &["--on", on, "--port", "0", "--record", "kept"])
    };
    dev.ready = dev.wait_for("ready");
    let (client, url) = (Client::default(), dev.url());
    let lengths = |url: &str| json!([url.len(), values.word.len(), values.token.len(), 5, 0, values.token.len()]);
    for _ in 0..3 {
        assert_eq!(client.get(&url).json(), lengths(&values.url));
    }
    // Functions that run again find them, too.
    fs::write(&file, APP.replace("lengths.into_iter()", "lengths.into_iter().map(|one| one)")).expect("a save");
    let verdict = dev.wait_for("verdict");
    assert_eq!(
        (&verdict["same"], &verdict["differ"], &verdict["skipped"]),
        (&json!(1), &json!(0), &json!(null)),
        "{verdict}"
    );

    // Another secret: the one service that has it is started anew.
    let longer = format!("{}-and-more", values.url);
    write_secrets(&file, &longer);
    let live = dev.wait_until("another secret", |event| event["event"] == "live" && event.to_string().contains("URL"));
    let reason = &live["services"][0]["reason"];
    assert_eq!((live["services"].as_array().map(Vec::len), reason), (Some(1), &json!("its environment changed (URL)")));
    assert_eq!(client.get(&url).json(), lengths(&longer));

    let mut told = String::new();
    for arguments in [&["status", "--json"][..], &["events"], &["logs"], &["history"], &["recordings", "--json"]] {
        let mut command = command();
        let output = command.arg(arguments[0]).arg(&file).args(&arguments[1..]);
        // What follows a session does so until it ends: what there is by now is enough.
        let output = Command::new("timeout")
            .arg("2")
            .arg(output.get_program())
            .args(output.get_args())
            .env("DYNINKA_HOME", home.path())
            .output()
            .expect("dyn");
        told += &(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr));
    }
    assert!(told.contains("shut"), "{told}");
    told += &bundled(command(), &file);
    if on == "docker" {
        let id = dev.socket_folder_in(home.path()).file_name().expect("a folder").to_string_lossy().into_owned();
        let containers =
            Command::new("docker").args(["ps", "-aq", "--filter", "name=dyninka-app"]).output().expect("docker");
        for container in String::from_utf8_lossy(&containers.stdout).lines() {
            let inspected = Command::new("docker").args(["inspect", container]).output().expect("docker");
            let logs = Command::new("docker").args(["logs", container]).output().expect("docker");
            let text = String::from_utf8_lossy(&inspected.stdout).into_owned();
            // Not those of sessions of other tests, which hold nothing of these values either.
            told += &(text + &String::from_utf8_lossy(&logs.stdout) + &String::from_utf8_lossy(&logs.stderr));
        }
        assert!(told.contains(&id), "no container of {id}");
    }
    told += &dev.seen().iter().map(ToString::to_string).collect::<String>();
    let all = [&values.url, &values.word, &values.token];
    for value in all {
        assert!(!told.contains(value.as_str()), "{value} in {told}");
        for place in arguments_of_processes() {
            assert!(!place.contains(value.as_str()), "{value} in the arguments {place}");
        }
        assert_eq!(holders(home.path(), value), [""; 0]);
        // Of the app's own folder, nothing but the two files that are to hold them.
        let own = holders(folder.path(), value);
        assert!(own.iter().all(|name| name.ends_with("/.secrets.toml") || name.ends_with("/.env")), "{own:?}");
    }
    assert!(holders(folder.path(), &values.url).len() == 1, "the search finds what there is");
    let (_, stderr) = dev.stop();
    for value in all {
        assert!(!stderr.contains(value.as_str()), "{value} in {stderr}");
        assert_eq!(holders(home.path(), value), [""; 0]);
        // The recording is written by now.
        let own = holders(folder.path(), value);
        assert!(own.iter().all(|name| name.ends_with("/.secrets.toml") || name.ends_with("/.env")), "{own:?}");
    }
    let recording = fs::read_to_string(folder.path().join("recordings/kept/recording.jsonl")).expect("a recording");
    assert!(recording.contains("shut"), "{recording}");
}

/// All text of the session in one file: as it stands there, and the session's data, which are packed.
fn bundled(mut command: Command, file: &Path) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let html = folder.path().join("session.html");
    let output = command.arg("bundle").arg(file).arg("--output").arg(&html).output().expect("dyn");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let html = fs::read_to_string(html).expect("a file");
    let packed = html.split("id=\"kept\">").nth(1).and_then(|rest| rest.split('<').next()).expect("data");
    let packed = BASE64_STANDARD.decode(packed).expect("data as text");
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("packed data");
    assert!(text.contains("shut"), "{text}");
    html + &text
}

/// The arguments of every process, as far as they can be read.
fn arguments_of_processes() -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let read = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    read.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}

/// Files below a folder that hold a text.
fn holders(folder: &Path, text: &str) -> Vec<String> {
    let found = Command::new("grep").args(["-rlaF", "--devices=skip", "--", text]).arg(folder).output().expect("grep");
    assert!(found.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn what_is_missing_or_open_to_others_is_told_before_anything_starts() {
    let (_folder, file) = app(APP);
    fs::write(file.with_file_name("dyn.toml"), SETTINGS).expect("its settings");
    let mut told = Vec::new();
    let mut start = || {
        let mut dev = Dev::launch(&file, &["--on", "process", "--port", "0"]);
        let broken = dev.wait_for("broken");
        assert!(!dev.has_told("starting"), "nothing is started");
        let found = broken["diagnostics"].as_array().expect("diagnostics").iter();
        told = found.map(|one| format!("{}:{} {}", one["line"], one["column"], one["message"])).collect();
        let (status, stderr) = dev.end();
        assert_eq!(status.code(), Some(1), "{stderr}");
        (told.clone(), broken.to_string() + &stderr)
    };
    let (found, _) = start();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("3:1 \"cannot read") && found[0].contains(".env: no such file"), "{found:?}");
    assert!(found[1].starts_with("5:5 \"the secret db has no url"), "{found:?}");
    assert!(found[2].starts_with("6:5 \"the secret db has no word"), "{found:?}");
    fs::write(file.with_file_name(".env"), "").expect("its variables");
    write_secrets(&file, "v4lue");
    fs::set_permissions(file.with_file_name(".secrets.toml"), fs::Permissions::from_mode(0o644)).expect("its mode");
    let (found, all) = start();
    assert!(found.len() == 2 && found[0].contains("can be used by other users (its mode is 644)"), "{found:?}");
    assert!(all.contains("chmod 600 ") && !all.contains("v4lue"), "{all}");
}
