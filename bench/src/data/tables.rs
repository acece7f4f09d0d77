//! Tables that change under load: a bucket's copy goes from place to place each second, and then ten times a second.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use protocol::near::{NearBucket, NearCopy, NearTable};

use super::Run;
use super::places::{Door, PROCESS, Places, Shape, TWO};
use crate::chain::load;
use crate::load::{Length, Load};
use crate::report::{Row, Target};
use crate::sample::Sample;

pub(super) const HEADER: (&str, &str) = ("dyninka-data", "images/cats/1.jpg");
/// Users of the ramp: as many as the thesis had.
pub(super) const USERS: usize = 30;
/// Steps of the ramp.
pub(super) const STEPS: usize = 6;
/// Requests that are asked of each table by itself.
const ASKED: usize = 3;
/// Milliseconds from a change to the first answer by it.
const SOON: f64 = 50.0;

/// What came of the changes of one pace.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) made: u64,
    pub(super) wrong: u64,
    /// Milliseconds from the change to an answer from the right place.
    pub(super) first: Sample,
}

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let shape = Shape { fetch: PROCESS, is_near: true, settings: Some(TWO), further: &[] };
    let places = Places::start(&run.setting, &shape).await?;
    let mut teller = Teller::new(&places)?;
    let instances = teller.learn(&places).await?;
    let mut rows = Vec::new();
    let mut idle = Changes::default();
    for _ in 0..20 {
        teller.change(instances, &mut idle).await?;
    }
    for (words, every) in [("a second", Duration::from_secs(1)), ("a tenth of a second", Duration::from_millis(100))] {
        let step = Duration::from_secs_f64(run.options.changing / STEPS as f64);
        let (mut changes, mut asked, mut failed, mut complaints) = (Changes::default(), 0, 0, String::new());
        for users in (1..=STEPS).map(|at| USERS * at / STEPS) {
            let goal = places.goal(&format!("{}: {}\r\n", HEADER.0, HEADER.1))?;
            let ramp =
                Load { connections: users, keep: true, warm: Duration::ZERO, length: Length::Time(step), pace: None };
            let changing = async {
                let (mut clock, begun) = (tokio::time::interval(every), Instant::now());
                while begun.elapsed() < step {
                    clock.tick().await;
                    teller.change(instances, &mut changes).await?;
                }
                anyhow::Ok(())
            };
            let (tally, changed) = tokio::join!(load(&goal, ramp), changing);
            let tally = tally?;
            changed?;
            asked += tally.asked();
            failed += tally.asked() - tally.right;
            complaints = tally.complaints();
        }
        let name = format!("a table each {words}, 1 to {USERS} users");
        let row = Row::value(
            &format!("{name}: failed"),
            "process",
            "",
            super::count(asked),
            failed as f64,
            Some(Target::Exactly(0.0)),
        );
        rows.push(row.note(complaints));
        let name = format!("{name}: answers from another place, once a host was told");
        let told = super::count(changes.made) * ASKED;
        rows.push(Row::value(&name, "process", "", told, changes.wrong as f64, Some(Target::Exactly(0.0))));
        let name = format!("a table each {words}: from the change to the first answer by it");
        let target = Some(Target::P50(SOON));
        rows.push(Row::sample(&name, "process", "ms", &changes.first, target).note(match idle.first.spread() {
            Some(idle) => format!("without load: p50 {:.2} ms, p95 {:.2} ms", idle.p50, idle.p95),
            None => String::new(),
        }));
    }
    Ok(rows)
}

/// Tells hosts tables, and asks where requests go.
struct Teller {
    doors: Vec<Door>,
    client: reqwest::Client,
    url: String,
    number: u64,
}

impl Teller {
    fn new(places: &Places) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        Ok(Self {
            doors: places.doors()?,
            client: client.context("make a client")?,
            url: places.session.url()?,
            number: 0,
        })
    }

    /// The instances in hpc and in cc1, by their processes.
    async fn learn(&mut self, places: &Places) -> anyhow::Result<[u64; 2]> {
        let mut found = [0; 2];
        for (at, place) in ["hpc", "cc1"].into_iter().enumerate() {
            self.tell(place).await?;
            found[at] = self.answer().await?;
        }
        let known = places.processes()?;
        ensure!(found[0] != found[1] && found.iter().all(|pid| known.contains(pid)), "{found:?} are no two instances");
        Ok(found)
    }

    /// The copy moves, and requests have to follow.
    async fn change(&mut self, instances: [u64; 2], changes: &mut Changes) -> anyhow::Result<()> {
        let at = usize::from(self.number % 2 == 1);
        let begun = Instant::now();
        self.tell(["hpc", "cc1"][at]).await?;
        changes.made += 1;
        for asked in 0..ASKED {
            let from = self.answer().await?;
            changes.wrong += u64::from(from != instances[at]);
            if asked == 0 {
                changes.first.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        Ok(())
    }

    async fn tell(&mut self, place: &str) -> anyhow::Result<()> {
        self.number += 1;
        let copy = NearCopy { store: place.to_owned(), through: self.number, is_away: false };
        let images = NearBucket { master: place.to_owned(), at: [(place.to_owned(), copy)].into() };
        let table = NearTable {
            epoch: "bench".to_owned(),
            number: self.number,
            buckets: [("images".to_owned(), images)].into(),
            ..NearTable::default()
        };
        for door in &self.doors {
            let told = self.client.put(&door.url).bearer_auth(&door.token).json(&table).send().await;
            let status = told.context("tell a host")?.status();
            ensure!(status.is_success(), "a host does not take a table: {status}");
        }
        Ok(())
    }

    /// The process that answers.
    async fn answer(&self) -> anyhow::Result<u64> {
        let answer = self.client.get(&self.url).header(HEADER.0, HEADER.1).send().await.context("ask")?;
        let text = answer.error_for_status().context("ask")?.text().await.context("read an answer")?;
        text.trim().parse().with_context(|| format!("read {text}"))
    }
}
