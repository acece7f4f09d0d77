//! No registry at all.

use images::ship::{Owner, Serve, Served, Ship, ShipError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::made::{SAYS, app, image, keep};
use crate::started::{Removed, containerd, run, run_dyn};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_fetch_from_the_session_what_they_lack() {
    let app = app("served");
    let ship = Serve::start("127.0.0.1:0".parse().unwrap(), "", Owner::new(&app, "here")).await.unwrap();
    let (map, edited) = (image(&app, "map", 1), image(&app, "map", 2));
    assert_eq!(ship.put(&[&map, &edited]).await.unwrap().bytes, 0, "nobody asked for it yet");
    let (_containerd, socket) = containerd();
    let fetch = |reference: String| {
        let words = ["--address", &socket, "--namespace", "k8s.io", "images", "pull", "--plain-http", &reference];
        let words = words.map(str::to_owned);
        tokio::task::spawn_blocking(move || run("ctr", &words.each_ref().map(String::as_str)))
    };
    fetch(ship.reference(&map)).await.unwrap();
    assert_eq!(ship.served().bytes, map.bytes());
    assert_eq!(ship.missing(&[&edited]).await.unwrap().layers, 1);
    fetch(ship.reference(&edited)).await.unwrap();
    assert_eq!(ship.served().bytes, map.bytes() + edited.own_bytes(), "one small layer and two documents");
    // Docker asks differently.
    let reference = ship.reference(&edited);
    let _removed = Removed(reference.clone());
    let said = tokio::task::spawn_blocking(move || run_dyn(&reference)).await.unwrap();
    assert!(said.contains(SAYS), "{said}");
    // What is not kept is not served.
    assert_eq!(ship.prune(&keep(&[ship.reference(&edited)])).await.unwrap().removed, 1);
    assert_eq!(ask(&ship, "GET", &format!("manifests/{}", map.digest), &app).await, 404);
}

#[tokio::test]
async fn only_who_knows_a_digest_gets_something_and_nobody_writes() {
    let app = app("closed");
    let ship = Serve::start("127.0.0.1:0".parse().unwrap(), "", Owner::new(&app, "here")).await.unwrap();
    let map = image(&app, "map", 1);
    ship.put(&[&map]).await.unwrap();
    assert_eq!(ask(&ship, "HEAD", &format!("manifests/{}", map.digest), &app).await, 200);
    assert_eq!(ship.served(), Served::default(), "a question is no answer");
    assert_eq!(ask(&ship, "GET", &format!("blobs/{}", map.config_digest), &app).await, 200);
    for (method, path, expected) in [
        ("GET", "tags/list".to_owned(), 404),
        ("GET", "manifests/latest".to_owned(), 404),
        ("GET", format!("blobs/{}", "sha256:../../etc/passwd"), 404),
        ("POST", "blobs/uploads/".to_owned(), 405),
        ("DELETE", format!("manifests/{}", map.digest), 405),
    ] {
        assert_eq!(ask(&ship, method, &path, &app).await, expected, "{method} {path}");
    }
    assert_eq!(ask(&ship, "GET", &format!("manifests/{}", map.digest), "other").await, 404);
    let taken = Serve::start(ship.address(), "", Owner::new(&app, "here")).await.err().unwrap();
    assert!(matches!(taken, ShipError::Bind { .. }) && taken.mend().is_some(), "{taken}");
}

/// The status of an answer.
async fn ask(ship: &Serve, method: &str, path: &str, app: &str) -> u16 {
    let mut stream = TcpStream::connect(ship.address()).await.unwrap();
    let request = format!("{method} /v2/dyninka/{app}/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let head = String::from_utf8_lossy(&answer[..12]).into_owned();
    head.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
}
