//! Verdicts of a replay as front ends are told them.

use recordings::{Side, replay};
use session_api::verdict::{Changed, FunctionVerdict, SpeedChange, Verdict};

/// A verdict of a replay as front ends are told it.
pub(crate) fn verdict(of: replay::ReplayVerdict) -> Verdict {
    let pace =
        |pace: replay::Pace| SpeedChange { was_ns: pace.was_ns, now_ns: pace.now_ns, n: pace.n as u64, p: pace.p };
    Verdict {
        service: of.service,
        was: of.was,
        now: of.now,
        findings: findings(of.findings),
        downstream: of.downstream.into_iter().map(|(service, of)| (service, findings(of))).collect(),
        slower: of.slower.map(pace),
        faster: of.faster.map(pace),
    }
}

fn findings(of: replay::FunctionRuns) -> FunctionVerdict {
    FunctionVerdict {
        recorded: of.recorded as u64,
        same: of.same as u64,
        differ: of.differ as u64,
        unstable: of.unstable as u64,
        skipped: of.skipped.into_iter().map(|(why, n)| (why, n as u64)).collect(),
        changed: of.changed.into_iter().map(changed).collect(),
        more: of.more as u64,
        notes: of.notes,
    }
}

fn changed(of: replay::CaseChange) -> Changed {
    // A side's own JSON form is what is told; one that is absent has none.
    let side = |side: &Side| match side {
        Side::Absent => None,
        side => serde_json::to_value(side).ok(),
    };
    let recordings::ValueChange { path, was, now } = of.change;
    Changed { at: of.at, path, was: side(&was), now: side(&now) }
}
