//! Inputs of jobs that an edit would not read.

use std::collections::BTreeMap;

use app::{App, WireInput};

/// What an edit does not read of the jobs of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Jobs that name one of these; none: all jobs of the service.
    pub(super) inputs: Option<Vec<String>>,
    /// Why, in words that follow the service's name.
    pub(super) why: Vec<String>,
}

/// What `new` does not read of jobs that were accepted for `old`, by service.
pub(super) fn unread(old: &App, new: &App) -> BTreeMap<String, Unread> {
    let (before, after) = (old.wires(), new.wires());
    let of = |(name, was): (&String, &app::Wire)| {
        let Some(now) = after.get(name) else {
            let why = vec!["is no service any more".to_owned()];
            return Some((name.clone(), Unread { inputs: None, why }));
        };
        let (mut inputs, mut why) = (Vec::new(), Vec::new());
        for WireInput { name, form } in &was.inputs {
            match now.inputs.iter().find(|input| input.name == *name) {
                None => {
                    why.push(format!("has no input {name} any more"));
                    inputs.push(name.clone());
                }
                Some(input) => {
                    let found = kubernetes::wire::reads(name, (was, form), (now, &input.form));
                    if !found.is_empty() {
                        inputs.push(name.clone());
                    }
                    why.extend(
                        found.into_iter().map(|found| format!("does not read them: {} {}", found.field, found.why)),
                    );
                }
            }
        }
        (!inputs.is_empty()).then(|| (name.clone(), Unread { inputs: Some(inputs), why }))
    };
    before.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(text: &str) -> App {
        let text = format!("use dyninka::prelude::*;\n#[service]\nfn seed() -> u64 {{ 7 }}\n{text}\n");
        let root = std::path::PathBuf::from("app.rs");
        let mut sources = app::Sources { root: root.clone(), ..app::Sources::default() };
        sources.texts.insert(root, text.into());
        app::parse(&sources).0
    }

    #[test]
    fn only_inputs_that_are_read_otherwise_are_told() {
        let old = app("#[service]\nfn work(id: u64, ms: u64) -> u64 { id + ms }");
        let none = |text: &str| assert_eq!(unread(&old, &app(text)), BTreeMap::new(), "{text}");
        none("#[service]\nfn work(id: u64, ms: u64) -> u64 { id * ms }");
        // A float reads every whole number, and what is new is fetched along the flow.
        none("#[service]\nfn work(ms: f64, id: u64, more: u64) -> f64 { ms }");
        let found = unread(&old, &app("#[service]\nfn work(id: String, ms: u64) -> u64 { ms }"));
        assert_eq!(found["work"].inputs, Some(vec!["id".to_owned()]));
        assert!(found["work"].why[0].starts_with("does not read them: id is written as u64"), "{found:?}");
        let found = unread(&old, &app("#[service]\nfn work(number: u64, ms: u64) -> u64 { ms }"));
        assert_eq!(found["work"].why, ["has no input id any more"]);
        let found = unread(&old, &app("#[service]\nfn labour(id: u64, ms: u64) -> u64 { ms }"));
        assert_eq!(found["work"], Unread { inputs: None, why: vec!["is no service any more".to_owned()] });
    }
}
