//! A function that runs near its data, beside one that runs anywhere: copies elsewhere are 20 ms and 50 Mbit/s away.

use std::fmt::Write as _;

use anyhow::Context;
use storage::ObjectHeaders;

use super::Run;
use super::link::{Link, Way};
use super::places::{Places, Shape};
use super::stores::noise;
use super::weed::{self, Weed};
use crate::chain::cell::ratio;
use crate::chain::load;
use crate::report::{Row, Target};

/// Bytes that a request reads.
const SIZE: usize = 200_000;
const PLACES: [&str; 3] = ["cc1", "hpc", "cc2"];

const FETCH: &str = "async fn fetch(wished: u64) -> Result<u64> {
    Ok(wished.min(0) + IMAGES.get(\"cats/1.jpg\").await?.bytes.len() as u64)
}";

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let weed = Weed::start().await?;
    let keys = tempfile::tempdir().context("make a folder")?;
    weed::write_keys(keys.path())?;
    // One program, three stores: the callers' own place reaches its store at once, and the others over a way.
    let ways = [Way::NEAR, Way::far(20.0, 50.0), Way::far(20.0, 50.0)];
    let mut stores = String::new();
    for (place, way) in PLACES.into_iter().zip(ways) {
        let link = Link::to(weed.port(), way)?;
        let bucket = format!("images-{place}");
        weed.store()?.make_bucket(&bucket).await?;
        weed.store()?.put(&bucket, "cats/1.jpg", noise(1, SIZE).into(), &ObjectHeaders::new()).await?;
        let folder = keys.path().display();
        writeln!(
            stores,
            "{place} = {{ place = \"{place}\", endpoint = \"http://127.0.0.1:{}\", credentials = {{ key = {{ file = \
             \"{folder}/s3.key\" }}, secret = {{ file = \"{folder}/s3.secret\" }} }} }}",
            link.port
        )
        .context("write settings")?;
    }
    let settings = format!(
        "places = {{ cc1 = {{}}, hpc = {{}}, cc2 = {{}} }}\n[stores]\n{stores}[buckets]\nimages = {{ master = \"cc1\", at = [\"hpc\", \
         \"cc2\"], names = {{ cc1 = \"images-cc1\", hpc = \"images-hpc\", cc2 = \"images-cc2\" }} }}\n"
    );
    let text = |policy: &str| {
        format!(
            "[data]\nsettings = \"data.toml\"\nplace = \"cc1\"\npolicy = \"{policy}\"\n[services.fetch]\nplaces = [\"cc1\", \
             \"hpc\", \"cc2\"]\n"
        )
    };
    let (near, random) = (text("near"), text("random"));
    let shape = |policy| Shape { fetch: FETCH, is_near: true, settings: Some((policy, &settings)), further: &[] };
    let apps = [Places::start(&run.setting, &shape(&near)).await?, Places::start(&run.setting, &shape(&random)).await?];
    let mut medians = [Vec::new(), Vec::new()];
    let (mut asked, mut wrong) = (0, 0);
    for round in 0..run.options.rounds as usize {
        for turn in 0..apps.len() {
            let at = (round + turn) % apps.len();
            let tally = load(&apps[at].goal("dyninka-data: images/cats/1.jpg\r\n")?, run.load(4)).await?;
            asked += tally.asked();
            wrong += tally.asked() - tally.right;
            medians[at].push(tally.micros(0.5).context("nothing was answered")? / 1e3);
        }
    }
    let [near, random] = &medians;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let name = "200 KB read in one of three places, two of them 20 ms and 50 Mbit/s away: p50 by random, over near";
    let row = Row::sample(name, "process", "x", &ratio(random, near), Some(Target::P50AtLeast(3.0)));
    let words = format!("{:.1} ms by random, {:.1} near; four callers in one place", mean(random), mean(near));
    let failed = Row::value(
        "requests of these that failed",
        "process",
        "",
        super::count(asked),
        wrong as f64,
        Some(Target::Exactly(0.0)),
    );
    Ok(vec![row.note(words), failed])
}
