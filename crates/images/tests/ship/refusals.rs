//! Registries that refuse: each names itself, what was to be done, and how to mend it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use images::ship::{Owner, Programs, Registry, RegistryAddress, Ship, ShipError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::made::image;

/// A registry that gives these answers, one a connection, and keeps the heads of what it was asked.
async fn stand_in(answers: &[&str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut answers: VecDeque<String> = answers.iter().map(|answer| answer.replace("HERE", &address)).collect();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some(answer) = answers.pop_front() {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            // The first byte of a TLS handshake is answered as HTTP servers do: in plain words.
            while !head.ends_with(b"\r\n\r\n") && !head.starts_with(&[0x16]) {
                let byte = stream.read_u8().await.unwrap();
                head.push(byte);
            }
            heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, asked)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

async fn open(address: &str, docker_config: Option<&Path>) -> Registry {
    let programs = Programs { docker_config: docker_config.map(Path::to_owned), ..Programs::default() };
    Registry::open(RegistryAddress::read(address).unwrap(), None, Owner::new("a", "here"), &programs).await.unwrap()
}

#[tokio::test]
async fn each_refusal_names_registry_deed_and_mend() {
    let map = image("a", "map", 1);
    for (status, body, mend) in [
        ("401 Unauthorized", "", "docker login"),
        ("403 Forbidden", r#"{"errors":[{"code":"DENIED","message":"no"}]}"#, "who may push there"),
        ("429 Too Many Requests", "", "wait"),
        ("500 Internal Server Error", "", "look into the log"),
        ("503 Service Unavailable", "<html>", "push again"),
    ] {
        let (address, _) = stand_in(&[&answer(status, "", body)]).await;
        let refused = open(&address, None).await.missing(&[&map]).await.unwrap_err();
        let said = refused.to_string();
        assert!(
            said.starts_with("cannot ask for map.") && said.contains(&address) && said.contains(&status[..3]),
            "{said}"
        );
        assert!(refused.mend().unwrap().contains(mend), "{:?}", refused.mend());
    }
    let absent = answer("404 Not Found", "", "");
    let there = answer("200 OK", "", "");
    let (address, _) = stand_in(&[&absent, &absent, &there, &there, &absent]).await;
    let refused = open(&address, None).await.put(&[&map]).await.unwrap_err();
    assert!(refused.to_string().starts_with("cannot send "), "{refused}");
    assert!(refused.mend().unwrap().contains("want it made before"), "{refused:?}");
    let full = r#"{"errors":[{"code":"UNKNOWN","detail":"write /data: no space left on device"}]}"#;
    let (address, _) =
        stand_in(&[&absent, &absent, &there, &there, &answer("500 Internal Server Error", "", full)]).await;
    let refused = open(&address, None).await.put(&[&map]).await.unwrap_err();
    assert!(matches!(&refused, ShipError::DiskFull { place, .. } if *place == address), "{refused}");
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let refused = open(&address, None).await.missing(&[&image("a", "map", 1)]).await.unwrap_err();
    let said = refused.to_string();
    assert!(said.contains(&format!("{address} cannot be reached")) && said.contains("refused"), "{said}");
    assert!(refused.mend().unwrap().contains("is a registry running"));
    // One that speaks without TLS where TLS is expected.
    let (address, _) = stand_in(&[&answer("200 OK", "", "")]).await;
    let registry = open(&format!("https://{address}"), None).await;
    let refused = registry.missing(&[&image("a", "map", 1)]).await.unwrap_err();
    assert_eq!(refused.mend().unwrap(), format!("{address} seems to speak without TLS: give it as http://{address}"));
}

#[tokio::test]
async fn tokens_are_fetched_with_credentials_and_kept() {
    let config = tempfile::tempdir().unwrap();
    let map = image("a", "map", 1);
    let challenge =
        "www-authenticate: Bearer realm=\"http://HERE/token?x=1\",service=\"tests\",scope=\"repository:a:pull\"\r\n";
    let digest = format!("docker-content-digest: {}\r\n", map.digest);
    let answers = [
        answer("401 Unauthorized", challenge, ""),
        answer("200 OK", "", r#"{"access_token": "t0ken"}"#),
        answer("200 OK", &digest, ""),
        answer("200 OK", &digest, ""),
    ];
    let (address, asked) = stand_in(&answers.each_ref().map(String::as_str)).await;
    // me:secret
    let text = format!("{{\"auths\": {{\"{address}\": {{\"auth\": \"bWU6c2VjcmV0\"}}}}}}");
    std::fs::write(config.path().join("config.json"), text).unwrap();
    let registry = open(&address, Some(config.path())).await;
    registry.missing(&[&map]).await.unwrap();
    registry.missing(&[&map]).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    let [first, token, again, later] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(!first.contains("authorization"), "{first}");
    assert!(token.starts_with("GET /token?x=1&service=tests&scope=repository%3Aa%3Apull "), "{token}");
    assert!(token.contains("authorization: Basic bWU6c2VjcmV0"), "{token}");
    assert!(again.contains("authorization: Bearer t0ken") && later.contains("authorization: Bearer t0ken"));
}

#[tokio::test]
async fn an_identity_token_is_changed_for_one_of_the_registrys() {
    let config = tempfile::tempdir().unwrap();
    let map = image("a", "map", 1);
    let challenge = "www-authenticate: Bearer realm=\"http://HERE/token\",service=\"tests\"\r\n";
    let digest = format!("docker-content-digest: {}\r\n", map.digest);
    let answers = [
        answer("401 Unauthorized", challenge, ""),
        answer("200 OK", "", r#"{"token": "t0ken"}"#),
        answer("200 OK", &digest, ""),
    ];
    let (address, asked) = stand_in(&answers.each_ref().map(String::as_str)).await;
    let text = format!("{{\"auths\": {{\"{address}\": {{\"identitytoken\": \"mine\"}}}}}}");
    std::fs::write(config.path().join("config.json"), text).unwrap();
    open(&address, Some(config.path())).await.missing(&[&map]).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert!(asked[1].starts_with("POST /token ") && !asked[1].contains("mine"), "in the body alone: {}", asked[1]);
    assert!(asked[1].contains("content-type: application/x-www-form-urlencoded"), "{}", asked[1]);
    assert!(asked[2].contains("authorization: Bearer t0ken"), "{}", asked[2]);
}

#[tokio::test]
async fn credentials_go_nowhere_without_tls_but_to_the_registry_itself() {
    let challenge = "www-authenticate: Bearer realm=\"http://elsewhere.invalid/token\"\r\n";
    let map = image("a", "map", 1);
    let (address, asked) = stand_in(&[&answer("401 Unauthorized", challenge, "")]).await;
    let refused = open(&address, None).await.missing(&[&map]).await.unwrap_err();
    assert!(matches!(refused, ShipError::Unsound { .. }), "{refused}");
    assert!(refused.to_string().contains("without TLS at http://elsewhere.invalid/token"), "{refused}");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_upload_to_another_host_goes_without_credentials() {
    let config = tempfile::tempdir().unwrap();
    let map = image("a", "map", 1);
    let (absent, there) = (answer("404 Not Found", "", ""), answer("200 OK", "", ""));
    let (elsewhere, elsewhere_asked) = stand_in(&[&answer("201 Created", "", "")]).await;
    let place = format!("location: http://{elsewhere}/upload?state=1\r\n");
    let basic = answer("401 Unauthorized", "www-authenticate: Basic realm=\"x\"\r\n", "");
    let (started, made) = (answer("202 Accepted", &place, ""), answer("201 Created", "", ""));
    let (address, _) = stand_in(&[&basic, &absent, &absent, &there, &there, &started, &made]).await;
    let text = format!("{{\"auths\": {{\"{address}\": {{\"auth\": \"bWU6c2VjcmV0\"}}}}}}");
    std::fs::write(config.path().join("config.json"), text).unwrap();
    open(&address, Some(config.path())).await.put(&[&map]).await.unwrap();
    let asked = elsewhere_asked.lock().unwrap().clone();
    assert!(asked[0].starts_with("PUT /upload?state=1&digest=sha256%3A"), "{asked:?}");
    assert!(!asked[0].contains("authorization"), "{asked:?}");
}
