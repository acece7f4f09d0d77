//! What becomes of containers when somebody else has a hand in it.

use std::time::Duration;

use super::chain::Chain;
use super::load::{Fate, Load};
use support::engine::Engine;
use support::hosts::docker;

const DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn a_container_is_removed() {
    let mut chain = Chain::start("docker");
    let load = Load::start(&chain.dev.url(), DEADLINE);
    docker(&chain.file, "middle", &["rm", "-f"]);
    chain.dev.wait_for("down");
    chain.dev.wait_for("up");
    load.until_steady();
    chain.account(&load.end(), "middle", &[(502, "unreachable"), (503, "not-ready")]);
}

/// With the engine go its containers, the door among them: what callers see meanwhile is that there is none.
#[test]
fn the_engine_is_restarted() {
    let mut engine = Engine::start();
    let chain = Chain::start_with(|file| engine.dev(file));
    let load = Load::start(&chain.dev.url(), DEADLINE);
    engine.down();
    load.until_told("door that is gone", |fate| matches!(fate, Fate::Broken(_)));
    engine.up();
    load.until_steady();
    let fates = load.end();
    chain.dev.stop();
    for (number, fate) in fates {
        match fate {
            Fate::Right | Fate::Broken(_) => {}
            // Containers do not all end or come back at the same moment.
            Fate::Problem { status: 502 | 503, ref kind, .. } if kind == "unreachable" || kind == "not-ready" => {}
            other => panic!("request {number}: {other:?}"),
        }
    }
}

/// Somebody tidies up: the image goes with its last container, and is made again for the next.
#[test]
fn the_image_is_removed() {
    let engine = Engine::start();
    let chain = Chain::start_with(|file| engine.dev(file));
    let (_, containers) = engine.docker(&["ps", "-aq"]);
    let containers: Vec<&str> = containers.lines().collect();
    let (_, images) = engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let images: Vec<&str> = images.lines().collect();
    assert_eq!((containers.len(), images.len()), (3, 1));
    // Its name goes, then those who run on it.
    assert!(engine.docker(&[&["rmi", "-f"], &images[..]].concat()).0);
    assert!(engine.docker(&[&["rm", "-f"], &containers[..]].concat()).0);
    Load::start(&chain.dev.url(), DEADLINE).end();
    chain.dev.stop();
}
