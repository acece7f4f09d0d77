//! Memory of the data server: very many objects known, and large ones under way.

use std::path::Path;

use anyhow::Context;
use procfs::process::Process;
use serde_json::json;

use super::Run;
use super::server::Server;
use super::stores::noise;
use crate::memory::resident;
use crate::report::{Row, Target};

/// Files of a folder.
const BRANCH: u32 = 1_000;
const LARGE: usize = 150_000_000;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let places = tempfile::tempdir().context("make a folder")?;
    for place in ["from", "to"] {
        std::fs::create_dir(places.path().join(place)).context("make a folder")?;
    }
    let images = places.path().join("from/images");
    std::fs::create_dir(&images).context("make a folder")?;
    for number in 0..run.options.known {
        let folder = images.join(format!("{:05}", number / BRANCH));
        if number % BRANCH == 0 {
            std::fs::create_dir(&folder).context("make a folder")?;
        }
        std::fs::write(folder.join(format!("{number:08}")), number.to_string()).context("write an object")?;
    }
    let folder = |name: &str| json!({ "place": name, "folder": places.path().join(name).display().to_string() });
    let stores = json!({ "from": folder("from"), "to": folder("to") });
    let server = Server::start(run).await?;
    server.apply(&stores, &json!({ "images": { "master": "from", "audit": "1h" } })).await?;
    server.up().await?;
    let known = server.whole("images").await?;
    let words = format!("memory of the data server, {} objects known", known["objects"]);
    let many = Row::value(&words, "", "MiB", 1, resident(server.pid()?)?, Some(Target::AtMost(200.0)));
    drop(server);
    let peak = large(run, &stores, places.path()).await?;
    let words = "memory of the data server at its most, three objects of 150 MB copied";
    Ok(vec![many, Row::value(words, "", "MiB", 1, peak, Some(Target::AtMost(128.0))).note("it moves the bytes itself")])
}

/// The most memory that a server had that copied large objects.
async fn large(run: &Run<'_>, stores: &serde_json::Value, places: &Path) -> anyhow::Result<f64> {
    let videos = places.join("from/videos");
    std::fs::create_dir(&videos).context("make a folder")?;
    for number in 0..3 {
        std::fs::write(videos.join(number.to_string()), noise(number, LARGE)).context("write an object")?;
    }
    let server = Server::start(run).await?;
    server.apply(stores, &json!({ "videos": { "master": "from", "at": ["to"], "audit": "1h" } })).await?;
    server.whole("videos").await?;
    let pid = i32::try_from(server.pid()?).context("a process id")?;
    let status = Process::new(pid).and_then(|process| process.status()).context("read the status of the server")?;
    let kib = status.vmhwm.context("the kernel does not tell the most memory it had")?;
    Ok(kib as f64 / 1024.0)
}
