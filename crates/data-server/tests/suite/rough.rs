//! Rough treatment: kills under writes, two servers of one catalog, bodies that nobody meant.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use store::rusqlite::Connection;

use crate::server::{Server, hashes, noise};

/// F3: the server is killed under writes. What it said is written is at every copy, and its file is whole at any moment.
#[test]
fn writes_that_were_told_survive_every_kill() {
    let mut server = Server::of_folders("replicas = 2\naudit = \"1s\"\n");
    server.whole();
    let told: std::sync::Mutex<BTreeMap<String, String>> = std::sync::Mutex::default();
    for kill in 0..6_u64 {
        let (is_over, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let killed = std::thread::scope(|scope| {
            for writer in 0..4_u64 {
                let (put, told, is_over, count) = (server.putter(), &told, &is_over, &count);
                scope.spawn(move || {
                    for number in 0.. {
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                        let (key, bytes) = (format!("{kill}/{writer}/{number:05}"), noise(number, 700));
                        // A write that was cut off may be there or not.
                        let Ok(answer) = put(&key, bytes.clone()) else { break };
                        assert_eq!(answer.status().as_u16(), 200, "{key}");
                        told.lock().expect("told").insert(key, blake3::hash(&bytes).to_string());
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            // Amid the writes.
            let begun = std::time::Instant::now();
            while count.load(Ordering::Relaxed) < 40 + kill * 7 {
                assert!(begun.elapsed() < crate::server::PATIENCE, "nothing is written");
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            let snapshot = (kill % 2 == 0).then(|| snapshot(&server));
            server.kill();
            is_over.store(true, Ordering::Relaxed);
            snapshot
        });
        if let Some(folder) = killed {
            let connection = Connection::open(folder.path().join("catalog.db")).expect("the copy opens");
            let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
            assert_eq!(check, "ok");
        }
        server.run();
        // It reads as soon as it answers.
        let key = told.lock().expect("told").keys().last().expect("a key").clone();
        server.until("up", |_| server.read(&key).0 == 200);
    }
    server.whole();
    let master = hashes(&server.objects("hpc"));
    let told = told.into_inner().expect("told");
    assert!(told.len() >= 240, "{}", told.len());
    for (key, hash) in &told {
        assert_eq!(master.get(key), Some(hash), "{key}");
    }
    for store in ["cc1", "cc2"] {
        assert_eq!(hashes(&server.objects(store)), master, "{store}");
    }
}

/// The files of the catalog as a power cut leaves them: of one moment.
fn snapshot(server: &Server) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    server.signal("-STOP");
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        // Without a log there is nothing in it.
        if server.path(name).exists() && name != "catalog.db-shm" {
            std::fs::copy(server.path(name), folder.path().join(name)).expect("copied");
        }
    }
    server.signal("-CONT");
    folder
}

/// F26: a second server of one catalog does not start, says why, and harms nobody.
#[test]
fn second_server_of_one_catalog_is_refused() {
    let server = Server::of_folders("replicas = 1\n");
    server.put("a", b"a");
    let mut second = Command::new(std::env::current_exe().expect("this program"));
    second.args(["--exact", "server::a_server", "--ignored", "--nocapture"]);
    let second = second.env("DYN_TEST_DATA_SERVER", server.folder.path()).output().expect("it runs");
    let words = format!("{}{}", String::from_utf8_lossy(&second.stdout), String::from_utf8_lossy(&second.stderr));
    assert!(!second.status.success() && words.contains("another process uses the store"), "{words}");
    server.put("b", b"b");
    server.whole();
    assert_eq!(hashes(&server.objects("hpc")).len(), 2);
}

/// F28: bodies of any make are refused, and nothing comes of them.
#[test]
fn hostile_bodies_are_refused_and_change_nothing() {
    let server = Server::of_folders("replicas = 1\n");
    server.put("a", b"a");
    server.whole();
    let before = server.get("settings");
    let hook = server.hook("hpc");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{{\"settings\":{}1{}}}", "{\"places\":".repeat(50_000), "}".repeat(50_000));
    let huge = format!("{{\"settings\":{{\"places\":{{\"{}\":{{}}}}}}}}", "x".repeat(5 << 20));
    let many: Vec<String> = (0..200_000).map(|number| format!("\"k{number}\"")).collect();
    let many = format!("{{\"settings\":{{\"buckets\":{{\"images\":{{\"only\":[{}]}}}}}}}}", many.join(","));
    let texts: [(&str, &[u16]); 11] = [
        (&deep, &[400, 422]),
        (&nested, &[400, 422]),
        (&huge, &[0, 413]),
        (&many, &[200, 422]),
        ("{\"settings\":{\"stores\":{},\"unknown\":1}}", &[422]),
        ("{\"settings\":[]}", &[422]),
        ("{\"settings\":{\"places\":{\"hpc\":[]}}}", &[422]),
        ("[[]]", &[422]),
        ("{\"settings\":{},\"revision\":-1}", &[422]),
        ("\u{0}", &[400]),
        ("", &[400]),
    ];
    for (text, statuses) in texts {
        for path in ["plan", "apply"] {
            // What may be planned is not asked for here.
            if path == "apply" && statuses.contains(&200) {
                continue;
            }
            let (status, answer) = server.post_text(path, text, None);
            assert!(statuses.contains(&status), "{path} {status} {text:.60}: {answer:.300}");
        }
        let (status, answer) = server.post_text("notify/hpc", text, Some(&hook));
        let is_huge = statuses.contains(&413);
        assert!([400, 413].contains(&status) || is_huge && status == 0, "notify {status} {text:.60}: {answer:.300}");
        let (status, _) = server.post_text("buckets/images/promote", text, None);
        assert!([400, 413, 422].contains(&status) || is_huge && status == 0, "promote {status} {text:.60}");
    }
    // Types that are none, methods and paths that are not there, another's token, and keys that lead elsewhere.
    for (method, path, body, statuses) in [
        (Method::POST, "apply", None, &[400, 415][..]),
        (Method::PATCH, "settings", Some(json!({})), &[405]),
        (Method::GET, "objects/images?after=%FF", None, &[200, 400]),
        (Method::GET, "objects/..%2F..%2Fetc/passwd", None, &[404]),
        (Method::GET, "objects/images/..%2F..%2Ftoken", None, &[404, 422, 503]),
        (Method::PUT, "objects/images/%00", None, &[422]),
        (Method::PUT, "objects/nothing/a", None, &[404]),
        (Method::GET, "events?after=x", None, &[400]),
        (Method::GET, "buckets/images/wait?within=-1", None, &[400]),
        (Method::POST, "stores/mars/probe", None, &[404]),
        (Method::POST, "buckets/images/promote", Some(json!({ "store": "mars" })), &[409]),
        (Method::POST, "buckets/images/release", None, &[409]),
    ] {
        let (status, answer) = server.ask(method.clone(), path, body.as_ref());
        assert!(statuses.contains(&status), "{method} {path}: {status} {answer}");
    }
    assert_eq!(server.post_text("plan", "{\"settings\":{}}", Some(&hook)).0, 401, "a store's token");
    // Half a request, and none, keep nobody.
    let address = std::fs::read_to_string(server.path("address")).expect("an address");
    for bytes in [&b"POST /v1/apply HTTP/1.1\r\ncontent-length: 999999999\r\n\r\n{"[..], b"\x16\x03\x01garbage\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.write_all(bytes).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("ended");
        let mut answer = Vec::new();
        // An answer or none.
        drop(stream.read_to_end(&mut answer));
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!((server.get("settings"), server.read("a")), (before, (200, b"a".to_vec())));
    assert_eq!(server.get("conflicts"), Value::Array(Vec::new()));
}
