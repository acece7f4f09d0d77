//! Sizes of a bucket in a series, as FaDO's thesis measured copies: 10 to 150 MB in objects of 10 MB.

use std::time::Instant;

use anyhow::Context;
use serde_json::json;

use super::Run;
use super::rival::Rival;
use super::server::Server;
use super::small::{beside, sample};
use super::stores::{fill, same};
use super::weed::{self, Weed};
use crate::report::{Row, Target};

/// How straight the line has to be.
const STRAIGHT: f64 = 0.98;

/// Seconds of one shape: by size, of each round.
type Series = Vec<Vec<f64>>;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let (from, to) = (Weed::start().await?, Weed::start().await?);
    let (sizes, piece) = (run.options.sizes, run.options.piece as usize);
    for count in 1..=sizes {
        fill(&from.store()?, &bucket(count), count, piece).await?;
    }
    let server = Server::start(run).await?;
    let empty = || vec![Vec::new(); sizes as usize];
    let (mut ours, mut theirs): (Series, [Series; 2]) = (empty(), [empty(), empty()]);
    for round in 0..run.options.rounds {
        for count in 1..=sizes {
            let size = count as usize - 1;
            for turn in 0..=Rival::ALL.len() {
                let at = (round as usize + size + turn) % (Rival::ALL.len() + 1);
                let copy = format!("copy-{round}-{count}-{at}");
                match Rival::ALL.get(at) {
                    None => ours[size].push(our_turn(&server, &from, &to, count, &copy).await?),
                    Some(rival) if rival.find().is_err() => continue,
                    Some(rival) => {
                        let folder = tempfile::tempdir().context("make a folder")?;
                        to.store()?.make_bucket(&copy).await?;
                        let took = rival.sync(folder.path(), (&from, &bucket(count)), (&to, &copy)).await?;
                        theirs[at][size].push(took);
                    }
                }
                same((&from.store()?, &bucket(count)), (&to.store()?, &copy)).await?;
                to.drop_bucket(&copy).await?;
            }
        }
    }
    let words = |count: u32| format!("{count} objects of {} MB", piece as f64 / 1e6);
    let mut rows: Vec<Row> = (1..=sizes)
        .map(|count| Row::sample(&words(count), "", "s", &sample(&ours[count as usize - 1]), None))
        .collect();
    let last = sizes as usize - 1;
    for ((rival, theirs), least) in Rival::ALL.into_iter().zip(&theirs).zip([1.0, 0.9]) {
        rows.extend(beside(rival, &words(sizes), &theirs[last], &ours[last], Some(Target::P50AtLeast(least))));
    }
    let line: Vec<(f64, f64)> = (1..=sizes)
        .filter_map(|count| Some((f64::from(count), sample(&ours[count as usize - 1]).spread()?.p50)))
        .collect();
    let target = Some(Target::AtLeast(STRAIGHT));
    rows.push(Row::value("medians of the series on a straight line: r²", "", "", line.len(), straight(&line), target));
    Ok(rows)
}

fn bucket(count: u32) -> String {
    format!("images-{count}")
}

async fn our_turn(server: &Server, from: &Weed, to: &Weed, count: u32, copy: &str) -> anyhow::Result<f64> {
    let stores = json!({
        "from": weed::settings("from", from.port(), server.home()),
        "to": weed::settings("to", to.port(), server.home()),
    });
    // The bucket of the turn before is forgotten.
    server.apply(&stores, &json!({})).await?;
    server.up().await?;
    let images = json!({ "master": "from", "at": ["to"], "audit": "1h", "names": { "to": copy } });
    let begun = Instant::now();
    server.apply(&stores, &json!({ (bucket(count)): images })).await?;
    server.whole(&bucket(count)).await?;
    Ok(begun.elapsed().as_secs_f64())
}

/// The share of what varies that a straight line explains.
fn straight(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (mean_x, mean_y) =
        (points.iter().map(|(x, _)| x).sum::<f64>() / count, points.iter().map(|(_, y)| y).sum::<f64>() / count);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    xy * xy / (xx * yy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_explains_all_and_a_bent_one_less() {
        assert!((straight(&[(1.0, 3.0), (2.0, 5.0), (3.0, 7.0)]) - 1.0).abs() < 1e-9);
        assert!(straight(&[(1.0, 1.0), (2.0, 8.0), (3.0, 2.0)]) < 0.1);
    }
}
