//! The folders of this machine: where they are, what they take, and what removes them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::disk::Disk;
use support::{app, program};

/// `dyn` of a user whose home is this, and who named no other folder.
fn of_user(home: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).env("NO_COLOR", "1");
    for variable in ["DYNINKA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME"] {
        command.env_remove(variable);
    }
    command.envs(home.map(|home| ("HOME", home)));
    command.output().expect("dyn")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_home_that_is_missing_or_read_only_is_told_with_its_mend() {
    let (_folder, file) = app("");
    let file = file.display().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let plant = folder.path().join("plant").display().to_string();
    let disk = Disk::new("1m");
    fs::create_dir_all(disk.path().join("made/.cache/dyninka")).expect("a cache");
    disk.close();
    let commands = [
        &["stop", &file][..],
        &["dev", &file, "--on", "process", "--port", "0"],
        &["new", &plant],
        &["clean"],
        &["doctor"],
    ];
    for command in commands {
        let none = of_user(None, command);
        let told = "neither DYNINKA_HOME, XDG_CACHE_HOME nor HOME is set";
        assert!(none.status.code() == Some(3) && words(&none).contains(told), "{command:?}: {}", words(&none));
        for (home, told) in [("none", "cannot create "), ("made", "cannot write to ")] {
            let refused = of_user(Some(&disk.path().join(home)), command);
            let words = words(&refused);
            let is_told = words.contains(told) && words.contains("/.cache/dyninka: Read-only file system");
            assert!(refused.status.code() == Some(3) && is_told, "{command:?}: {words}");
            assert!(words.contains("hint: set DYNINKA_HOME to a folder that can be written"), "{command:?}: {words}");
        }
    }
    assert!(!Path::new(&plant).exists(), "nothing was written");
}

#[test]
fn clearing_the_cache_forgets_no_pinned_cluster() {
    let folder = tempfile::tempdir().expect("a home");
    let home = folder.path();
    let (cache, state) = (home.join(".cache/dyninka"), home.join(".local/state/dyninka"));
    fs::create_dir_all(cache.join("apps/app-1")).expect("a cache");
    fs::create_dir_all(cache.join("build/target")).expect("a cache");
    let pinned = "{\"apps\":{\"app-1\":{\"here\":{\"uid\":\"1234\"}}}}";
    fs::write(cache.join("clusters.json"), pinned).expect("pins of a version before");
    let timeline = "{}\n".repeat(1000);
    fs::write(cache.join("apps/app-1/edits.jsonl"), &timeline).expect("a timeline of a version before");
    fs::write(cache.join("build/target/library"), vec![0; 2000]).expect("a library");

    let cleaned = of_user(Some(home), &["clean"]);
    let told = words(&cleaned);
    assert!(cleaned.status.success() && told.contains("removed 2.00 kB"), "{told}");
    assert!(told.contains("notice: moved the clusters that apps were pushed to and the timelines of 1 app"), "{told}");
    assert!(!cache.join("build/target").exists());
    // By hand, as others clear caches.
    fs::remove_dir_all(&cache).expect("a cleared cache");
    let doctor = words(&of_user(Some(home), &["doctor"]));
    let folders = [".cache/dyninka/build", ".local/state/dyninka/apps", ".local/state/dyninka/clusters.json"];
    assert!(folders.iter().all(|folder| doctor.contains(&format!("{folder}: "))), "{doctor}");
    assert!(doctor.contains(".local/state/dyninka/apps: 3.00 kB of "), "{doctor}");
    assert!(!doctor.contains("notice: moved"), "{doctor}");
    assert!(fs::read_to_string(state.join("clusters.json")).expect("pins").contains("1234"));
    assert!(state.join("apps/app-1/edits.jsonl").exists());

    let refused = of_user(Some(home), &["clean", "--all"]);
    assert!(refused.status.code() == Some(2) && words(&refused).contains("--yes"), "{}", words(&refused));
    assert!(state.join("clusters.json").exists());
    assert!(of_user(Some(home), &["clean", "--all", "--yes"]).status.success());
    assert!(!state.join("clusters.json").exists() && !state.join("apps/app-1/edits.jsonl").exists());
}
