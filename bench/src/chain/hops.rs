//! The chain beside the floor and what one would put between functions instead.

use super::cell::{Cell, ratio};
use super::shapes::{OURS, RECORDING, RELAY, Shape, Shapes, TOGETHER, WATCHED};
use super::{Run, counted, load};
use crate::load::Load;
use crate::report::{Row, Target};

/// Connections at which latency is compared.
const ALONE: u32 = 1;

/// Connections at which throughput is compared.
const BUSY: u32 = 32;

pub(super) async fn measure(run: &Run<'_>, cells: &mut Vec<Cell>) -> anyhow::Result<Vec<Row>> {
    let shapes = Shapes::start(run).await?;
    let mut table = Vec::new();
    for keep in [true, false] {
        for connections in &run.options.connections {
            table.extend(compare(run, &shapes.running, keep, *connections).await?);
        }
    }
    let mut rows = judge(&table);
    rows.extend(shapes.absent);
    rows.push(errors(&table));
    cells.extend(table);
    Ok(rows)
}

/// All shapes under one load, in turn, each round beginning with another one.
async fn compare(run: &Run<'_>, shapes: &[Shape], keep: bool, connections: u32) -> anyhow::Result<Vec<Cell>> {
    let shapes: Vec<_> = shapes.iter().filter(|shape| keep || shape.closing).collect();
    let mut cells: Vec<_> =
        shapes.iter().map(|shape| Cell::new(&shape.name, shape.backend, keep, connections)).collect();
    for round in 0..run.options.rounds as usize {
        for turn in 0..shapes.len() {
            let at = (round + turn) % shapes.len();
            let before = shapes[at].processor()?;
            let tally = load(&shapes[at].goal, Load { keep, ..run.turn(connections) }).await?;
            cells[at].push(&tally);
            let spent = before.zip(shapes[at].processor()?).map(|(before, after)| after.saturating_sub(before));
            // What warmed the shape is in it for every shape alike: it is for ratios.
            cells[at].processor.extend(spent.map(|spent| spent.as_secs_f64() * 1e6 / tally.asked() as f64));
        }
    }
    Ok(cells)
}

/// The table's targets.
fn judge(cells: &[Cell]) -> Vec<Row> {
    let find = |shape: &str, backend: &str, connections: u32| {
        let mut known = cells.iter().filter(|cell| cell.keep_alive && cell.connections == connections);
        known.find(|cell| cell.shape == shape && cell.backend == backend)
    };
    let mut rows = Vec::new();
    for backend in ["process", "docker"] {
        // The floor and the peers are processes; what containers add besides is told, not judged.
        let target = |target| (backend == "process").then_some(target);
        if let (Some(ours), Some(relay)) = (find(OURS, backend, ALONE), find(RELAY, "process", ALONE)) {
            let times = ratio(&ours.p50, &relay.p50);
            rows.push(Row::sample("p50 over the relay's", backend, "x", &times, target(Target::P50(1.9))));
        }
        if let (Some(ours), Some(relay)) = (find(OURS, backend, BUSY), find(RELAY, "process", BUSY)) {
            let times = ratio(&ours.per_second, &relay.per_second);
            rows.push(Row::sample(
                "requests/s over the relay's",
                backend,
                "x",
                &times,
                target(Target::P50AtLeast(0.75)),
            ));
        }
    }
    rows.extend(judge_containers(&find));
    rows.extend(judge_together(&find));
    let peers = cells.iter().filter(|cell| cell.keep_alive && cell.shape.starts_with("through "));
    for theirs in peers {
        let latency = theirs.connections == ALONE;
        let (Some(ours), true) = (find(OURS, "process", theirs.connections), latency || theirs.connections == BUSY)
        else {
            continue;
        };
        let target = match (theirs.shape.contains("redis"), theirs.shape.ends_with(WATCHED), latency) {
            (true, ..) => None,
            (false, true, _) => Some(Target::P50AtLeast(3.5)),
            (false, false, true) => Some(Target::P50AtLeast(2.5)),
            (false, false, false) => Some(Target::P50AtLeast(2.2)),
        };
        let (what, times) = match latency {
            true => ("p50", ratio(&theirs.p50, &ours.p50)),
            false => ("requests/s", ratio(&ours.per_second, &theirs.per_second)),
        };
        let name = format!("{what}: times better than {}", theirs.shape);
        rows.push(Row::sample(&name, "process", "x", &times, target).note(counted(theirs.connections, "connection")));
    }
    for connections in [ALONE, BUSY] {
        if let (Some(on), Some(off)) = (find(RECORDING, "process", connections), find(OURS, "process", connections)) {
            let times = ratio(&on.per_second, &off.per_second);
            let row = Row::sample("requests/s while recording, over without", "process", "x", &times, None);
            rows.push(row.note(counted(connections, "connection")));
        }
    }
    rows
}

/// The same chain in containers beside processes.
fn judge_containers<'a>(find: &impl Fn(&str, &str, u32) -> Option<&'a Cell>) -> Vec<Row> {
    let mut rows = Vec::new();
    for shape in [OURS, TOGETHER] {
        let name = |what: &str| format!("{what} in containers over processes: {shape}");
        let pair = |connections| find(shape, "docker", connections).zip(find(shape, "process", connections));
        if let Some((theirs, ours)) = pair(ALONE) {
            let times = ratio(&theirs.p50, &ours.p50);
            rows.push(Row::sample(&name("p50"), "docker", "x", &times, Some(Target::P50(1.05))));
        }
        if let Some((theirs, ours)) = pair(BUSY) {
            let times = ratio(&theirs.per_second, &ours.per_second);
            rows.push(Row::sample(&name("requests/s"), "docker", "x", &times, Some(Target::P50AtLeast(0.95))));
        }
    }
    rows
}

/// The chain in one host beside the floor, the same apart, and gateways.
fn judge_together<'a>(find: &impl Fn(&str, &str, u32) -> Option<&'a Cell>) -> Vec<Row> {
    let beside = [
        (RELAY, "process", "the relay's", 0.85, 1.3),
        (OURS, "process", "apart", 0.35, 2.2),
        ("through nginx", "process", "through nginx", 0.25, 4.0),
        ("through nginx and watchdogs", "process", "through nginx and watchdogs", 0.13, 7.5),
        (OURS, "docker", "apart", 0.35, 2.2),
    ];
    let mut rows = Vec::new();
    for (other, backend, words, latency, rate) in beside {
        if let (Some(ours), Some(theirs)) = (find(TOGETHER, backend, ALONE), find(other, backend, ALONE)) {
            let (name, times) = (format!("p50 together over {words}"), ratio(&ours.p50, &theirs.p50));
            rows.push(Row::sample(&name, backend, "x", &times, Some(Target::P50(latency))));
        }
        if let (Some(ours), Some(theirs)) = (find(TOGETHER, backend, BUSY), find(other, backend, BUSY)) {
            let (name, times) =
                (format!("requests/s together over {words}"), ratio(&ours.per_second, &theirs.per_second));
            rows.push(Row::sample(&name, backend, "x", &times, Some(Target::P50AtLeast(rate))));
        }
    }
    if let (Some(ours), Some(theirs)) = (find(TOGETHER, "process", BUSY), find(OURS, "process", BUSY)) {
        let (name, times) =
            ("hosts' processor time a request together over apart", ratio(&ours.processor, &theirs.processor));
        rows.push(Row::sample(name, "process", "x", &times, Some(Target::P50(0.34))));
    }
    rows
}

/// None is allowed, at no number of connections.
fn errors(cells: &[Cell]) -> Row {
    let ours = || cells.iter().filter(|cell| cell.shape.starts_with(OURS));
    let (asked, errors) = (ours().map(|cell| cell.asked).sum::<u64>(), ours().map(Cell::errors).sum::<u64>());
    let complaints: Vec<_> = ours().flat_map(|cell| cell.complaints.iter().cloned()).take(3).collect();
    let n = usize::try_from(asked).unwrap_or(usize::MAX);
    let row = Row::value("not answered right, all loads", "", "requests", n, errors as f64, Some(Target::Exactly(0.0)));
    row.note(complaints.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    fn cell(shape: &str, connections: u32, p50: f64, per_second: f64) -> Cell {
        let mut cell = Cell::new(shape, "process", true, connections);
        (cell.p50, cell.per_second) = (vec![p50; 3], vec![per_second; 3]);
        cell
    }

    #[test]
    fn each_target_is_judged_where_both_sides_were_measured() {
        let cells = [
            cell(OURS, ALONE, 150.0, 6_000.0),
            cell(OURS, BUSY, 1_500.0, 20_000.0),
            cell(RELAY, ALONE, 100.0, 9_000.0),
            cell(RELAY, BUSY, 1_300.0, 24_000.0),
            cell("through nginx", ALONE, 450.0, 2_000.0),
            cell("through nginx and watchdogs", ALONE, 450.0, 2_000.0),
            cell("through redis lists", BUSY, 450.0, 2_000.0),
        ];
        let rows = judge(&cells);
        assert!(!rows.iter().any(|row| row.name.contains("together")), "what was not measured is not judged");
        let verdict = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.verdict);
        assert_eq!(verdict("p50 over the relay's"), Some(Verdict::Met));
        assert_eq!(verdict("requests/s over the relay's"), Some(Verdict::Met));
        assert_eq!(verdict("p50: times better than through nginx"), Some(Verdict::Met));
        assert_eq!(verdict("p50: times better than through nginx and watchdogs"), Some(Verdict::Missed));
        assert_eq!(verdict("requests/s: times better than through redis lists"), Some(Verdict::Told));
        assert_eq!(verdict("requests/s: times better than through nginx"), None);
    }

    #[test]
    fn together_is_judged_beside_apart_and_the_floor() {
        let cells = [
            cell(OURS, ALONE, 300.0, 3_000.0),
            cell(TOGETHER, ALONE, 100.0, 9_000.0),
            cell(RELAY, ALONE, 110.0, 9_000.0),
            cell(OURS, BUSY, 3_000.0, 10_000.0),
            cell(TOGETHER, BUSY, 1_500.0, 20_000.0),
        ];
        let rows = judge(&cells);
        let verdict = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.verdict);
        assert_eq!(verdict("p50 together over apart"), Some(Verdict::Met));
        assert_eq!(verdict("p50 together over the relay's"), Some(Verdict::Missed));
        assert_eq!(verdict("requests/s together over apart"), Some(Verdict::Missed));
        assert_eq!(verdict("requests/s together over the relay's"), None);
    }

    #[test]
    fn containers_are_judged_beside_processes_of_the_same_shape() {
        let docker = |shape: &str, connections: u32, p50: f64, per_second: f64| Cell {
            backend: "docker",
            ..cell(shape, connections, p50, per_second)
        };
        let cells = [
            cell(OURS, ALONE, 300.0, 3_000.0),
            cell(OURS, BUSY, 3_000.0, 10_000.0),
            docker(OURS, ALONE, 310.0, 3_000.0),
            docker(OURS, BUSY, 3_000.0, 9_000.0),
            docker(TOGETHER, BUSY, 3_000.0, 9_000.0),
        ];
        let rows = judge(&cells);
        let verdict = |what: &str| {
            let name = format!("{what} in containers over processes: {OURS}");
            rows.iter().find(|row| row.name == name).map(|row| row.verdict)
        };
        assert_eq!(verdict("p50"), Some(Verdict::Met));
        assert_eq!(verdict("requests/s"), Some(Verdict::Missed));
        assert_eq!(rows.iter().filter(|row| row.name.contains("in containers over")).count(), 2);
    }

    #[test]
    fn one_request_that_is_lost_is_one_too_many() {
        let mut cells = [cell(OURS, ALONE, 1.0, 1.0), cell(RELAY, ALONE, 1.0, 1.0)];
        cells[1].failed = 7;
        assert_eq!(errors(&cells).verdict, Verdict::Met);
        cells[0].failed = 1;
        assert_eq!(errors(&cells).verdict, Verdict::Missed);
    }
}
