//! Edits that are not a new body: broken ones, comments, undoing.

use anyhow::ensure;

use super::Run;
use super::building::{Building, FORMULA, RESULT, builds};
use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::session::{Heard, millis};

/// What was measured on one backend.
#[derive(Default)]
struct Kinds {
    broken_type: Sample,
    broken_syntax: Sample,
    comment: Sample,
    undo: Sample,
    /// Libraries compiled or put together for comments.
    built_for_comments: usize,
    /// Libraries compiled for undoing.
    compiled_for_undo: usize,
}

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for on in &run.backends {
        match backend(run, on.name()).await {
            Ok(kinds) => rows.extend(kinds.rows(on.name())),
            Err(error) => rows.push(Row::failed("broken, comment, undo", on.name(), &format!("{error:#}"))),
        }
    }
    Ok(rows)
}

async fn backend(run: &Run<'_>, on: &str) -> anyhow::Result<Kinds> {
    let mut building = Building::start(&run.setting, on, None).await?;
    let original = building.text.clone();
    let mut kinds = Kinds::default();
    for round in 0..run.options.rounds {
        let number = run.nonce * 10_000 + u64::from(round) + 1;
        let wrong_type = original.replace(FORMULA, &format!("{FORMULA} + \"{number}\""));
        kinds.broken_type.push(broken(&mut building, &wrong_type, "mismatched types|cannot add").await?);
        mend(&mut building, &original).await?;
        let wrong_syntax = original.replace(FORMULA, &format!("{FORMULA} + {number} )"));
        kinds.broken_syntax.push(broken(&mut building, &wrong_syntax, "").await?);
        mend(&mut building, &original).await?;

        let comment = original.replace(FORMULA, &format!("{FORMULA} // {number}"));
        let (saved, heard, passed) = building.say(&comment, &["unchanged"]).await?;
        kinds.comment.push(millis(saved, heard.at));
        kinds.built_for_comments += work(&passed);

        // Something else has to be served first, for the original to be what is gone back to.
        let added = number as f64;
        let edit = building.adding(added);
        let late = building.serve(&edit, RESULT + added).await?;
        kinds.built_for_comments += work(&late.passed).saturating_sub(2);
        let undone = building.serve(&original, RESULT).await?;
        kinds.undo.push(undone.ms);
        kinds.compiled_for_undo += builds(&undone.passed).0;
    }
    Ok(kinds)
}

/// Milliseconds to the first finding of a broken edit, which is at the line of the formula.
async fn broken(building: &mut Building, text: &str, words: &str) -> anyhow::Result<f64> {
    let (saved, heard, _) = building.say(text, &["broken", "live", "unchanged"]).await?;
    let finding = &heard.event["diagnostics"][0];
    let message = finding["message"].as_str().unwrap_or_default();
    let fits = words.split('|').any(|word| message.contains(word));
    ensure!(heard.event["event"] == "broken" && fits, "a broken edit was told as {}", heard.event);
    Ok(millis(saved, heard.at))
}

/// Puts the original back after a broken edit; what served all along is the original.
async fn mend(building: &mut Building, original: &str) -> anyhow::Result<()> {
    building.say(original, &["live", "unchanged"]).await.map(drop)
}

/// Events of building.
fn work(passed: &[Heard]) -> usize {
    passed.iter().filter(|heard| heard.event["event"] == "building" || heard.event["event"] == "built").count()
}

impl Kinds {
    fn rows(self, backend: &'static str) -> Vec<Row> {
        let n = self.comment.len();
        let (sixty, twenty, none) = (Some(Target::P50(60.0)), Some(Target::P50(20.0)), Some(Target::Exactly(0.0)));
        vec![
            Row::spread("broken: a wrong type", backend, &self.broken_type, sixty).note("to the event, rustc's words"),
            Row::spread("broken: wrong syntax", backend, &self.broken_syntax, sixty).note("to the event"),
            Row::spread("comment", backend, &self.comment, twenty).note("to the event"),
            Row::value("comment: builds", backend, "builds", n, self.built_for_comments as f64, none),
            Row::spread("undo", backend, &self.undo, sixty).note("to the first answer of the old code"),
            Row::value("undo: compilations", backend, "builds", n, self.compiled_for_undo as f64, none),
        ]
    }
}
