//! Pairs of programs: where two versions would share the cell of a placed value, what the old one wrote is what the new
//! one reads. Both are compiled by rustc; the new one is handed the memory of the old, between canaries.

mod model;
mod proof;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use app::{PlacedStatic, Sources};
use rand::{SeedableRng, rngs::SmallRng};

use model::{Edit, Program};

/// As many as share a run of rustc, which takes longer to start than to compile one.
const PAIRS: usize = 32;

/// Any bytes: what they hash to is what programs are made by.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..2_u8).map(|seed| vec![seed; 8]).collect()
}

pub(super) fn shared(input: &[u8]) {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let mut random = SmallRng::seed_from_u64(hasher.finish());
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let old = Program::random(&mut random);
        let (new, edit) = old.edited(&mut random);
        let (before, after) = (placed(&old), placed(&new));
        let is_shared = before.fingerprint == after.fingerprint && before.apart.is_none() && after.apart.is_none();
        // An edit of the function alone must not cost the state: a target that shares nothing shows nothing.
        assert!(
            is_shared || edit != Edit::Function || before.apart.is_some(),
            "reset by an edit of the function: {old:?}"
        );
        if is_shared {
            pairs.push((old, new));
        }
    }
    proof::prove(&pairs);
}

/// What `dyn` makes of the placed value of a program.
fn placed(program: &Program) -> PlacedStatic {
    let text = program.app();
    let texts = BTreeMap::from([("app.rs".into(), text.clone().into())]);
    let included = BTreeMap::from([("types.in".into(), program.included())]);
    let (app, found) = app::parse(&Sources { root: "app.rs".into(), texts, included, ..Sources::default() });
    let service = app.services.first().and_then(|service| service.placed.first());
    service.unwrap_or_else(|| panic!("no placed value: {found:?}\n{text}")).clone()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_shared_means_the_same() {
        super::shared(b"a seed");
    }
}
