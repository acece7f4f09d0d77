//! Starts of many services that nothing is kept of, in groups and one by one, in turns.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::Run;
use super::large::generate;
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::session::Session;

/// A start of so many services, in groups over one by one.
struct Start {
    services: usize,
    /// The ratio to reach.
    ratio: f64,
    /// Starts of each kind at most: one of 200 one by one takes minutes.
    most: u32,
}

const STARTS: [Start; 3] = [
    Start { services: 4, ratio: 0.65, most: 9 },
    Start { services: 50, ratio: 0.30, most: 5 },
    Start { services: 200, ratio: 0.28, most: 3 },
];

/// Of 200 services, in seconds.
const READY: f64 = 10.0;

/// How long a session is looked at after its start, and what it may use meanwhile of what one by one uses.
const AFTER: Duration = Duration::from_secs(60);
const QUIET: f64 = 0.3;

/// Where processes run: 200 containers tell more of the engine than of the start.
const BACKEND: &str = "process";

/// The variable that has services compiled one by one.
const ONE_BY_ONE: (&str, &str) = ("DYNINKA_GROUPS_OF", "1");

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (number, start) in STARTS.iter().enumerate() {
        rows.extend(start.measure(run, number as u64 * 1000).await?);
    }
    Ok(rows)
}

impl Start {
    async fn measure(&self, run: &Run<'_>, first: u64) -> anyhow::Result<Vec<Row>> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let file = folder.path().join("many.rs");
        let mut samples = [(); 5].map(|()| Sample::default());
        let [grouped, alone, ratios, work, after] = &mut samples;
        for round in 0..u64::from(run.options.rounds.min(self.most)) {
            let mut both = [(0.0, 0.0, 0.0); 2];
            // Neither goes first each time.
            for turn in [round % 2, 1 - round % 2] {
                let text = self.text(run.nonce * 10_000 + first + round * 2 + turn);
                let environment = if turn == 0 { &[][..] } else { &[ONE_BY_ONE] };
                both[usize::from(turn == 1)] = self.started(run, &file, &text, environment).await?;
            }
            let [(ready, processor, later), (ready_alone, processor_alone, later_alone)] = both;
            grouped.push(ready / 1e3);
            alone.push(ready_alone / 1e3);
            ratios.push(ready / ready_alone);
            work.push(processor / processor_alone);
            if self.is_largest() {
                after.push(later / later_alone);
            }
        }
        let name = |what: &str| format!("start of {}{what}", self.services);
        let target = self.is_largest().then_some(Target::P50(READY));
        let mut rows = vec![
            Row::sample(&name(""), BACKEND, "s", grouped, target).note("from `dyn` to ready, no library kept"),
            Row::sample(&name(", one by one"), BACKEND, "s", alone, None),
            Row::sample(&name(" over one by one"), BACKEND, "times", ratios, Some(Target::P50(self.ratio))),
            Row::sample(&name(", processor time over one by one"), BACKEND, "times", work, None)
                .note("session, rustc and linker until ready; hosts left out"),
        ];
        if self.is_largest() {
            let name = name(&format!(", processor time in the {} s after ready over one by one", AFTER.as_secs()));
            rows.push(Row::sample(&name, BACKEND, "times", after, Some(Target::P50(QUIET))));
        }
        Ok(rows)
    }

    fn is_largest(&self) -> bool {
        self.services == 200
    }

    /// An app that no run had before, in its types as in its functions.
    fn text(&self, number: u64) -> String {
        let text = generate::program(self.services, self.services * 50);
        text.replace("\"sensor ", &format!("\"sensor of {number} ")).replace("labels", &format!("labels_{number}"))
    }

    /// Milliseconds to ready, of processor time until then, and of processor time afterwards.
    async fn started(
        &self,
        run: &Run<'_>,
        file: &Path,
        text: &str,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<(f64, f64, f64)> {
        std::fs::write(file, text).context("write the app")?;
        let session = Session::start_in(&run.setting, file, BACKEND, environment).await?;
        let processor = memory::processor_with_children(session.pid()?)?;
        eprintln!("bench: {} ms to ready", session.start.round());
        let mut later = 0.0;
        if self.is_largest() {
            tokio::time::sleep(AFTER).await;
            let since = memory::processor_with_children(session.pid()?)?.saturating_sub(processor);
            later = since.as_secs_f64() * 1e3;
            eprintln!("bench: {later} ms of processor time in the {} s after", AFTER.as_secs());
        }
        Ok((session.start, processor.as_secs_f64() * 1e3, later))
    }
}
