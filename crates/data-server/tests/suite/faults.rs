//! Bad days of folders: kills, lost events, wiped masters, foreign writes, zones.

use std::collections::BTreeSet;
use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Server, hashes, noise, write};

/// F2: the server is killed at 20 moments of copying. Nothing is mixed, missing or doubled, and no upload is left.
#[test]
fn a_server_that_is_killed_again_and_again_ends_with_equal_copies() {
    let mut server = Server::of_folders("replicas = 2\naudit = \"1s\"\n");
    for number in 0..200 {
        write(&server.objects_made("hpc"), &format!("k{number:03}"), &noise(number, 3_000));
    }
    write(&server.objects("hpc"), "large", &noise(7, 24 << 20));
    for kill in 0..20_u64 {
        // Not a wait for anything: the moments of the kills.
        std::thread::sleep(std::time::Duration::from_millis(40 + (kill * 137) % 400));
        server.kill();
        write(&server.objects("hpc"), &format!("k{kill:03}"), &noise(1_000 + kill, 3_000));
        server.run();
    }
    server.whole();
    let master = hashes(&server.objects("hpc"));
    assert_eq!(master.len(), 201);
    for store in ["cc1", "cc2"] {
        assert_eq!(hashes(&server.objects(store)), master, "{store}");
    }
    assert_eq!(server.get("conflicts"), json!([]));
    let verified = server.post("buckets/images/verify", &Value::Null);
    assert_eq!((verified["copies"].clone(), verified["wrong"].clone()), (json!(402), json!([])));
}

/// F2: the server sleeps amid copies while its master changes. What it does late with what it knew is found, and mended.
#[test]
fn a_server_that_slept_amid_copies_mends_what_it_did_too_late() {
    let server = Server::of_folders("replicas = 2\naudit = \"1s\"\n");
    server.whole();
    for round in 0..8_u64 {
        for number in 0..150 {
            write(&server.objects("hpc"), &format!("k{number:03}"), &noise(round * 1_000 + number, 3_000));
        }
        write(&server.objects("hpc"), "large", &noise(round, 16 << 20));
        let hook = server.hook("hpc");
        assert_eq!(server.event("hpc", "large", &hook), 204);
        server.until("begun", |bucket| bucket["replicas"]["cc1"]["pending"].as_u64().is_some_and(|left| left > 0));
        server.signal("-STOP");
        // It wakes with objects in its hands that are others by now, or none.
        for number in 0..150 {
            let key = format!("k{number:03}");
            match number % 3 {
                0 => write(&server.objects("hpc"), &key, &noise(round * 1_000 + number + 500, 3_100)),
                1 if round % 2 == 1 && number % 15 == 1 => {
                    fs::remove_file(server.objects("hpc").join(key)).expect("removed")
                }
                _ => {}
            }
        }
        write(&server.objects("hpc"), "large", &noise(round + 100, 15 << 20));
        server.signal("-CONT");
    }
    server.whole();
    let master = hashes(&server.objects("hpc"));
    for store in ["cc1", "cc2"] {
        assert_eq!(hashes(&server.objects(store)), master, "{store}");
    }
    assert_eq!(server.get("conflicts"), json!([]));
    let verified = server.post("buckets/images/verify", &Value::Null);
    assert_eq!(verified["wrong"], json!([]));
}

/// F29: a hundred buckets with two copies each, one of them with thousands of changes: all come to their end.
#[test]
fn a_hundred_buckets_are_copied_beside_a_busy_one() {
    let server = Server::of_folders("replicas = 2\n");
    server.whole();
    let names: Vec<String> = (0..100).map(|number| format!("bucket-{number:03}")).collect();
    for name in &names {
        let folder = server.path("hpc").join(name);
        fs::create_dir_all(&folder).expect("a bucket");
        write(&folder, "first", name.as_bytes());
    }
    let (status, answer) = server.apply(
        |settings| {
            for name in &names {
                settings["buckets"][name] = json!({ "master": "hpc", "replicas": 2 });
            }
        },
        false,
    );
    assert_eq!(status, 200, "{answer}");
    for number in 0..3_000 {
        write(&server.objects_made("hpc"), &format!("k{number:04}"), &noise(number, 200));
    }
    let hook = server.hook("hpc");
    assert_eq!(server.event("hpc", "k0000", &hook), 204);
    // Each of the others gets a change while the busy one is copied.
    for name in &names {
        let (status, answer) = server.ask(Method::PUT, &format!("objects/{name}/second"), Some(&json!(name)));
        assert_eq!(status, 200, "{answer}");
    }
    for name in names.iter().chain([&"images".to_owned()]) {
        let bucket = server.until_of(name, "whole", |bucket| {
            let copies = bucket["replicas"].as_object().expect("copies");
            copies.len() == 2 && copies.values().all(|copy| copy["state"] == "whole" || copy["state"] == "following")
        });
        assert_eq!(bucket["why"], Value::Null, "{name}");
    }
    server.whole();
    for name in names.iter().chain([&"images".to_owned()]) {
        let master = hashes(&server.path("hpc").join(name));
        assert_eq!(master.len(), if name == "images" { 3_000 } else { 2 }, "{name}");
        for store in ["cc1", "cc2"] {
            assert_eq!(hashes(&server.path(store).join(name)), master, "{name} at {store}");
        }
    }
}

/// F5: events that are lost, doubled, out of order, or of nothing, lead to the state of the master and to nothing else.
#[test]
fn events_are_hints_and_listings_the_truth() {
    let server = Server::of_folders("replicas = 1\naudit = \"2s\"\n");
    server.whole();
    let hook = server.hook("hpc");
    for number in 0..60_u64 {
        let key = format!("k{:02}", number % 40);
        if number % 5 == 4 {
            drop(fs::remove_file(server.objects("hpc").join(&key)));
        } else {
            write(&server.objects("hpc"), &key, &noise(number, 500));
        }
        // One in three is lost, one is told twice, and some tell of what is not there.
        if number % 3 != 0 {
            assert_eq!(server.event("hpc", &format!("k{:02}", (number + 7) % 45), &hook), 204);
        }
        if number % 4 == 0 {
            assert_eq!(server.event("hpc", &key, &hook), 204);
            assert_eq!(server.event("hpc", &key, &hook), 204);
        }
    }
    server.whole();
    let copy = server.bucket()["replicas"].as_object().expect("copies").keys().next().expect("one").clone();
    assert_eq!(hashes(&server.objects(&copy)), hashes(&server.objects("hpc")));
    // An event alone is enough: no comparison of listings is due for an hour.
    let (status, _) = server.apply(|settings| settings["buckets"]["images"]["audit"] = json!("1h"), false);
    assert_eq!(status, 200);
    server.whole();
    let audits = server.bucket()["head"].as_u64();
    write(&server.objects("hpc"), "told", b"told");
    assert_eq!(server.event("hpc", "told", &hook), 204);
    server.until("the change", |bucket| bucket["head"].as_u64() > audits && bucket["replicas"][&copy]["pending"] == 0);
    assert_eq!(fs::read(server.objects(&copy).join("told")).expect("the copy"), b"told");
}

/// F6: the master's disk is replaced by an empty one. Nothing is deleted, and a copy takes over.
#[test]
fn a_wiped_master_wipes_nothing() {
    let server = Server::of_folders("replicas = 2\naudit = \"1s\"\n");
    server.whole();
    for number in 0..3 {
        write(&server.objects("hpc"), &format!("k{number}"), &noise(number, 100));
    }
    server.whole();
    let before = hashes(&server.objects("cc1"));
    let root = server.path("hpc");
    fs::rename(&root, server.path("lost")).expect("the disk is gone");
    server.until("away", |bucket| {
        bucket["replicas"].is_object() && server.get("catalog")["stores"]["hpc"]["state"] == "away"
    });
    fs::create_dir_all(root.join("images")).expect("another disk");
    let held = server.until("held", |bucket| bucket["state"] == "held");
    assert!(held["why"].as_str().expect("why").contains("another one"), "{held}");
    assert_eq!((hashes(&server.objects("cc1")), hashes(&server.objects("cc2"))), (before.clone(), before.clone()));
    assert_eq!(server.events("bucket-held").len(), 1);
    // Writes are refused, and reads go on at the copies.
    assert_eq!(server.try_put("k9", b"x").status().as_u16(), 409);
    assert_eq!(server.read("k0").0, 200);
    let promoted = server.post("buckets/images/promote", &json!({ "store": "cc1" }));
    assert_eq!(promoted["master"], "cc1");
    server.put("after", b"after");
    server.whole();
    let after = hashes(&server.objects("cc1"));
    assert_eq!(after.len(), before.len() + 1);
    let copies = server.bucket()["replicas"].as_object().expect("copies").clone();
    for store in copies.keys() {
        assert_eq!(hashes(&server.objects(store)), after, "{store}");
    }
}

/// F7: a third of the keys gone at once is held, with the number; three keys are deleted.
#[test]
fn a_third_of_the_keys_gone_stops_and_three_go() {
    let server = Server::of_folders("replicas = 1\naudit = \"1s\"\n");
    server.whole();
    for number in 0..60 {
        write(&server.objects("hpc"), &format!("k{number:02}"), &noise(number, 100));
    }
    server.whole();
    let copy = server.bucket()["replicas"].as_object().expect("copies").keys().next().expect("one").clone();
    for number in 0..3 {
        fs::remove_file(server.objects("hpc").join(format!("k{number:02}"))).expect("removed");
    }
    server.whole();
    assert_eq!(hashes(&server.objects(&copy)).len(), 57);
    for number in 3..23 {
        fs::remove_file(server.objects("hpc").join(format!("k{number:02}"))).expect("removed");
    }
    let held = server.until("held", |bucket| bucket["state"] == "held");
    assert!(held["why"].as_str().expect("why").contains("20 of 57"), "{held}");
    assert_eq!(hashes(&server.objects(&copy)).len(), 57);
    // Events of them change nothing.
    let hook = server.hook("hpc");
    for number in 3..23 {
        server.event("hpc", &format!("k{number:02}"), &hook);
    }
    assert_eq!(hashes(&server.objects(&copy)).len(), 57);
    server.post("buckets/images/release", &Value::Null);
    server.whole();
    assert_eq!(hashes(&server.objects(&copy)), hashes(&server.objects("hpc")));
    // The whole bucket gone is no deletion of its objects either.
    fs::rename(server.objects("hpc"), server.path("hpc-lost")).expect("moved");
    let held = server.until("held", |bucket| bucket["state"] == "held");
    assert!(held["why"].as_str().expect("why").contains("not at its master"), "{held}");
    assert_eq!(hashes(&server.objects(&copy)).len(), 37);
}

/// F9: what is deleted while a copy is filled does not come back.
#[test]
fn a_delete_during_the_first_fill_stays_deleted() {
    let server = Server::of_folders("replicas = 2\n");
    for number in 0..300 {
        server.put(&format!("k{number:03}"), &noise(number, 2_000));
        if number % 3 == 0 {
            assert_eq!(server.ask(Method::DELETE, &format!("objects/images/k{:03}", number / 2), None).0, 204);
        }
    }
    server.whole();
    let master = hashes(&server.objects("hpc"));
    assert!(!master.contains_key("k000"));
    assert_eq!((hashes(&server.objects("cc1")), hashes(&server.objects("cc2"))), (master.clone(), master));
}

/// F18, F19: zones hold master, copies and server; a master moves inside before anything is removed, and no write is lost.
#[test]
fn zones_hold_every_copy_and_a_moved_master_loses_no_write() {
    let server = Server::of_folders("replicas = 1\nzones = [\"fast\"]\n");
    server.whole();
    let copies: Vec<String> = server.bucket()["replicas"].as_object().expect("copies").keys().cloned().collect();
    assert_eq!(copies, ["cc1"]);
    assert!(!server.objects("cc2").exists());
    let refused = |change: &dyn Fn(&mut Value), at: &str| {
        let (status, problem) = server.apply(change, false);
        let refused = &problem["plan"]["refused"];
        let is_named = refused.as_array().is_some_and(|all| all.iter().any(|one| one["at"] == at && one["hint"] != ""));
        assert!(status == 422 && is_named, "{at}: {status} {problem}");
    };
    refused(&|settings| settings["places"]["hpc"]["zones"] = json!(["germany"]), "buckets.images.zones");
    refused(&|settings| settings["buckets"]["images"]["zones"] = json!(["mars"]), "buckets.images.zones");
    refused(&|settings| settings["buckets"]["images"]["replicas"] = json!(2), "buckets.images.replicas");
    refused(&|settings| settings["server"]["place"] = json!("cc2"), "buckets.images.zones");
    refused(&|settings| settings["server"] = json!({}), "buckets.images.zones");
    refused(
        &|settings| {
            settings["buckets"]["images"]["at"] = json!(["cc2"]);
        },
        "buckets.images.at",
    );
    // Under writes the master's place leaves the zone: the copy becomes the master.
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let written: BTreeSet<String> = std::thread::scope(|scope| {
        let (server, is_over) = (&server, &is_over);
        let writer = scope.spawn(move || {
            let mut written = BTreeSet::new();
            let mut number = 0;
            // A test that fails meanwhile does not wait for it.
            while (!is_over.load(std::sync::atomic::Ordering::Relaxed) && number < 100_000) || number < 100 {
                let key = format!("w{number:05}");
                let answer = server.try_put(&key, &noise(number, 200));
                assert_eq!(answer.status().as_u16(), 200, "{key}");
                written.insert(key);
                number += 1;
            }
            written
        });
        let change = |settings: &mut Value| {
            settings["places"]["hpc"]["zones"] = json!(["germany"]);
            settings["buckets"]["images"]["replicas"] = json!(0);
        };
        let (status, plan) = server.apply(change, true);
        assert_eq!(status, 200, "{plan}");
        assert!(plan["steps"].as_array().expect("steps").iter().any(|step| step["step"] == "move-master"), "{plan}");
        server.until("moved", |bucket| bucket["master"] == "cc1");
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        writer.join().expect("a writer")
    });
    server.until("alone", |bucket| bucket["replicas"].as_object().is_some_and(serde_json::Map::is_empty));
    let found: BTreeSet<String> = hashes(&server.objects("cc1")).into_keys().collect();
    assert_eq!(found, written);
    assert!(!server.objects("hpc").exists() && !server.objects("cc2").exists());
}

/// F20: what somebody writes into a copy is kept aside, and the master's is there again. It makes no loop.
#[test]
fn a_foreign_write_into_a_copy_is_kept_aside() {
    let server = Server::of_folders("at = [\"cc1\"]\naudit = \"1s\"\n");
    server.whole();
    write(&server.objects("hpc"), "k", b"the master's");
    server.whole();
    write(&server.objects("cc1"), "k", b"somebody's");
    write(&server.objects("cc1"), "new", b"somebody's, too");
    server.until("restored", |_| server.get("conflicts").as_array().is_some_and(|all| all.len() == 2));
    server.whole();
    assert_eq!(hashes(&server.objects("cc1")), hashes(&server.objects("hpc")));
    let kept: BTreeSet<String> = hashes(&server.path("cc1").join("dyninka-conflicts")).into_values().collect();
    let both = ["somebody's", "somebody's, too"].map(|text| blake3::hash(text.as_bytes()).to_string());
    assert_eq!(kept, BTreeSet::from(both));
    let head = server.bucket()["head"].clone();
    server.whole();
    assert_eq!((server.bucket()["head"].clone(), server.get("conflicts").as_array().map(Vec::len)), (head, Some(2)));
}

/// F21: a bucket of that name that is somebody's is not touched, until it is to be adopted; then its objects are kept.
#[test]
fn a_bucket_of_somebody_else_is_refused_and_adopted_when_asked() {
    let server = Server::of_folders("replicas = 0\n");
    server.put("ours", b"ours");
    write(&server.objects_made("cc1"), "theirs", b"theirs");
    let (status, _) = server.apply(|settings| settings["buckets"]["images"]["at"] = json!(["cc1"]), false);
    assert_eq!(status, 200);
    let bucket = server.until("refused", |bucket| bucket["replicas"]["cc1"]["state"] == "refusing");
    assert!(bucket["replicas"]["cc1"]["trouble"].as_str().expect("why").contains("adopt"), "{bucket}");
    assert_eq!(hashes(&server.objects("cc1")).keys().collect::<Vec<_>>(), ["theirs"]);
    let (status, _) = server.apply(|settings| settings["buckets"]["images"]["adopt"] = json!(true), false);
    assert_eq!(status, 200);
    server.whole();
    assert_eq!(hashes(&server.objects("cc1")).keys().collect::<Vec<_>>(), ["ours"]);
    assert_eq!(server.get("conflicts")[0]["key"], "theirs");
    // A copy's bucket that is removed by hand is made again.
    fs::remove_dir_all(server.objects("cc1")).expect("removed");
    server.whole();
    assert_eq!(hashes(&server.objects("cc1")), hashes(&server.objects("hpc")));
}

impl Server {
    /// The bucket's folder, made by hand.
    pub(crate) fn objects_made(&self, store: &str) -> std::path::PathBuf {
        let folder = self.objects(store);
        fs::create_dir_all(&folder).expect("a bucket");
        folder
    }
}
