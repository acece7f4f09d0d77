//! Builds that are cut short, cannot begin, or find another machine than before.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::saves::numbered;
use crate::sessions::fresh;
use crate::toolchain::Toolchain;
use support::app;
use support::disk::Disk;
use support::session::{Client, Dev, PATIENCE};

/// rustc making the library of a service.
const LIBRARY: &str = "*--crate-type=cdylib*";

fn start(toolchain: &Toolchain, file: &Path) -> Dev {
    let mut dev = Dev::spawn(toolchain.dyn_command(), file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    dev
}

fn says(event: &Value, words: &str) -> bool {
    let findings = event["diagnostics"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().any(|finding| finding["message"].as_str().is_some_and(|message| message.contains(words)))
}

fn is_gone(pid: &str) -> bool {
    !Path::new("/proc").join(pid).exists()
}

#[test]
fn a_build_ends_with_the_file_the_next_save_or_a_kill_and_the_old_serves() {
    let toolchain = Toolchain::new();
    let (_folder, file) = app(&numbered(1));
    let mut dev = start(&toolchain, &file);
    let (client, url) = (Client::default(), dev.url());
    let save = || {
        let number = fresh();
        fs::write(&file, numbered(number)).expect("a save");
        number.to_string()
    };
    let again = |number: &str| fs::write(&file, numbered(number.parse().expect("a number"))).expect("a save");

    // The file goes away while it is built, and comes back as another.
    toolchain.hold(LIBRARY);
    save();
    let held = toolchain.held();
    fs::remove_file(&file).expect("a removal");
    assert!(says(&dev.wait_for("broken"), "no such file"));
    assert_eq!(client.get(&url).body, "1");
    let before = save();
    dev.wait_until("the latest", |event| event["event"] == "live" && client.get(&url).body == before);
    assert!(is_gone(&held.pid), "the rustc of a file that is no more");
    drop(held);

    // A build that never ends is ended by the next save, which says so.
    toolchain.hold(LIBRARY);
    save();
    let held = toolchain.held();
    assert_eq!(client.get(&url).body, before);
    let before = save();
    dev.wait_for("superseded");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, before);
    assert!(is_gone(&held.pid), "the rustc of an edit that is overtaken");
    drop(held);

    // Killed, as by a machine out of memory: told so, and the same save once more is tried once more.
    toolchain.hold(LIBRARY);
    let after = save();
    let held = toolchain.held();
    assert!(Command::new("kill").args(["-KILL", &held.pid]).status().expect("kill").success());
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "signal 9") && says(&broken, "out of memory"), "{broken}");
    assert_eq!(client.get(&url).body, before);
    drop(held);
    again(&after);
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, after);

    // No rustc any more.
    toolchain.remove();
    let (before, after) = (after, save());
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "rustc"), "{broken}");
    assert!(broken["diagnostics"][0]["help"].as_str().is_some_and(|help| help.contains("rustup.rs")), "{broken}");
    assert_eq!(client.get(&url).body, before);
    toolchain.restore();
    again(&after);
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, after);
    dev.stop();
    assert_eq!(toolchain.left(), [""; 0]);
}

#[test]
fn a_start_without_rustc_says_what_to_install() {
    let toolchain = Toolchain::new();
    toolchain.remove();
    let (_folder, file) = app(&numbered(1));
    let mut dev = Dev::spawn(toolchain.dyn_command(), &file, &["--on", "process", "--port", "0"]);
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "rustc"), "{broken}");
    assert!(broken["diagnostics"][0]["help"].as_str().is_some_and(|help| help.contains("rustup.rs")), "{broken}");
    dev.wait_for("stopped");
    let (status, _) = dev.end();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_broken_service_keeps_no_other_back_and_is_shown_as_stale() {
    let text = |b: &str, c: u64| {
        format!(
            "use dyninka::prelude::*;
#[service] fn a() -> u64 {{ 1 }}
#[service] fn b(value: u64) -> u64 {{ {b} }}
#[service] fn c(value: u64) -> u64 {{ value + {c} }}
#[dyninka::main] fn main() {{ a().b().c() }}
"
        )
    };
    let (_folder, file) = app(&text("value", 10));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "11");
    fs::write(&file, text("value + \"one\"", 20)).expect("a save");
    let told = |dev: &mut Dev| {
        let mut broken = None;
        loop {
            let event = dev.wait_until("news", |event| event["event"] == "broken" || event["event"] == "live");
            match event["event"] == "broken" {
                true => broken = Some(event),
                false => break (broken, event),
            }
        }
    };
    let (broken, live) = told(&mut dev);
    let broken = broken.expect("b is broken");
    assert_eq!(broken["diagnostics"][0]["line"], 3, "{broken}");
    let names: Vec<_> = live["services"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["c"]);
    assert_eq!(client.get(&url).body, "21");
    let status = support::run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("a snapshot");
    let state = |name: &str| {
        let services = status["services"].as_array().map(Vec::as_slice).unwrap_or_default();
        services.iter().find(|service| service["name"] == name).map(|service| service["state"].clone())
    };
    assert_eq!((state("b"), state("c")), (Some("stale".into()), Some("live".into())), "{status}");
    fs::write(&file, text("value + 100", 20)).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "121");
    dev.stop();
}

/// A folder of its own for all that is built: dependencies are compiled there first.
fn start_in(home: &Path, toolchain: &Toolchain, file: &Path) -> Dev {
    let mut command = toolchain.dyn_command();
    command.env("DYNINKA_HOME", home);
    let mut dev = Dev::spawn(command, file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    dev
}

fn notice(dev: &mut Dev, words: &str) {
    dev.wait_until(words, |event| event["message"].as_str().is_some_and(|message| message.contains(words)));
}

#[test]
fn an_upgraded_rustc_and_libraries_that_do_not_fit_it_build_the_dependencies_anew() {
    let (toolchain, home) = (Toolchain::new(), tempfile::tempdir().expect("a folder"));
    let (_folder, file) = app(&numbered(1));
    let mut dev = start_in(home.path(), &toolchain, &file);
    let (client, url) = (Client::default(), dev.url());
    toolchain.upgrade();
    fs::write(&file, numbered(2)).expect("a save");
    notice(&mut dev, "compiling serde v");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "2");
    // The libraries turn out to be another rustc's.
    toolchain.mismatch_once();
    fs::write(&file, numbered(3)).expect("a save");
    notice(&mut dev, "the compiled dependencies do not fit rustc: they are built anew");
    notice(&mut dev, "compiling serde v");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "3");
    assert!(toolchain.has_mismatched());
    dev.stop();
}

#[test]
fn a_full_disk_is_named_and_nothing_half_written_is_taken_over() {
    let (toolchain, disk) = (Toolchain::new(), Disk::new("256m"));
    let (_folder, file) = app(&numbered(1));
    let mut dev = start_in(disk.path(), &toolchain, &file);
    let (client, url) = (Client::default(), dev.url());
    let save = |number: u64| fs::write(&file, numbered(number)).expect("a save");
    save(2);
    dev.wait_for("live");

    disk.fill();
    save(3);
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "the disk is full"), "{broken}");
    assert_eq!(client.get(&url).body, "2");
    // Kept from before, so nothing is built, but what the host reads cannot be written.
    save(1);
    let told = dev.wait_for("rolled_back");
    assert!(told["why"].as_str().is_some_and(|why| why.contains("No space left")), "{told}");
    assert_eq!(client.get(&url).body, "2");
    disk.empty();
    save(3);
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "3");
    // Full in the very moment rustc writes the library.
    toolchain.hold(LIBRARY);
    save(4);
    let held = toolchain.held();
    disk.fill();
    drop(held);
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "the disk is full"), "{broken}");
    assert_eq!(client.get(&url).body, "3");
    disk.empty();
    save(4);
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "4");
    dev.stop();
}

#[test]
fn a_rustc_that_waits_may_be_killed_and_ends_with_its_session_however_that_ends() {
    let toolchain = Toolchain::new();
    let (_folder, file) = app(&numbered(1));
    let mut dev = start(&toolchain, &file);
    let (client, url) = (Client::default(), dev.url());
    let waiting = || toolchain.running().into_iter().find(|process| process.contains("@/dev/stdin"));
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "{what}: {:?}", toolchain.running());
        }
    };
    let edit = |dev: &mut Dev| {
        let number = fresh();
        fs::write(&file, numbered(number)).expect("a save");
        dev.wait_for("live");
        assert_eq!(client.get(&url).body, number.to_string());
    };
    until("a rustc that waits", &|| waiting().is_some());
    edit(&mut dev);
    // The next one is killed, and the edit is compiled all the same; so it is with one that stands still.
    for signal in ["-KILL", "-STOP"] {
        until("the next one", &|| waiting().is_some());
        let process = waiting().expect("it waits");
        let pid = process.trim_start_matches("/proc/").split(' ').next().expect("a pid").to_owned();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
        edit(&mut dev);
        until("it is gone", &|| is_gone(&pid));
    }
    until("the next one", &|| waiting().is_some());
    dev.signal("KILL");
    until("none that waits", &|| waiting().is_none());
    drop(dev.end());
    let stopped = support::run(&["stop".as_ref(), file.as_os_str()]);
    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(toolchain.left(), [""; 0]);
}

#[test]
fn edits_go_live_where_rustc_does_not_wait_and_that_is_told_once() {
    let toolchain = Toolchain::new();
    toolchain.never_wait();
    let (_folder, file) = app(&numbered(1));
    let mut dev = start(&toolchain, &file);
    let (client, url) = (Client::default(), dev.url());
    for _ in 0..3 {
        let number = fresh();
        fs::write(&file, numbered(number)).expect("a save");
        dev.wait_for("live");
        assert_eq!(client.get(&url).body, number.to_string());
    }
    let words = "rustc is started at each edit: ";
    let told = dev.seen().iter().filter(|event| event["message"].as_str().is_some_and(|said| said.starts_with(words)));
    assert_eq!(told.count(), 1, "{:#?}", dev.seen());
    dev.stop();
    let doctor = toolchain.dyn_command().args(["doctor", "--json"]).output().expect("dyn runs");
    assert!(doctor.status.success(), "edits work without it: {doctor:?}");
    let found: Value = serde_json::from_slice(&doctor.stdout).expect("one JSON value");
    let edits = found.as_array().and_then(|all| all.iter().find(|one| one["name"] == "edits")).expect("one of edits");
    assert!(edits["found"].as_str().is_some_and(|words| words.starts_with("rustc is kept ready: no, ")), "{edits}");
    assert_eq!(edits["good"], false);
}

/// Two services of a package, of which one calls a crate beside it.
const WITH_CRATE: &str = "use dyninka::prelude::*;

#[placed(word)]
static ASKED: Placed<u64> = Placed::new(u64::default);

#[service]
fn word() -> String { ASKED.update(|asked| { *asked += 1; format!(\"{} {asked}\", beside::word()) }) }

#[service]
fn twice(word: String) -> String { format!(\"{word}, {word}\") }

#[dyninka::main]
fn main() { word().twice() }
";

#[test]
fn a_dependency_that_changes_while_the_old_one_serves_goes_live_with_the_state_carried() {
    let (folder, file) = app(WITH_CRATE);
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| fs::write(path, text)).expect("a file");
    };
    let beside = |word: &str| write("beside/src/lib.rs", &format!("pub fn word() -> &'static str {{ \"{word}\" }}\n"));
    write("beside/Cargo.toml", "[package]\nname = \"beside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    write("src/lib.rs", "");
    write(
        "Cargo.toml",
        "[package]\nname = \"shop\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n[[example]]\nname = \"app\"\n\
         path = \"app.rs\"\n[dependencies]\nserde = \"1\"\nbeside = { path = \"beside\" }\n",
    );
    beside("old");
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).json(), "old 1, old 1");
    let host = dev.ready["services"][0]["pid"].clone();
    assert!(host.is_u64(), "{}", dev.ready);
    for (asked, word) in [(2, "new"), (3, "newer")] {
        beside(word);
        let live = dev.wait_for("live");
        // What a package's services are compiled with is all of its dependencies.
        let services = live["services"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(services.iter().all(|one| one["reason"] == "what it is compiled with changed"), "{live}");
        let of_word = services.iter().find(|service| service["name"] == "word").expect("the service");
        assert_eq!((services.len(), &of_word["state"]["ASKED"]["how"]), (2, &"carried".into()), "{live}");
        assert_eq!(client.get(&url).json(), format!("{word} {asked}, {word} {asked}"));
    }
    // Old and new code are in one process.
    let status = support::run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("a snapshot");
    assert_eq!(status["services"][0]["pid"], host, "{status}");
    dev.stop();
}

#[test]
fn shared_objects_that_are_gone_from_the_folder_of_a_service_are_brought_with_the_next_edit() {
    let (_folder, file) = app(&numbered(fresh()));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    let folder = dev.socket_folder(&file).join("services/number");
    let objects = || {
        let entries = fs::read_dir(&folder).expect("its folder").flatten().map(|entry| entry.path());
        let is_object = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("libdyninka_base-") || name.starts_with("libstd-")
        };
        entries.filter(is_object).collect::<std::collections::BTreeSet<_>>()
    };
    let before = objects();
    assert_eq!(before.len(), 2, "{}", folder.display());
    for object in &before {
        fs::remove_file(object).expect("a removal");
    }
    let number = fresh();
    fs::write(&file, numbered(number)).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, number.to_string());
    assert_eq!(objects(), before);
    dev.stop();
}

#[test]
#[ignore = "long: half a minute, dependencies are compiled on a disk of its own"]
fn a_disk_that_is_full_between_base_and_library_is_named_and_the_next_start_is_well() {
    let (toolchain, disk) = (Toolchain::new(), Disk::new("256m"));
    let (_folder, file) = app(&numbered(1));
    toolchain.hold(LIBRARY);
    let mut command = toolchain.dyn_command();
    command.env("DYNINKA_HOME", disk.path());
    let mut dev = Dev::spawn(command, &file, &["--on", "process", "--port", "0"]);
    let held = toolchain.held();
    disk.fill();
    drop(held);
    let broken = dev.wait_for("broken");
    assert!(says(&broken, "the disk is full"), "{broken}");
    dev.end();
    disk.empty();
    let dev = start_in(disk.path(), &toolchain, &file);
    assert_eq!(Client::default().get(&dev.url()).body, "1");
    dev.stop();
}
