use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::measured::{EdgeWindow, HopPercentiles, MeasuredHop, MeasuredSpan, Trace, Window};
use crate::snapshot::{EditOutcome, Phase, Snapshot};

/// A busy app: each service has figures in three windows, and a minute of seconds.
fn busy(services: usize, at_s: u64) -> Snapshot {
    let moving = |of: u64| of + at_s % 97;
    let percentiles =
        |of: u64| HopPercentiles { p50: moving(of), p90: moving(3 * of), p99: moving(9 * of), max: 99_999 };
    let hop = |n: usize| {
        let window = |seconds: u32| Window {
            seconds,
            n: moving(3_000),
            errors: 2,
            rate: 31.9 + n as f64 + at_s as f64 / 7.0,
            total: percentiles(1_840),
            function: percentiles(147),
            upstream: percentiles(1_100),
            network: percentiles(478),
            overhead: percentiles(110),
            histogram: (8..20).map(|bit| (1 << bit, moving(bit))).collect(),
        };
        MeasuredHop {
            windows: [10, 60, 300].map(window).to_vec(),
            per_second: (0..60).map(|second| 30 + ((second + at_s) % 7) as u32).collect(),
            in_flight: 3,
            ..MeasuredHop::default()
        }
    };
    let name = |n: usize| format!("step_{n}");
    let edge = |n: usize| EdgeWindow {
        n: moving(1_900),
        rate: 31.9 + n as f64,
        wait: percentiles(900),
        ..EdgeWindow::default()
    };
    Snapshot {
        app: "plant".to_owned(),
        now_ms: at_s * 1_000,
        phase: Phase::Serving,
        services: (0..services).map(|n| ServiceView { name: name(n), ..ServiceView::default() }).collect(),
        edges: (1..services)
            .map(|n| FlowEdge { from: name(n - 1), to: name(n), input: Some("value".to_owned()), within: false })
            .collect(),
        hops: (0..services).map(|n| (name(n), hop(n))).collect(),
        calls: (1..services).map(|n| (name(n), BTreeMap::from([(name(n - 1), edge(n))]))).collect(),
        traces: vec![trace(services, at_s), trace(services, at_s + 1)],
        ..Snapshot::default()
    }
}

/// A request through all services.
fn trace(services: usize, at_s: u64) -> Trace {
    let span = |n: usize| MeasuredSpan {
        service: format!("step_{n}"),
        version: format!("step_{n}@58b1caa4"),
        depth: n as u32,
        start: 12 * n as u64,
        total: 18_000 + at_s,
        function: 147,
        upstream: 1_100,
        network: 478,
        status: 200,
        error: None,
    };
    let spans = (0..services).map(span).collect();
    Trace { id: format!("{at_s:032x}"), at_ms: at_s * 1_000, total: 18_000 + at_s, partial: false, spans }
}

/// Bytes a second of frames and of whole snapshots, five a second, over ten seconds in which everything changes.
fn bytes_a_second(services: usize) -> (usize, usize) {
    let mut writer = FrameWriter::default();
    let (mut frames, mut whole) = (0, 0);
    let seconds = 10;
    writer.frame(&Arc::new(busy(services, 99)));
    for second in 100..100 + seconds {
        for part in 0..5 {
            let mut snapshot = busy(services, second);
            snapshot.now_ms += part * FRAME_MS;
            // As large at each of the five looks.
            if part == 0 {
                whole += 5 * serde_json::to_string(&snapshot).unwrap().len();
            }
            let frame = writer.frame(&Arc::new(snapshot));
            frames += frame.map_or(0, |frame| serde_json::to_string(&frame).unwrap().len());
        }
    }
    (frames / seconds as usize, whole / seconds as usize)
}

#[test]
fn frames_of_200_busy_services_take_30_kb_a_second_where_snapshots_take_megabytes() {
    let (frames, whole) = bytes_a_second(200);
    assert!(frames <= 30_000, "{frames} bytes a second");
    assert!(whole >= 60 * frames, "{whole} bytes a second of whole snapshots");
    let (frames, _) = bytes_a_second(4);
    assert!(frames <= 4_000, "{frames} bytes a second of 4 services");
}

#[test]
fn a_frame_holds_whole_entries_that_changed_and_names_those_that_are_gone() {
    let (mut writer, mut reader) = (FrameWriter::default(), FrameFollower::default());
    let mut snapshot = busy(3, 1);
    let first = writer.frame(&Arc::new(snapshot.clone())).unwrap();
    assert_eq!((first.seq, first.services.len(), first.order.as_ref().unwrap().len()), (1, 3, 3));
    reader.apply(first).unwrap();
    assert_eq!(writer.frame(&Arc::new(snapshot.clone())), None, "nothing changed");

    snapshot.services[1].restarts = 1;
    snapshot.services.remove(2);
    snapshot.url = Some("http://127.0.0.1:8080/".to_owned());
    let frame = writer.frame(&Arc::new(snapshot.clone())).unwrap();
    assert_eq!(frame.services.keys().collect::<Vec<_>>(), ["step_1"]);
    assert_eq!(frame.gone.services, ["step_2"]);
    assert_eq!(frame.set.keys().collect::<Vec<_>>(), ["url"]);
    let read = reader.apply(frame.clone()).unwrap();
    assert_eq!((read.services, read.url), (snapshot.services.clone(), snapshot.url.clone()));
    assert!(!read.hops.contains_key("step_2"), "its figures go with it");

    let missing = reader.apply(SessionFrame { seq: 9, ..frame }).unwrap_err().to_string();
    assert_eq!(missing, "frame 9 follows frame 2: what is between them is missing");
}

#[test]
fn figures_wait_for_their_second_and_states_do_not() {
    let mut writer = FrameWriter::default();
    let mut snapshot = busy(3, 1);
    writer.frame(&Arc::new(snapshot.clone()));
    let mut later = busy(3, 2);
    later.now_ms = snapshot.now_ms + 400;
    // It changes with every request.
    later.recording.requests = 9;
    assert_eq!(writer.frame(&Arc::new(later.clone())), None);
    later.phase = Phase::Building;
    let frame = writer.frame(&Arc::new(later.clone())).unwrap();
    assert!(frame.figures.is_empty() && frame.set.keys().eq(["phase"]), "{frame:?}");
    snapshot = later;
    snapshot.now_ms += 600;
    let frame = writer.frame(&Arc::new(snapshot)).unwrap();
    assert!(frame.figures.len() == 3 && frame.set["recording"]["requests"] == 9, "{frame:?}");
}

fn edit(number: u64, errors: usize) -> EditLine {
    let outcome = if errors > 0 { EditOutcome::Broken { errors } } else { EditOutcome::Live };
    EditLine { edit: number, at_ms: 0, outcome, services: Vec::new(), flow: false, ms: None, judgement: None }
}

proptest! {
    /// Whatever snapshots are skipped on the way, a reader ends at the last one.
    #[test]
    fn frames_lead_to_the_last_snapshot(
        steps in prop::collection::vec(
            (
                prop::collection::btree_map("[a-e]", 0_u32..4, 0..5),
                prop::collection::btree_map(0_u64..6, 0_usize..3, 0..5),
                prop::option::of("[a-z]{3}"),
                any::<bool>(),
            ),
            1..12,
        )
    ) {
        let (mut writer, mut reader) = (FrameWriter::default(), FrameFollower::default());
        let mut read = None;
        let mut last = Snapshot::default();
        for (at, (services, edits, url, is_skipped)) in steps.iter().enumerate() {
            last = busy(0, 10 * at as u64 + 10);
            for (name, restarts) in services {
                last.services.push(ServiceView { name: name.clone(), restarts: *restarts, ..ServiceView::default() });
                let mut hop = busy(1, u64::from(*restarts)).hops.remove("step_0").unwrap();
                // As far as rows have them.
                for window in &mut hop.windows {
                    *window = FigureRow::of(&MeasuredHop::default(), window).window(window.seconds);
                }
                last.hops.insert(name.clone(), hop);
            }
            last.services.reverse();
            last.edits = edits.iter().map(|(number, errors)| edit(*number, *errors)).collect();
            last.url.clone_from(url);
            if (!is_skipped || at + 1 == steps.len())
                && let Some(frame) = writer.frame(&Arc::new(last.clone()))
            {
                let text = serde_json::to_string(&frame).unwrap();
                read = Some(reader.apply(serde_json::from_str(&text).unwrap()).unwrap());
            }
        }
        let mut read = read.unwrap();
        // Of a frame that tells nothing there is none.
        read.now_ms = last.now_ms;
        prop_assert_eq!(read, last);
    }
}
