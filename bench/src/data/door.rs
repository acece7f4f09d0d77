//! The data server's door for functions of others: beside Caddy before the same function, and its policies over unequal functions.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::Router;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::server::Server;
use super::{BUSY, Pair, Run};
use crate::chain::cell::ratio;
use crate::chain::load;
use crate::load::{Check, Goal, Wire};
use crate::report::{Row, Target};
use crate::sample::Sample;

/// What a function takes in each place: a fiftieth of what FaDO's authors measured at their three clusters.
const TAKES: [(&str, f64); 3] = [("hpc", 912.0 / 50.0), ("cloud1", 1039.0 / 50.0), ("cloud2", 5596.0 / 50.0)];

/// Requests at once to them.
const USERS: usize = 8;

/// A data server with a bucket in every place, each with a folder and an endpoint.
struct Door {
    server: Server,
    at: SocketAddr,
    settings: Value,
}

impl Door {
    async fn start(run: &Run<'_>, endpoints: &[(&str, String)]) -> anyhow::Result<Self> {
        let (server, at) = Server::with_door(run).await?;
        let each = |of: &dyn Fn(&str, &str) -> Value| -> Value {
            endpoints
                .iter()
                .map(|(name, url)| ((*name).to_owned(), of(name, url)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let folder = server.home().join("stores").display().to_string();
        for (name, _) in endpoints {
            std::fs::create_dir_all(server.home().join("stores").join(name)).context("make the folder of a store")?;
        }
        let (first, others) = endpoints.split_first().context("there is no endpoint")?;
        let others: Vec<_> = others.iter().map(|(name, _)| *name).collect();
        let settings = json!({
            "places": each(&|_, _| json!({})),
            "stores": each(&|name, _| json!({ "place": name, "folder": format!("{folder}/{name}") })),
            "endpoints": each(&|name, url| json!({ "place": name, "url": url })),
            "buckets": { "images": { "master": first.0, "at": others } },
        });
        server.good(server.ask(Method::POST, "apply").json(&json!({ "settings": settings }))).await?;
        server.whole("images").await?;
        Ok(Self { server, at, settings })
    }

    async fn pick_by(&self, policy: &str) -> anyhow::Result<()> {
        let mut settings = self.settings.clone();
        settings["buckets"]["images"]["route"] = json!({ "policy": policy });
        self.server.good(self.server.ask(Method::POST, "apply").json(&json!({ "settings": settings }))).await.map(drop)
    }

    fn goal(&self) -> Goal {
        goal(self.at)
    }
}

fn goal(at: SocketAddr) -> Goal {
    let headers = "Dyninka-Data: images/1\r\n".to_owned();
    Goal { wire: Wire::Http { address: at, headers }, check: Check::Status(200) }
}

/// The door before a function, beside Caddy before the same.
pub(super) async fn beside(run: &Run<'_>, caddy: &Goal, function: &str) -> anyhow::Result<Vec<Row>> {
    let door = Door::start(run, &[("hpc", format!("http://{function}"))]).await?;
    let goals = [door.goal(), caddy.clone()];
    let Pair { medians, rates, wrong } = run.pair(&goals).await?;
    let name = "the door over Caddy, before the same function";
    let one = ratio(&medians[0], &medians[1]);
    let one = Row::sample(&format!("{name}: p50"), "process", "x", &one, Some(Target::P50(1.0)));
    let many = ratio(&rates[0], &rates[1]);
    let many =
        Row::sample(&format!("{name}: requests/s at {BUSY}"), "process", "x", &many, Some(Target::P50AtLeast(1.2)));
    Ok(vec![one, many.note(format!("{wrong} requests of both were not answered"))])
}

/// What requests take on average by each policy, where one of three functions is six times as slow as the quickest.
pub(super) async fn policies(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    // They end with this function.
    let mut functions = JoinSet::new();
    let mut endpoints = Vec::new();
    for (name, ms) in TAKES {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        endpoints.push((name, format!("http://{}", listener.local_addr().context("listen")?)));
        let takes = Duration::from_secs_f64(ms / 1e3);
        let answers = Router::new().fallback(move || async move { tokio::time::sleep(takes).await });
        functions.spawn(async move { axum::serve(listener, answers).await });
    }
    let door = Door::start(run, &endpoints).await?;
    let mut means = [("round_robin", Vec::new()), ("least_conn", Vec::new()), ("latency", Vec::new())];
    for _ in 0..run.options.rounds {
        for (policy, means) in &mut means {
            door.pick_by(policy).await?;
            let tally = load(&door.goal(), run.load(USERS)).await?;
            ensure!(tally.right == tally.asked(), "{policy}: {}", tally.complaints());
            // Each of the users has one request open all the time.
            means.push(USERS as f64 * 1e3 / tally.per_second());
        }
    }
    let [(_, robin), (_, least), (_, latency)] = &means;
    let mut rows = vec![
        Row::sample("mean by least_conn over round_robin", "", "x", &ratio(least, robin), Some(Target::P50(0.6))),
        Row::sample("mean by latency over least_conn", "", "x", &ratio(latency, least), Some(Target::P50(1.0))),
    ];
    for (policy, means) in &means {
        let mut sample = Sample::default();
        means.iter().for_each(|ms| sample.push(*ms));
        rows.push(Row::sample(&format!("mean by {policy}"), "", "ms", &sample, None));
    }
    Ok(rows)
}
