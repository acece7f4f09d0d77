//! Which log lines are shown, and where the keys stand among them.

use crate::log::{LogRing, ShownLine};
use crate::model::{Model, matches};

/// The lines that are shown, oldest first, with their numbers.
pub(crate) fn lines<'a>(model: &'a Model, logs: &'a LogRing) -> impl DoubleEndedIterator<Item = (u64, &'a ShownLine)> {
    lines_from(model, logs, 0)
}

/// The lines that are shown from that number on.
pub(crate) fn lines_from<'a>(
    model: &'a Model,
    logs: &'a LogRing,
    number: u64,
) -> impl DoubleEndedIterator<Item = (u64, &'a ShownLine)> {
    let view = &model.logs;
    let end = model.frozen.unwrap_or(u64::MAX);
    logs.lines_from(number).filter(move |(number, line)| {
        *number < end
            && view.service.as_ref().is_none_or(|service| *service == line.service)
            && view.trace.as_ref().is_none_or(|trace| line.line.contains(trace.as_str()))
    })
}

/// The line the keys stand on: the one they were put on or, where that one is gone, the next that is there.
pub(crate) fn current<'a>(model: &'a Model, logs: &'a LogRing) -> Option<(u64, &'a ShownLine)> {
    match model.logs.at {
        Some(at) => lines_from(model, logs, at).next().or_else(|| lines(model, logs).next_back()),
        None => lines(model, logs).next_back(),
    }
}

/// Where the keys stand after so many lines on or back; none: on the last line, whatever comes.
pub(crate) fn moved(model: &Model, logs: &LogRing, back: bool, by: usize) -> Option<u64> {
    let (at, _) = current(model, logs)?;
    if back {
        let reached = lines(model, logs).rev().filter(|(number, _)| *number <= at).map(|(number, _)| number);
        reached.take(by.saturating_add(1)).last()
    } else {
        let mut ahead = lines_from(model, logs, at).map(|(number, _)| number);
        let reached = ahead.nth(by);
        // The last line is followed by whatever comes next.
        reached.filter(|_| ahead.next().is_some())
    }
}

/// The next line that has what is searched for; from the first again after the last.
pub(crate) fn found(model: &Model, logs: &LogRing, back: bool, from_here: bool) -> Option<u64> {
    let (at, _) = current(model, logs)?;
    let hit = |line: &ShownLine| matches(&line.line, &model.logs.search);
    let hits: Vec<_> = lines(model, logs).filter(|(_, line)| hit(line)).map(|(number, _)| number).collect();
    let next = if back {
        hits.iter().rev().find(|number| **number < at || (from_here && **number == at)).or(hits.last())
    } else {
        hits.iter().find(|number| **number > at || (from_here && **number == at)).or(hits.first())
    };
    next.copied()
}
