//! Caddy with a route by header, as FaDO sends requests to their data: before the host of a function, and changed under load.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use super::door;
use super::places::{PROCESS, Places, Shape, TWO};
use super::tables::{Changes, HEADER, STEPS, USERS};
use super::{BUSY, Pair, Run, programs};
use crate::chain::cell::ratio;
use crate::chain::load;
use crate::chain::process::{Process, free_port};
use crate::load::{Check, Goal, Length, Load, Wire, address};
use crate::report::{Row, Target};
use crate::shadow;

const VERSION: &str = "2.11.7";
/// A Caddy. It ends with its handle.
struct Caddy {
    process: Process,
    admin: u16,
    client: reqwest::Client,
}

impl Caddy {
    fn start(to: &str) -> anyhow::Result<Self> {
        let own = programs().join(format!("caddy-{VERSION}"));
        let program = Some(own).filter(|own| own.is_file()).or_else(|| shadow::find("caddy"));
        let program = program.context("caddy is not installed: `tests/testbed/stores rivals` downloads it")?;
        let folder = tempfile::tempdir().context("make a folder")?;
        let (port, admin) = (free_port()?, free_port()?);
        let route = json!({
            "match": [{ "header": { "Dyninka-Data": ["images/*"] } }],
            "handle": [{ "handler": "reverse_proxy", "upstreams": [{ "dial": to }] }],
        });
        let config = json!({
            "admin": { "listen": format!("127.0.0.1:{admin}") },
            "apps": { "http": { "servers": { "near": { "listen": [format!("127.0.0.1:{port}")], "routes": [route] } } } },
        });
        let file = folder.path().join("caddy.json");
        std::fs::write(&file, config.to_string()).context("write Caddy's configuration")?;
        let (home, file) = (format!("HOME={}", folder.path().display()), file.display().to_string());
        let program = program.display().to_string();
        let words = ["env", "-u", "XDG_CONFIG_HOME", "-u", "XDG_DATA_HOME", &home, &program, "run", "--config", &file];
        let process = Process::server(&words, port, folder)?;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        Ok(Self { process, admin, client: client.context("make a client")? })
    }

    fn goal(&self) -> Goal {
        goal(self.process.address)
    }

    /// Sends the route elsewhere.
    async fn lead(&self, to: &str) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}/config/apps/http/servers/near/routes/0/handle/0/upstreams", self.admin);
        let told = self.client.patch(url).json(&json!([{ "dial": to }])).send().await.context("tell Caddy")?;
        ensure!(told.status().is_success(), "Caddy does not take a route: {}", told.status());
        Ok(())
    }

    /// The process that answers.
    async fn answer(&self) -> anyhow::Result<u64> {
        let url = format!("http://{}/", self.process.address);
        let answer = self.client.get(url).header(HEADER.0, HEADER.1).send().await.context("ask Caddy")?;
        let text = answer.error_for_status().context("ask Caddy")?.text().await.context("read an answer")?;
        text.trim().parse().with_context(|| format!("read {text}"))
    }
}

fn goal(at: std::net::SocketAddr) -> Goal {
    let headers = format!("{}: {}\r\n", HEADER.0, HEADER.1);
    Goal { wire: Wire::Http { address: at, headers }, check: Check::Status(200) }
}

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let shape = Shape { fetch: PROCESS, is_near: true, settings: Some(TWO), further: &[] };
    let places = Places::start(&run.setting, &shape).await?;
    let instances = places.instances("fetch")?;
    let [first, second] = &instances[..] else { anyhow::bail!("fetch has {} instances", instances.len()) };
    let caddy = match Caddy::start(first) {
        Ok(caddy) => caddy,
        Err(error) => return Ok(vec![Row::absent("beside Caddy with routes by header", "", &format!("{error:#}"))]),
    };
    let mut rows = before(run, &caddy, first).await?;
    rows.extend(changing(run, &caddy, [first, second]).await?);
    caddy.lead(first).await?;
    rows.extend(door::beside(run, &caddy.goal(), first).await?);
    Ok(rows)
}

/// A function's host asked at once, beside the same through Caddy.
async fn before(run: &Run<'_>, caddy: &Caddy, first: &str) -> anyhow::Result<Vec<Row>> {
    let goals = [goal(address(&format!("http://{first}"))?), caddy.goal()];
    let Pair { medians, rates, wrong } = run.pair(&goals).await?;
    let name = format!("a function's host over Caddy {VERSION} with a route by header before it");
    let one =
        Row::sample(&format!("{name}: p50"), "process", "x", &ratio(&medians[0], &medians[1]), Some(Target::P50(0.6)));
    let many = ratio(&rates[0], &rates[1]);
    let many =
        Row::sample(&format!("{name}: requests/s at {BUSY}"), "process", "x", &many, Some(Target::P50AtLeast(2.0)));
    Ok(vec![one, many.note(format!("{wrong} requests of both were not answered"))])
}

/// Its route changed as often as our tables are.
async fn changing(run: &Run<'_>, caddy: &Caddy, to: [&str; 2]) -> anyhow::Result<Vec<Row>> {
    let mut pids = [0; 2];
    for (pid, to) in pids.iter_mut().zip(to) {
        caddy.lead(to).await?;
        *pid = caddy.answer().await?;
    }
    ensure!(pids[0] != pids[1], "{pids:?} are no two instances");
    let mut rows = Vec::new();
    for (words, every) in [("a second", Duration::from_secs(1)), ("a tenth of a second", Duration::from_millis(100))] {
        let step = Duration::from_secs_f64(run.options.changing / STEPS as f64);
        let (mut changes, mut refused, mut asked, mut failed) = (Changes::default(), 0, 0, 0);
        let mut complaints = String::new();
        for users in (1..=STEPS).map(|at| USERS * at / STEPS) {
            let ramp =
                Load { connections: users, keep: true, warm: Duration::ZERO, length: Length::Time(step), pace: None };
            let changing = async {
                let (mut clock, begun) = (tokio::time::interval(every), Instant::now());
                while begun.elapsed() < step {
                    clock.tick().await;
                    let (at, told) = ((changes.made % 2) as usize, Instant::now());
                    changes.made += 1;
                    // It may stop answering under load: that is what is counted.
                    if caddy.lead(to[at]).await.is_err() {
                        refused += 1;
                        continue;
                    }
                    match caddy.answer().await {
                        Ok(pid) => changes.wrong += u64::from(pid != pids[at]),
                        Err(_) => refused += 1,
                    }
                    changes.first.push(told.elapsed().as_secs_f64() * 1e3);
                }
            };
            let goal = caddy.goal();
            let (tally, ()) = tokio::join!(load(&goal, ramp), changing);
            let tally = tally?;
            asked += tally.asked();
            failed += tally.asked() - tally.right;
            complaints = tally.complaints();
        }
        let name = format!("Caddy {VERSION}, a route each {words}, 1 to {USERS} users: failed");
        let row = Row::value(&name, "", "", super::count(asked), failed as f64, None);
        let told = format!(
            "{} changes, {refused} without an answer, {} answers from another place",
            changes.made, changes.wrong
        );
        rows.push(row.note(told).note(complaints));
        let name = format!("Caddy {VERSION}, a route each {words}: from the change to the first answer after it");
        rows.push(Row::sample(&name, "", "ms", &changes.first, None));
    }
    Ok(rows)
}
