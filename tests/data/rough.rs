//! Rough treatment of `dyn data serve`: its disk is full or cannot be written, and signals end it amid a copy.

use std::fs;
use std::time::Instant;

use support::disk::{Disk, FailingDisk};

use crate::server::{LOOK, PATIENCE};
use crate::weed::{KEY, Weed};
use crate::{Server, noise};

/// Two folders, one of them the master of `images`.
fn settings(home: &std::path::Path) -> String {
    for store in ["hpc", "cc1"] {
        fs::create_dir_all(home.join(store)).expect("a store");
    }
    let home = home.display();
    format!(
        "places = {{ hpc = {{}}, cc1 = {{}} }}\n[stores]\nhpc = {{ place = \"hpc\", folder = \"{home}/hpc\" }}\n\
         cc1 = {{ place = \"cc1\", folder = \"{home}/cc1\" }}\n[buckets]\nimages = {{ master = \"hpc\", replicas = 1, audit = \"1s\" }}\n"
    )
}

fn words(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// F13, F26: a catalog whose disk is full takes nothing new, and reads go on; one that cannot be written is not opened.
#[test]
fn catalog_whose_disk_is_full_refuses_changes_and_one_on_a_closed_disk_does_not_open() {
    let (home, disk) = (tempfile::tempdir().expect("a folder"), Disk::new("64m"));
    let text = settings(home.path());
    let catalog = disk.path().join("catalog.db").display().to_string();
    let mut server = Server::start_as(home, &text, &["--catalog", &catalog], &[]).0;
    let home = server.home.path().to_owned();
    fs::write(home.join("file"), noise(1, 5_000)).expect("written");
    server.says(&["put", "images/before", "file"]);
    server.says(&["wait", "images"]);
    disk.fill();
    let begun = Instant::now();
    let refused = loop {
        // The first that meets the full disk gives up the room that was kept.
        let tried = server.run(&["put", "images/more", "file"]);
        if !tried.status.success() {
            break words(&tried);
        }
        assert!(begun.elapsed() < PATIENCE, "the disk is full and nobody says so");
    };
    assert!(refused.contains("the disk of the store is full"), "{refused}");
    fs::write(home.join("next.toml"), text.replace("replicas = 1", "replicas = 0")).expect("written");
    let refused = words(&server.run(&["apply", "next.toml", "--yes"]));
    assert!(refused.contains("the disk of the store is full"), "{refused}");
    server.says(&["get", "images/before", "copy"]);
    assert_eq!(fs::read(home.join("copy")).expect("a copy"), noise(1, 5_000));
    assert!(server.says(&["status"]).contains("bucket images"));
    disk.empty();
    server.says(&["put", "images/after", "file"]);
    server.says(&["wait", "images"]);
    assert_eq!(fs::read(home.join("cc1/images/after")).expect("the copy"), noise(1, 5_000));
    server.signal("-INT");
    assert!(server.process.wait().expect("an end").success());
    disk.close();
    let start = crate::dyn_command(&home)
        .args(["data", "serve", "--listen", "127.0.0.1:0", "--catalog", &catalog])
        .output()
        .expect("dyn runs");
    assert!(!start.status.success() && words(&start).contains("cannot open the store"), "{}", words(&start));
}

/// F26: a catalog whose disk becomes read-only amid the run: changes are refused, reads go on, and nothing that was told is lost.
#[test]
fn catalog_whose_disk_becomes_read_only_refuses_changes_and_goes_on_after_it_is_mended() {
    let (home, mut disk) = (tempfile::tempdir().expect("a folder"), FailingDisk::new("64M"));
    let text = settings(home.path());
    let catalog = disk.path().join("catalog.db").display().to_string();
    let mut server = Server::start_as(home, &text, &["--catalog", &catalog], &[]).0;
    let home = server.home.path().to_owned();
    fs::write(home.join("file"), noise(1, 5_000)).expect("written");
    server.says(&["put", "images/before", "file"]);
    server.says(&["wait", "images"]);
    disk.fail();
    for change in [&["put", "images/more", "file"][..], &["pause", "images"], &["rm", "images/before"]] {
        let refused = server.run(change);
        assert!(
            !refused.status.success() && words(&refused).contains("the catalog does not answer"),
            "{}",
            words(&refused)
        );
    }
    let address = fs::read_to_string(home.join("data/address")).expect("an address");
    let token = fs::read_to_string(home.join("data/token")).expect("a token");
    let url = format!("http://{}/v1/buckets/images/pause", address.trim());
    let bearer = format!("Bearer {}", token.trim());
    let told = support::session::Client::default().post_with(&url, "", &[("authorization", &bearer)]);
    assert_eq!(told.status, 503, "{}", told.body);
    // Nobody took a refused deletion for one: the copy has the object, and reads go on.
    server.says(&["get", "images/before", "copy", "--store", "cc1"]);
    assert_eq!(fs::read(home.join("copy")).expect("a copy"), noise(1, 5_000));
    assert!(server.says(&["status"]).contains("bucket images"));
    server.signal("-KILL");
    drop(server.process.wait());
    disk.mend();
    let (process, _lines) = Server::spawn(&home, &["--catalog", &catalog], &[]);
    server.process = process;
    server.says(&["put", "images/after", "file"]);
    server.says(&["wait", "images"]);
    let copies = |store: &str| {
        let mut names: Vec<_> = fs::read_dir(home.join(store).join("images"))
            .expect("a bucket")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(copies("cc1"), copies("hpc"));
    assert!(copies("hpc").iter().any(|name| name == "after"));
}

/// Processes that have this home.
fn of_home(home: &std::path::Path) -> Vec<String> {
    let wanted = format!("DYNINKA_HOME={}", home.display());
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let is_of = |process: &fs::DirEntry| {
        // One that has ended meanwhile has none.
        let variables = fs::read(process.path().join("environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    processes.filter(is_of).map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

/// F30: whatever ends the server amid a copy, nothing of it runs on, the next one goes on, and no upload is left.
#[test]
fn signals_amid_a_copy_leave_nothing_behind_and_the_next_start_goes_on() {
    let weed = Weed::start();
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("s3.key"), KEY.0).expect("written");
    fs::write(home.path().join("s3.secret"), KEY.1).expect("written");
    let folder = home.path().join("hpc");
    fs::create_dir_all(folder.join("images")).expect("a store");
    let text = format!(
        "[places.hpc]\n[stores.hpc]\nplace = \"hpc\"\nfolder = \"{}\"\n{}[server]\nplace = \"hpc\"\n\
         [buckets.images]\nmaster = \"hpc\"\nreplicas = 1\naudit = \"1s\"\n",
        folder.display(),
        Weed::settings("s3", weed.port()).replace("FOLDER", &home.path().display().to_string())
    );
    for number in 0..40 {
        fs::write(folder.join(format!("images/k{number:02}")), noise(number, 4_000)).expect("written");
    }
    let large: Vec<u8> = (0..24).flat_map(|number| noise(number, 4 << 20)).collect();
    fs::write(folder.join("images/large"), &large).expect("written");
    let mut server = Server::start_with(home, &text);
    for (signal, is_asked) in [("-INT", true), ("-TERM", true), ("-KILL", false)] {
        // An upload is under way.
        let begun = Instant::now();
        while weed.uploads("images").is_empty() && !weed.hashes("images").contains_key("large") {
            assert!(begun.elapsed() < PATIENCE, "nothing is copied: {}", server.says(&["status"]));
            std::thread::sleep(LOOK);
        }
        server.signal(signal);
        assert_eq!(server.process.wait().expect("an end").success(), is_asked, "{signal}");
        assert_eq!(of_home(server.home.path()), Vec::<String>::new(), "{signal}: something runs on");
        server.restart();
    }
    server.says(&["wait", "images"]);
    let mut wanted: crate::server::Hashes =
        (0..40).map(|number| (format!("k{number:02}"), blake3::hash(&noise(number, 4_000)).to_string())).collect();
    wanted.insert("large".to_owned(), blake3::hash(&large).to_string());
    assert_eq!(weed.hashes("images"), wanted);
    assert_eq!(weed.uploads("images"), Vec::<String>::new(), "an upload is left");
}
