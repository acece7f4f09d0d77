//! Buckets: a folder beside the app as a session starts it, with nothing to set up.

use std::fs;

use support::app;
use support::session::{Client, Dev};

support::on_both_backends!(objects_are_files_beside_the_app_and_outlive_an_edit);

const APP: &str = "use dyninka::prelude::*;

#[placed(keep)]
static NOTES: Bucket = Bucket::named(\"notes\");

#[service]
fn get() -> String {
    \"hello\".to_owned()
}

#[service]
async fn keep(text: String) -> Result<String> {
    let info = NOTES.put(\"a/b\", text).await?;
    let read = NOTES.get_range(\"a/b\", 1..3).await?;
    // In three pieces, of which one is in memory.
    let mut writer = NOTES.write(\"large\");
    for _ in 0..17 {
        writer.write(&[7; 1 << 20]).await?;
    }
    writer.finish().await?;
    let (mut reader, mut size) = (NOTES.read(\"large\").await?, 0);
    while let Some(piece) = reader.next().await? {
        size += piece.len();
    }
    let keys: Vec<String> = NOTES.list(\"\", \"\").await?.objects.into_iter().map(|object| object.key).collect();
    let taken = NOTES.put_if_absent(\"a/b\", \"x\").await.is_err();
    Ok(format!(\"{} {} {size} {keys:?} {taken}\", info.size, String::from_utf8_lossy(&read.bytes)))
}

#[service]
fn last(text: String) -> String {
    // A synchronous function waits.
    text
}

#[dyninka::main]
fn main() { get().keep().last() }
";

fn objects_are_files_beside_the_app_and_outlive_an_edit(on: &str) {
    let (folder, file) = app(APP);
    let mut dev = Dev::launch(&file, &["--on", on, "--port", "0", "--together", "none"]);
    dev.ready = dev.wait_for("ready");
    let buckets = folder.path().canonicalize().expect("a folder").join("buckets");
    let told = |event: &&serde_json::Value| {
        event["event"] == "notice"
            && event["message"].as_str().is_some_and(|words| words.starts_with("buckets are kept in "))
    };
    assert_eq!(dev.seen().iter().filter(told).count(), 1, "{:?}", dev.seen());
    let client = Client::default();
    let answer = client.get(&dev.url());
    let wanted = format!("5 el {} [\"a/b\", \"large\"] true", 17 << 20);
    assert_eq!((answer.status, answer.json().as_str().unwrap_or_default()), (200, wanted.as_str()), "{}", answer.body);
    assert_eq!(fs::read(buckets.join("notes/a/b")).expect("a file"), b"hello");
    assert_eq!(fs::metadata(buckets.join("notes/large")).expect("a file").len(), 17 << 20);
    // What somebody copies there is an object.
    fs::write(buckets.join("notes/by-hand"), "by hand").expect("written");
    let edited = "    let read = NOTES.head(\"by-hand\").wait().map(|info| info.size);
    let none = NOTES.get(\"none\").wait().map(drop).unwrap_err();
    text = format!(\"{} {none}\", read?);
    Ok(text)";
    let text = APP.replace("fn last(text: String) -> String {", "fn last(mut text: String) -> Result<String> {");
    let text = text.replace("#[placed(keep)]\n", "").replace("    // A synchronous function waits.\n    text", edited);
    fs::write(&file, text).expect("written");
    dev.wait_for("live");
    let answer = client.get(&dev.url());
    assert_eq!(answer.json().as_str(), Some("7 notes/none: there is no such object"), "{}", answer.body);
    // A key that leads out of the bucket ends the request with its words, and nothing else.
    let text =
        fs::read_to_string(&file).expect("the app").replace("NOTES.head(\"by-hand\")", "NOTES.head(\"../../app.rs\")");
    fs::write(&file, text).expect("written");
    dev.wait_for("live");
    let answer = client.get(&dev.url());
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(answer.body.contains("no part of a key is . or .."), "{}", answer.body);
    dev.stop();
}
