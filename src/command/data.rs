//! `dyn data`: a server of replicated buckets, run and asked.

mod client;
#[cfg(feature = "cluster")]
mod pods;
#[cfg(not(feature = "cluster"))]
#[path = "data/pods_absent.rs"]
mod pods;
mod route;
mod serve;
mod settings;

use std::fmt::Write as _;
use std::path::Path;

use data_server::openapi;
use reqwest::Method;
use serde_json::{Value, json};
use session_api::units::many;

use crate::arguments::{Data, DataAct};
use crate::fault::{Fault, Kind};
use crate::{speech, start};
pub(crate) use client::DataClient;

pub(crate) fn run(data: &Data) -> Result<(), Fault> {
    match &data.act {
        DataAct::Openapi => {
            drop(speech::out(openapi()));
            return Ok(());
        }
        DataAct::Import { file } => return settings::import(file),
        _ => {}
    }
    start::runtime()?.block_on(async {
        if let DataAct::Serve { in_pod: true, .. } = &data.act {
            return pods::run().await;
        }
        if let DataAct::Serve { config, catalog, listen, door, .. } = &data.act {
            let token = data.token_file.as_deref();
            return serve::run(config.as_deref(), catalog.as_deref(), (*listen, *door), token).await;
        }
        let client = DataClient::open(data)?;
        match &data.act {
            DataAct::Serve { .. } | DataAct::Openapi | DataAct::Import { .. } => Ok(()),
            DataAct::Status { json } => status(&client, *json).await,
            DataAct::Plan { file, move_master } => settings::plan(&client, file, *move_master).await.map(drop),
            DataAct::Apply { file, move_master, yes } => settings::apply(&client, file, *move_master, *yes).await,
            DataAct::Export => settings::export(&client).await,
            DataAct::Ls { path } => list(&client, path).await,
            DataAct::Get { path, file, store } => client.fetch(path, store.as_deref(), file.as_deref()).await,
            DataAct::Put { path, file } => put(&client, path, file).await,
            DataAct::Rm { path } => client.text(client.request(Method::DELETE, &client::object(path)?)).await.map(drop),
            DataAct::Where { bucket, at_least, zone } => places(&client, bucket, *at_least, zone.as_deref()).await,
            DataAct::Endpoint { act } => route::endpoint(&client, act).await,
            DataAct::Route { act } => route::route(&client, act).await,
            DataAct::Wait { bucket, within } => wait(&client, bucket, *within).await,
            DataAct::Verify { bucket } => verify(&client, bucket).await,
            DataAct::Promote { bucket, store, lose } => {
                let body = json!({ "store": store, "lose": lose });
                let path = format!("buckets/{}/promote", client::escaped(bucket));
                bucket_now(bucket, &client.value(client.request(Method::POST, &path).json(&body)).await?);
                Ok(())
            }
            DataAct::Release { bucket } => act(&client, bucket, "release").await,
            DataAct::Pause { bucket } => act(&client, bucket, "pause").await,
            DataAct::Resume { bucket } => act(&client, bucket, "resume").await,
            DataAct::Conflicts => conflicts(&client).await,
            DataAct::Events { after } => events(&client, *after).await,
            DataAct::Probe { store } => probe(&client, store).await,
            DataAct::Hook { store } => hook(&client, store).await,
        }
    })
}

fn count(value: &Value) -> usize {
    value.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

async fn status(client: &DataClient, json: bool) -> Result<(), Fault> {
    let view = client.value(client.request(Method::GET, "catalog")).await?;
    if json {
        drop(speech::json(view));
        return Ok(());
    }
    let is_empty = |part: &str| view[part].as_object().is_none_or(serde_json::Map::is_empty);
    if is_empty("stores") && is_empty("buckets") {
        drop(speech::out("no stores and no buckets yet: `dyn data apply FILE` takes settings"));
    }
    for (name, store) in view["stores"].as_object().into_iter().flatten() {
        let zones = store["zones"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
        let trouble = store["trouble"].as_str().map(|trouble| format!("  {trouble}")).unwrap_or_default();
        // Whoever reads it may have seen enough.
        drop(speech::out(format_args!(
            "store {name}  {}  {}  {zones}{trouble}",
            text(&store["state"]),
            text(&store["place"])
        )));
    }
    for (name, place) in view["places"].as_object().into_iter().flatten() {
        let words = |list: &str| place[list].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
        let lists = [words("zones"), words("labels")];
        let lists =
            lists.iter().filter(|words| !words.is_empty()).map(|words| format!("  {words}")).collect::<String>();
        drop(speech::out(format_args!("place {name}{lists}")));
    }
    for (name, endpoint) in view["endpoints"].as_object().into_iter().flatten() {
        let trouble = endpoint["trouble"].as_str().map(|why| format!("  {why}")).unwrap_or_default();
        let (place, url) = (text(&endpoint["place"]), text(&endpoint["url"]));
        let served = endpoint["buckets"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
        let served = if served.is_empty() { String::new() } else { format!("  for {served}") };
        drop(speech::out(format_args!("endpoint {name}  {place}  {url}{served}{trouble}")));
    }
    for (name, bucket) in view["buckets"].as_object().into_iter().flatten() {
        bucket_now(name, bucket);
    }
    Ok(())
}

/// A bucket and its copies, a line each.
fn bucket_now(name: &str, bucket: &Value) {
    let size = data::amount::size(bucket["bytes"].as_u64().unwrap_or_default());
    let mut lines = format!(
        "bucket {name}  {}  master {}  {}, {size}",
        text(&bucket["state"]),
        text(&bucket["master"]),
        many(count(&bucket["objects"]), "object")
    );
    // Writing to a text cannot fail.
    if let Some(why) = bucket["why"].as_str() {
        let _written = write!(lines, "\n  {why}");
    }
    if let Some(route) = bucket["route"].as_object() {
        let endpoints = route.get("endpoints").and_then(Value::as_array).into_iter().flatten().map(text);
        let endpoints = endpoints.collect::<Vec<_>>().join(", ");
        let policy = route.get("policy").map(text).unwrap_or_default();
        let _written = write!(lines, "\n  route  {}", format!("{policy}  {endpoints}").trim());
    }
    for (store, replica) in bucket["replicas"].as_object().into_iter().flatten() {
        let _written = write!(lines, "\n  {store}  {}  through {}", text(&replica["state"]), replica["through"]);
        if replica["pending"] != 0 {
            let _written = write!(lines, "  {} to copy", replica["pending"]);
        }
        if let Some(trouble) = replica["trouble"].as_str() {
            let _written = write!(lines, "  {trouble}");
        }
    }
    drop(speech::out(lines));
}

async fn list(client: &DataClient, path: &str) -> Result<(), Fault> {
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let mut after = String::new();
    loop {
        let request = client.request(Method::GET, &format!("objects/{}", client::escaped(bucket)));
        let page = client.value(request.query(&[("prefix", prefix), ("after", &after)])).await?;
        let page = page.as_array().cloned().unwrap_or_default();
        for object in &page {
            let (size, version) = (count(&object["size"]), count(&object["version"]));
            drop(speech::out(format_args!("{size:>12}  {version:>8}  {}", text(&object["key"]))));
        }
        match page.last().map(|last| text(&last["key"]).to_owned()) {
            Some(last) if page.len() >= 1_000 => after = last,
            _ => return Ok(()),
        }
    }
}

async fn put(client: &DataClient, path: &str, file: &Path) -> Result<(), Fault> {
    let wrong = |error: std::io::Error| Fault::new(Kind::Usage, format!("cannot read {}: {error}", file.display()));
    let known = std::fs::metadata(file).map_err(wrong)?;
    if known.is_dir() {
        return Err(Fault::new(Kind::Usage, format!("{} is a folder, and an object is one file", file.display()))
            .hint("copy the folder into that of the master, or put its files one by one"));
    }
    let length = known.len();
    let bytes = tokio::fs::File::open(file).await.map_err(wrong)?;
    let request = client.request(Method::PUT, &client::object(path)?).header("content-length", length);
    let written = client.value(request.body(client::pieces(bytes))).await?;
    drop(speech::out(format_args!("{path}  version {}", written["version"])));
    Ok(())
}

async fn places(client: &DataClient, bucket: &str, at_least: u64, zone: Option<&str>) -> Result<(), Fault> {
    let at_least = at_least.to_string();
    let mut query = vec![("at_least", at_least.as_str())];
    query.extend(zone.map(|zone| ("zone", zone)));
    let request = client.request(Method::GET, &format!("where/{}", client::escaped(bucket))).query(&query);
    let found = client.value(request).await?;
    let found = found.as_array().cloned().unwrap_or_default();
    for at in &found {
        let master = if at["is_master"] == true { "  master" } else { "" };
        drop(speech::out(format_args!("{}  {}{master}", text(&at["store"]), text(&at["state"]))));
    }
    if !found.is_empty() {
        return Ok(());
    }
    let zone = zone.map(|zone| format!(" in the zone {zone}")).unwrap_or_default();
    let new = if at_least == "0" { String::new() } else { format!(" with change {at_least}") };
    Err(Fault::new(Kind::App, format!("no store{zone} has {bucket}{new}"))
        .hint(format!("`dyn data status` lists the copies of {bucket}")))
}

async fn wait(client: &DataClient, bucket: &str, within: u64) -> Result<(), Fault> {
    let begun = std::time::Instant::now();
    loop {
        let left = within.saturating_sub(begun.elapsed().as_secs());
        let path = format!("buckets/{}/wait?within={}", client::escaped(bucket), left.min(30));
        let now = client.value(client.request(Method::GET, &path)).await?;
        let replicas = now["replicas"].as_object().cloned().unwrap_or_default();
        if now["state"] == "following" && replicas.values().all(|replica| replica["state"] == "whole") {
            return Ok(());
        }
        if left == 0 || now["state"] == "held" || now["state"] == "paused" {
            bucket_now(bucket, &now);
            let why = now["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
            return Err(Fault::new(Kind::App, format!("copies of {bucket} are not whole{why}"))
                .hint("`dyn data status` shows stores, and what is wrong with them"));
        }
    }
}

async fn verify(client: &DataClient, bucket: &str) -> Result<(), Fault> {
    let found =
        client.value(client.request(Method::POST, &format!("buckets/{}/verify", client::escaped(bucket)))).await?;
    let size = data::amount::size(found["bytes"].as_u64().unwrap_or_default());
    let copies = count(&found["copies"]);
    let word = if copies == 1 { "copy" } else { "copies" };
    drop(speech::out(format_args!("{copies} {word} of objects read, {size}")));
    let wrong = found["wrong"].as_array().cloned().unwrap_or_default();
    for wrong in &wrong {
        drop(speech::out(format_args!("  {}  {}", text(&wrong["store"]), text(&wrong["key"]))));
    }
    match wrong.len() {
        0 => Ok(()),
        count => Err(Fault::new(Kind::App, format!("{count} copies have other bytes than their original"))
            .hint("they are copied again; see dyn data status")),
    }
}

async fn act(client: &DataClient, bucket: &str, act: &str) -> Result<(), Fault> {
    let path = format!("buckets/{}/{act}", client::escaped(bucket));
    bucket_now(bucket, &client.value(client.request(Method::POST, &path)).await?);
    Ok(())
}

async fn conflicts(client: &DataClient) -> Result<(), Fault> {
    let found = client.value(client.request(Method::GET, "conflicts")).await?;
    for conflict in found.as_array().into_iter().flatten() {
        let (store, bucket, key, kept) = (&conflict["store"], &conflict["bucket"], &conflict["key"], &conflict["kept"]);
        let kept = format!("{}/{}", data::check::CONFLICTS_BUCKET, text(kept));
        drop(speech::out(format_args!("{}  {}/{}  kept as {kept}", text(store), text(bucket), text(key))));
    }
    Ok(())
}

async fn events(client: &DataClient, after: i64) -> Result<(), Fault> {
    let found = client.value(client.request(Method::GET, &format!("events?after={after}"))).await?;
    for event in found.as_array().into_iter().flatten() {
        drop(speech::json(event));
    }
    Ok(())
}

async fn probe(client: &DataClient, store: &str) -> Result<(), Fault> {
    let found = client.value(client.request(Method::POST, &format!("stores/{}/probe", client::escaped(store)))).await?;
    for (ability, has) in found.as_object().into_iter().flatten() {
        let has = if *has == Value::Bool(true) { "yes" } else { "no" };
        drop(speech::out(format_args!("{has:3}  {}", ability.replace('_', " "))));
    }
    Ok(())
}

async fn hook(client: &DataClient, store: &str) -> Result<(), Fault> {
    let found = client.value(client.request(Method::GET, &format!("stores/{}/hook", client::escaped(store)))).await?;
    drop(speech::out(format_args!("{}{}", client.root(), text(&found["path"]))));
    drop(speech::out(format_args!("Authorization: Bearer {}", text(&found["token"]))));
    Ok(())
}
