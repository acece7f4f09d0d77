//! What is simulated: scenarios, and instance files of another framework; what nodes tell each other.

use balance::StrategySettings;
use balance::simulate::{BUILT_IN, Scenario, ScenarioError, Stepping, simulate};
use nodes::LoadReport;

/// Pieces that mean something there.
pub(super) const WORDS: &[&str] = &[
    "for = ",
    "\"1m\"",
    "\"1ms\"",
    "repeat = 2",
    "strategy = \"recalc\"",
    "{ name = \"random\", reject = true }",
    "kind = \"erdos-renyi\"",
    "kind = \"edges\"",
    "[[\"light\", \"mid\"]]",
    "[[load]]",
    "1e308",
    "nan",
    "-1",
    "node_0",
    "LOW_USAGE",
    "function_rate",
];

/// More than this is not run: it reads, and would take long.
const MOST_STEPS: u128 = 1_000;
const MOST_NODES: usize = 20;

pub(super) fn scenarios() -> Vec<Vec<u8>> {
    let more = "seed = 7\nfor = \"2m\"\nstep = \"1s\"\nstrategy = { name = \"recalc\", period = \"4s\", exact = true }\n\
                [topology]\nkind = \"edges\"\nedges = [[\"a\", \"b\", \"5ms\"]]\n[nodes]\na = { f = 9 }\nb = { f = 9, g = 1 }\n\
                [[load]]\nat = \"a\"\nservice = \"f\"\nrate = 12\nfrom = \"1s\"\nfor = \"1m\"\n";
    BUILT_IN.iter().map(|(_, text, ..)| *text).chain([more]).map(|text| text.as_bytes().to_vec()).collect()
}

/// A scenario is refused with words and a place in it, or it runs, and no request is counted twice.
pub(super) fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match balance::simulate::scenario("fuzz", text) {
        Ok(scenario) => run(&scenario),
        Err(error) => refused(&error, text),
    }
}

pub(super) fn instances() -> Vec<Vec<u8>> {
    let node = |neighbour: &str, rate: u32| {
        format!(
            r#"{{"node_type": "LIGHT", "neighbours": ["{neighbour}"], "load": [{{"LOW_USAGE": {{"functions": [
            {{"function_name": "figlet", "function_rate": {rate}}}], "total_rate": {rate}}}}}]}}"#
        )
    };
    vec![format!(r#"{{"seed": 1, "node_0": {}, "node_1": {}}}"#, node("node_1", 400), node("node_0", 9)).into_bytes()]
}

/// An instance likewise.
pub(super) fn instance(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match balance::simulate::instance(text) {
        Ok(instance) => run(&instance.scenario("fuzz")),
        Err(error) => refused(&error, text),
    }
}

pub(super) fn reports() -> Vec<Vec<u8>> {
    let text = r#"{"v":1,"seq":412,"margin":20.0,"cpu":41.0,"apps":{"banner":{"banner":{"schema":"1a2b3c4d","limit":200.0,
        "users":350.2,"served":200.0,"need":150.2,"offer":0.0,"p50_us":140,"replicas":1}}}}"#;
    vec![text.as_bytes().to_vec()]
}

/// A neighbour may say anything: it is refused with words, or written so that it reads the same.
pub(super) fn report(bytes: &[u8]) {
    match LoadReport::read(bytes) {
        Ok(report) => {
            let written = serde_json::to_vec(&report).expect("JSON");
            // What was written with escapes may be longer than it came.
            if let Ok(again) = LoadReport::read(&written) {
                assert_eq!(again, report);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn refused(error: &ScenarioError, text: &str) {
    assert!(!error.to_string().is_empty() && !error.hint().is_empty(), "{text:?}");
    if let Some((line, column)) = error.place(text) {
        assert!(line >= 1 && column >= 1 && line <= text.matches('\n').count() + 1, "{text:?}");
    }
}

fn run(scenario: &Scenario) {
    let steps = scenario.length.as_nanos() / scenario.step.as_nanos().max(1) * u128::from(scenario.repeat);
    if steps > MOST_STEPS || scenario.nodes.len() > MOST_NODES {
        return;
    }
    let settings = scenario.strategy.clone().unwrap_or_else(|| StrategySettings::new(balance::StrategyName::Offer));
    for stepping in [Stepping::Second, Stepping::Instant] {
        let steps = settings.period.as_nanos() * 2 / scenario.step.as_nanos().max(1);
        if steps > MOST_STEPS || settings.period < scenario.step {
            continue;
        }
        let Ok(runs) = simulate(scenario, &settings, stepping, &|| None) else { continue };
        for run in runs {
            assert!(run.refused >= 0.0 && run.refused <= run.requests * (1.0 + 1e-9) + 1e-6, "{run:?}");
        }
    }
}
