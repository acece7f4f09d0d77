//! Whether rustc's words are the same with the types in a crate of their own as with all in one.

use std::collections::BTreeSet;

use app::Split;

use crate::finding::Finding;

/// About what a function does with values whose types are known, whatever they are called.
const ALWAYS: [&str; 26] = [
    "E0004", "E0023", "E0026", "E0027", "E0054", "E0057", "E0060", "E0061", "E0063", "E0069", "E0070", "E0106",
    "E0308", "E0381", "E0382", "E0384", "E0499", "E0502", "E0505", "E0506", "E0507", "E0515", "E0596", "E0597",
    "E0600", "E0604",
];

/// About names, traits and methods: what is found may be another in another crate, where it is one of what was moved.
const UNLESS_MOVED: [&str; 14] = [
    "E0107", "E0277", "E0282", "E0369", "E0423", "E0425", "E0432", "E0433", "E0599", "E0605", "E0606", "E0608",
    "E0614", "E0618",
];

/// Whether nothing in the findings hangs on where the types are. `moved` are the names that are in their crate.
pub(crate) fn are_certain(findings: &[Finding], moved: &BTreeSet<String>) -> bool {
    findings.iter().all(|finding| {
        let code = finding.code.as_deref().unwrap_or_default();
        ALWAYS.contains(&code) || UNLESS_MOVED.contains(&code) && !mentions(&finding.rendered, moved)
    })
}

fn mentions(words: &str, moved: &BTreeSet<String>) -> bool {
    let mut names = words.split(|c: char| !c.is_alphanumeric() && c != '_');
    names.any(|name| name == Split::CRATE || moved.contains(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use app::{Diagnostic, SourcePlace};

    use super::*;

    #[test]
    fn what_names_nothing_that_was_moved_is_certain() {
        let certain = |code: &str, rendered: &str| {
            let finding = Finding {
                diagnostic: Diagnostic::error("wrong", SourcePlace::start_of(Path::new("app.rs"))),
                rendered: rendered.to_owned(),
                code: Some(code.to_owned()),
            };
            are_certain(&[finding], &BTreeSet::from(["Reading".to_owned()]))
        };
        assert!(certain("E0308", "expected `Reading`, found `f64`"));
        assert!(certain("E0425", "cannot find value `missing`"));
        assert!(certain("E0599", "no method `Readings`"));
        assert!(!certain("E0599", "no method found for struct `Reading`"));
        assert!(!certain("E0277", "use __dyninka_types::Scale"));
        assert!(!certain("E0603", "function `one` is private"));
    }
}
