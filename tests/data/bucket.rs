//! A `Bucket` of an app at a real S3, beside a data server that has the same settings.

use std::fs;

use support::session::{Client, Dev};

use crate::server::Hashes;
use crate::weed::{KEY, Weed};
use crate::{Server, noise};

const APP: &str = r#"use std::time::Duration;

use dyninka::prelude::*;

#[placed(probe)]
static IMAGES: Bucket = Bucket::named("images");

/// Each byte is another than those beside it.
fn large() -> Vec<u8> {
    (0..(17 << 20) + 5).map(|at: usize| (at % 251) as u8).collect()
}

#[service]
async fn probe() -> Result<Vec<String>> {
    let kind = |error: dyninka::BucketError| format!("{:?}", error.kind());
    let mut said = vec![IMAGES.get("first").await?.info.size.to_string()];
    let info = IMAGES.put("cats/ümlaut 1", "meow").await?;
    let part = IMAGES.get_range("cats/ümlaut 1", 1..3).await?;
    said.push(format!("{} {}", String::from_utf8_lossy(&part.bytes), part.info == info));
    said.push(IMAGES.put_if_absent("cats/ümlaut 1", "x").await.map(drop).map_err(kind).unwrap_err());
    let next = IMAGES.put_if_match("cats/ümlaut 1", "purr", &info.tag).await?;
    said.push(IMAGES.put_if_match("cats/ümlaut 1", "x", &info.tag).await.map(drop).map_err(kind).unwrap_err());
    said.push(IMAGES.put_if_match("none", "x", &next.tag).await.map(drop).map_err(kind).unwrap_err());
    let mut writer = IMAGES.write("large");
    for piece in large().chunks(3 << 20) {
        writer.write(piece).await?;
    }
    let written = writer.finish().await?;
    let mut reader = IMAGES.read("large").await?;
    let (same, mut read) = (*reader.info() == written, Vec::new());
    while let Some(piece) = reader.next().await? {
        read.extend(piece);
    }
    said.push(format!("{same} {}", read == large()));
    IMAGES.write("empty").finish().await?;
    said.push(format!("{:?}", IMAGES.read("empty").await?.next().await?));
    said.push(IMAGES.get_range("cats/ümlaut 1", 9..10).await?.bytes.len().to_string());
    let mut given_up = IMAGES.write("given-up");
    given_up.write(&large()).await?;
    drop(given_up);
    said.push(IMAGES.head("given-up").await.map(drop).map_err(kind).unwrap_err());
    IMAGES.put("gone", "x").await?;
    IMAGES.delete("gone").await?;
    IMAGES.delete("gone").await?;
    let page = IMAGES.list("cats/", "").await?;
    said.push(page.objects.into_iter().map(|object| object.key).collect::<Vec<_>>().join(","));
    said.push(IMAGES.url("cats/ümlaut 1", Duration::from_secs(60)).await?);
    Ok(said)
}

#[dyninka::main]
fn main() { probe() }
"#;

#[test]
fn bucket_of_an_app_at_a_real_s3_keeps_conditions_streams_and_signs() {
    let weed = Weed::start();
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("s3.key"), KEY.0).expect("written");
    fs::write(home.path().join("s3.secret"), KEY.1).expect("written");
    let settings = Weed::settings("s3", weed.port()).replace("FOLDER", &home.path().display().to_string());
    let server = Server::start_with(home, &format!("{settings}[buckets.images]\nmaster = \"s3\"\n"));
    let home = server.home.path();
    let bytes = noise(1, 300_000);
    fs::write(home.join("file"), &bytes).expect("written");
    server.says(&["put", "images/first", "file"]);
    // The data server's own settings are the app's.
    fs::write(home.join("dyn.toml"), "[data]\nsettings = \"data.toml\"\n").expect("written");
    fs::write(home.join("app.rs"), APP).expect("written");
    let dev = Dev::start(&home.join("app.rs"), "process");
    let client = Client::default();
    let answer = client.get(&dev.url());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let said: Vec<String> = serde_json::from_str(&answer.body).expect("texts");
    let (url, said) = said.split_last().expect("something");
    let wanted =
        ["300000", "eo true", "Changed", "Changed", "Changed", "true true", "None", "0", "NotFound", "cats/ümlaut 1"];
    assert_eq!(said, wanted);
    let fetched = client.get(url);
    assert_eq!((fetched.status, fetched.body.as_str()), (200, "purr"));
    assert_ne!(client.get(&url.replace("1?", "2?")).status, 200, "it is signed for one object");
    let large: Vec<u8> = (0..(17 << 20) + 5).map(|at: usize| (at % 251) as u8).collect();
    let objects: [(&str, &[u8]); 4] =
        [("first", &bytes), ("cats/ümlaut 1", b"purr"), ("large", &large), ("empty", b"")];
    let wanted: Hashes =
        objects.iter().map(|(key, bytes)| ((*key).to_owned(), blake3::hash(bytes).to_string())).collect();
    assert_eq!(weed.hashes("images"), wanted);
    dev.stop();
    // A secret that is wrong is told of the store, and the settings that lack one at their line.
    fs::write(home.join("s3.secret"), "wrong").expect("written");
    let dev = Dev::start(&home.join("app.rs"), "process");
    let answer = client.get(&dev.url());
    assert!(answer.body.contains("the store refuses") && answer.body.contains("(store s3)"), "{}", answer.body);
    assert!(!answer.body.contains("wrong"), "{}", answer.body);
    dev.stop();
}
