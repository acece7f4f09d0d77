//! What touches no cluster: settings, wire forms, objects, plans and exported files.

#![expect(clippy::unwrap_used, reason = "tests")]

mod compared;
mod exports;
mod groups;
mod nodes;
mod objects;
mod places;
mod plans;
mod settings;
mod shape;
mod wires;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use app::{App, Severity, Sources};
use kubernetes::model::{Built, Wanted};
use kubernetes::settings::{AppSettings, File};

/// An app that reads without an error.
fn app(name: &str, text: &str) -> App {
    let root = PathBuf::from(format!("{name}.rs"));
    let mut sources = Sources { root: root.clone(), ..Sources::default() };
    sources.texts.insert(root, Arc::from(text));
    sources.included.insert(PathBuf::from("data/readings.csv"), "hash".to_owned());
    let (app, findings) = app::parse(&sources);
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    app
}

/// examples/building.rs.
fn building() -> App {
    app("building", include_str!("../../../../examples/building.rs"))
}

/// Everything of an app built: its version stands for what it means, its image for its version.
fn built(app: &App) -> BTreeMap<String, Built> {
    let of = |service: &app::Service| {
        let hash = service.meaning.get(..8).unwrap();
        let digest = blake3::hash(service.meaning.as_bytes()).to_hex();
        let built = Built {
            version: format!("{}@{hash}", service.name),
            image: format!("localhost:5000/dyninka/{}@sha256:{digest}", service.host),
            is_there: false,
            library: format!("lib-{hash}.so"),
            bytes: 274_000,
        };
        (service.name.clone(), built)
    };
    app.services.iter().map(of).collect()
}

/// What is wanted of an app about which a file says something.
fn wanted_with(app: &App, file: &File) -> Wanted {
    Wanted::of(app, &AppSettings::of(app, file), &built(app))
}

fn wanted(app: &App) -> Wanted {
    wanted_with(app, &File::default())
}
