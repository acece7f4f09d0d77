//! The part of what a service reaches that can be compiled ahead: its types with all that they need, which stay as they
//! are while functions are edited.

use std::collections::BTreeSet;

use crate::reach::Reach;

/// Types that go over the border, as written in signatures and statics at the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Read as inputs.
    pub inputs: BTreeSet<String>,
    /// Written as outputs.
    pub outputs: BTreeSet<String>,
    /// The `T` of a `Placed<T>`.
    pub states: BTreeSet<String>,
}

impl Carried {
    /// Takes along what others carry.
    pub(crate) fn add(&mut self, other: &Self) {
        self.inputs.extend(other.inputs.iter().cloned());
        self.outputs.extend(other.outputs.iter().cloned());
        self.states.extend(other.states.iter().cloned());
    }
}

/// What is compiled ahead for a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apart {
    /// Closed: nothing in it needs what is not.
    pub(crate) reach: Reach,
    /// Hash of all that counts.
    pub(crate) meaning: String,
    /// What of it travels or is state.
    pub(crate) carried: Carried,
}

impl Reach {
    /// Takes along what others reach.
    pub(crate) fn add(&mut self, other: &Self) {
        self.items.extend(&other.items);
        self.along.extend(&other.along);
        self.leaves.extend(&other.leaves);
        self.calls.extend(&other.calls);
    }
}
