//! Lists, in order and as sets.

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{Changes, Side};

/// Items up to which it is looked for what was put in or taken out. Beyond, lists are compared index by index: the
/// search takes as many steps as there are items times differences.
const ALIGNED: usize = 1000;

impl Changes<'_> {
    pub(super) fn lists(&mut self, was: &[Value], now: &[Value]) {
        if self.rules.unordered.iter().any(|pattern| pattern.fits(&self.steps)) {
            self.sets(was, now);
        } else if was.len() == now.len() || was.len().max(now.len()) > ALIGNED {
            self.pairs(was, 0, now, 0);
        } else {
            self.aligned(was, now);
        }
    }

    /// Index by index; what one of them has more stands alone. The lists begin at these indices of their whole.
    fn pairs(&mut self, was: &[Value], was_at: usize, now: &[Value], now_at: usize) {
        for (at, (was, now)) in was.iter().zip(now).enumerate() {
            self.step((now_at + at).to_string(), |changes| changes.values(was, now));
        }
        let both = was.len().min(now.len());
        for (at, value) in was.iter().enumerate().skip(both) {
            self.step((was_at + at).to_string(), |changes| changes.one(value, Side::Value, |_| Side::Absent));
        }
        for (at, value) in now.iter().enumerate().skip(both) {
            self.step((now_at + at).to_string(), |changes| changes.one(value, |_| Side::Absent, Side::Value));
        }
    }

    /// An item that is put in or taken out moves those after it, which is no change of theirs.
    fn aligned(&mut self, was: &[Value], now: &[Value]) {
        let texts = |items: &[Value]| items.iter().map(Value::to_string).collect::<Vec<_>>();
        for op in capture_diff_slices(Algorithm::Myers, &texts(was), &texts(now)) {
            if !matches!(op, DiffOp::Equal { .. }) {
                let (old, new) = (op.old_range(), op.new_range());
                self.pairs(&was[old.clone()], old.start, &now[new.clone()], new.start);
            }
        }
    }

    /// Each item has its like on the other side, wherever it is; what has none is compared in the order it stands in.
    fn sets(&mut self, was: &[Value], now: &[Value]) {
        let mut unmet: Vec<usize> = (0..now.len()).collect();
        let mut alone = Vec::new();
        for (at, value) in was.iter().enumerate() {
            match unmet.iter().position(|&other| self.are_alike(value, &now[other], other)) {
                Some(met) => drop(unmet.remove(met)),
                None => alone.push(at),
            }
        }
        for (&old, &new) in alone.iter().zip(&unmet) {
            self.step(new.to_string(), |changes| changes.values(&was[old], &now[new]));
        }
        for &at in alone.iter().skip(unmet.len()) {
            self.step(at.to_string(), |changes| changes.one(&was[at], Side::Value, |_| Side::Absent));
        }
        for &at in unmet.iter().skip(alone.len()) {
            self.step(at.to_string(), |changes| changes.one(&now[at], |_| Side::Absent, Side::Value));
        }
    }

    fn are_alike(&mut self, was: &Value, now: &Value, at: usize) -> bool {
        if was == now {
            return true;
        }
        let before = self.found.len();
        self.step(at.to_string(), |changes| changes.values(was, now));
        let alike = self.found.len() == before;
        self.found.truncate(before);
        alike
    }
}
