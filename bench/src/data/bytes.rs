//! Bytes of objects: what is read of the master for two copies, and what of it passes the data server.

use serde_json::json;

use super::Run;
use super::link::{Link, Way};
use super::server::Server;
use super::stores::{fill, same};
use super::weed::{self, Weed};
use crate::report::{Row, Target};

const SIZE: usize = 1_000_000;
const COUNT: u32 = 50;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let weeds = [Weed::start().await?, Weed::start().await?, Weed::start().await?];
    fill(&weeds[0].store()?, "images", COUNT, SIZE).await?;
    let links = weeds.each_ref().map(|weed| Link::to(weed.port(), Way::NEAR));
    let [from, one, two] = links;
    let (from, one, two) = (from?, one?, two?);
    let server = Server::start(run).await?;
    let stores = json!({
        "from": weed::settings("from", from.port, server.home()),
        "one": weed::settings("one", one.port, server.home()),
        "two": weed::settings("two", two.port, server.home()),
    });
    server.apply(&stores, &json!({})).await?;
    server.up().await?;
    server.apply(&stores, &json!({ "images": { "master": "from", "at": ["one", "two"], "audit": "1h" } })).await?;
    server.whole("images").await?;
    for copy in &weeds[1..] {
        same((&weeds[0].store()?, "images"), (&copy.store()?, "images")).await?;
    }
    let all = f64::from(COUNT) * SIZE as f64;
    let (read, written) = (from.bytes().1 as f64, (one.bytes().0 + two.bytes().0) as f64);
    let name = "two copies filled: bytes read from the master, over the bucket";
    let first = Row::value(name, "", "x", 1, read / all, Some(Target::AtMost(1.1)));
    let name = "two copies filled: bytes of objects that pass the data server, over the bucket";
    let second = Row::value(name, "", "x", 1, (read + written) / all, Some(Target::Exactly(0.0)));
    Ok(vec![
        first.note("each copy is made from the master; requests and listings are counted, too"),
        second
            .note("what moves bytes runs in the server's process: all that is read and all that is written passes it"),
    ])
}
