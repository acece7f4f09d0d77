//! Stores that keep more than the newest version: versioned masters, delete markers, and objects that a lock keeps.

use serde_json::{Value, json};

use crate::faults_s3::server;
use crate::odd::{Mood, Odd};
use crate::server::{Hashes, Server, hashes, noise};
use crate::weed::Weed;

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_string()
}

/// F17: of a versioned master the newest version counts, a delete marker is a deletion, and what is older is nobody's matter.
#[test]
fn versioned_master_is_followed_as_it_is_now() {
    let weed = Weed::start();
    weed.shell("s3.bucket.create -name images");
    weed.shell("s3.bucket.versioning -name images -enable");
    let server = server("s3", weed.port(), "");
    server.whole();
    let mut wanted = Hashes::new();
    for number in 0..30_u64 {
        let key = format!("k{:02}", number % 10);
        server.put(&key, &noise(number, 2_000));
        wanted.insert(key, hash(&noise(number, 2_000)));
    }
    server.whole();
    assert_eq!(hashes(&server.objects("hpc")), wanted);
    let delete = |key: &str| {
        let (status, answer) = server.ask(reqwest::Method::DELETE, &format!("objects/images/{key}"), None);
        assert_eq!(status, 204, "{answer}");
    };
    delete("k00");
    wanted.remove("k00");
    server.whole();
    assert_eq!(hashes(&server.objects("hpc")), wanted, "a marker is a deletion");
    server.put("k00", b"back");
    wanted.insert("k00".to_owned(), hash(b"back"));
    // What is written while versions are suspended replaces what was.
    weed.shell("s3.bucket.versioning -name images -suspend");
    server.put("k01", b"suspended");
    wanted.insert("k01".to_owned(), hash(b"suspended"));
    delete("k02");
    wanted.remove("k02");
    server.whole();
    assert_eq!(hashes(&server.objects("hpc")), wanted);
    assert_eq!(server.get("conflicts"), json!([]));
    let verified = server.post("buckets/images/verify", &Value::Null);
    assert_eq!((verified["copies"].clone(), verified["wrong"].clone()), (json!(9), json!([])));
}

/// F17: a copy whose bucket locks its versions has the state of the master, and goes when it is to go.
#[test]
fn copy_that_locks_its_versions_follows_and_leaves() {
    let weed = Weed::start();
    let server = server("hpc", weed.port(), "");
    server.whole();
    weed.shell("s3.bucket.lock -name images -enable");
    server.put("kept", b"one");
    server.put("gone", b"one");
    server.whole();
    server.put("kept", b"two");
    let (status, _) = server.ask(reqwest::Method::DELETE, "objects/images/gone", None);
    assert_eq!(status, 204);
    server.whole();
    assert_eq!(server.read("kept?store=s3"), (200, b"two".to_vec()));
    assert_eq!(server.ask(reqwest::Method::GET, "objects/images/gone?store=s3", None).0, 404);
    // The copy leaves: what it keeps of older versions is no trouble.
    let (status, answer) = server.apply(|settings| settings["buckets"]["images"]["replicas"] = json!(0), false);
    assert_eq!(status, 200, "{answer}");
    server.until("gone", |bucket| bucket["replicas"].as_object().is_some_and(serde_json::Map::is_empty));
}

/// F17: an object that a store does not let go of is named with the reason; the others go on, and it is tried again by wish.
#[test]
fn object_that_a_lock_keeps_is_named_and_the_others_go_on() {
    let odd = Odd::start();
    let text = format!(
        "[places.hpc]\n[stores.hpc]\nplace = \"hpc\"\nfolder = \"FOLDER/hpc\"\n{}[server]\nplace = \"s3\"\n\
         [buckets.images]\nmaster = \"hpc\"\nreplicas = 1\naudit = \"1s\"\n",
        Weed::settings("s3", odd.port)
    );
    let server = Server::start(&text);
    std::fs::write(server.path("s3.key"), "key").expect("written");
    std::fs::write(server.path("s3.secret"), "secret").expect("written");
    for key in ["locked/deleted", "locked/overwritten", "free"] {
        server.put(key, b"one");
    }
    server.whole();
    odd.set(Mood::Locked);
    let (status, _) = server.ask(reqwest::Method::DELETE, "objects/images/locked/deleted", None);
    assert_eq!(status, 204);
    server.put("locked/overwritten", b"two");
    let bucket = server.until("named", |bucket| bucket["replicas"]["s3"]["failed"] == 2);
    let trouble = bucket["replicas"]["s3"]["trouble"].as_str().expect("why");
    assert!(trouble.contains("locked/") && trouble.contains("the store keeps it: AccessDenied"), "{trouble}");
    assert!(trouble.contains("resume"), "{trouble}");
    server.put("free", b"two");
    server.put("new", b"one");
    let bucket = server.until("the others", |bucket| bucket["replicas"]["s3"]["pending"] == 2);
    assert_eq!(bucket["replicas"]["s3"]["state"], "behind");
    let copies = odd.hashes();
    assert_eq!((&copies["free"], &copies["new"]), (&hash(b"two"), &hash(b"one")));
    assert_eq!((&copies["locked/deleted"], &copies["locked/overwritten"]), (&hash(b"one"), &hash(b"one")));
    // A comparison tries nothing again, and takes neither for somebody else's.
    server.until("compared", |_| server.events("bucket-held").is_empty());
    assert_eq!(server.get("conflicts"), json!([]));
    odd.set(Mood::Good);
    server.post("buckets/images/resume", &Value::Null);
    server.whole();
    assert_eq!(odd.hashes(), hashes(&server.objects("hpc")));
}
