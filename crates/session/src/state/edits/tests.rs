//! Saves of what libraries rest on beside the app's own files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::effect::Effect;
use crate::event::{Artifact, Event, Recipe};
use crate::state::tests::{CHAIN, World, at, read};

#[test]
fn a_file_that_only_rustc_saw_named_is_followed_and_has_its_reader_alone_built_anew() {
    let mut state = World::serving(CHAIN).state;
    let file = BTreeSet::from([PathBuf::from("/data/g.txt")]);
    state.update(at(1000), Event::Saved { settled: at(5), files: BTreeSet::new() });
    let app = read(&CHAIN.replace("* 2.0", "* 3.0"));
    state.update(
        at(1001),
        Event::Loaded { edit: 1, app: app.clone(), diagnostics: Vec::new(), environments: Default::default() },
    );
    state.update(at(1002), Event::Checked { edit: 1 });
    let artifact = Artifact {
        version: "map@00000003".to_owned(),
        file: PathBuf::from("/artifacts/three.so"),
        compiled: true,
        with: 1,
        ms: 1.0,
        rests_on: file.clone(),
        outside: "one".to_owned(),
    };
    let ticket = state.tickets;
    let effects =
        state.update(at(1003), Event::Built { ticket, service: "map".to_owned(), artifact: Box::new(artifact) });
    let follows =
        |effect: &Effect| matches!(effect, Effect::Watch { files } if files.contains(Path::new("/data/g.txt")));
    assert!(effects.iter().any(follows) && effects.iter().any(|effect| matches!(effect, Effect::Swap(_))));
    let (service, version) = ("map".to_owned(), "map@00000003".to_owned());
    state.update(at(1004), Event::Live { service, version, states: BTreeMap::new(), answered: at(0) });

    let effects = state.update(at(2000), Event::Saved { settled: at(5), files: file.clone() });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Prepare { .. })), "{effects:?}");
    let outside = BTreeMap::from([("map".to_owned(), "two".to_owned())]);
    let recipe = Recipe { key: String::new(), consulted: file, outside };
    let mut effects = state.update(at(2001), Event::Prepared { edit: 2, recipe });
    effects.extend(
        state.update(
            at(2002),
            Event::Loaded { edit: 2, app, diagnostics: Vec::new(), environments: Default::default() },
        ),
    );
    let built = effects.iter().filter_map(|effect| match effect {
        Effect::Build { service, .. } => Some(service.as_str()),
        _ => None,
    });
    assert_eq!(built.collect::<Vec<_>>(), ["map"]);
}

#[test]
fn an_edit_that_is_read_again_after_its_preparation_is_one_edit() {
    let mut state = World::serving(CHAIN).state;
    state.update(at(1000), Event::Saved { settled: at(5), files: BTreeSet::new() });
    let app = read(&CHAIN.replace("* 2.0", "* 3.0"));
    for now in [1001, 1003] {
        let loaded =
            Event::Loaded { edit: 1, app: app.clone(), diagnostics: Vec::new(), environments: Default::default() };
        state.update(at(now), loaded);
        let recipe = Recipe { key: String::new(), consulted: BTreeSet::new(), outside: BTreeMap::new() };
        state.update(at(now + 1), Event::Prepared { edit: 1, recipe });
    }
    let edits: Vec<_> = state.picture(at(1005)).edits.iter().map(|line| line.edit).collect();
    assert_eq!(edits, [1]);
}
