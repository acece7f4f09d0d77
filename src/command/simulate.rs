//! `dyn simulate`: nodes that share load, in virtual time.

mod policy;
mod table;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use balance::simulate::{
    Analysis, BUILT_IN, ErdosRenyi, Indexes, Scenario, ScenarioError, Spread, Stepping, built_in, erdos_renyi,
    instance, scenario, simulate,
};
use balance::{Policy, StrategyError, StrategyName, StrategySettings};
use policy::HttpPolicy;
use serde_json::json;

use crate::arguments::{By, Simulate};
use crate::fault::{Fault, Kind};
use crate::{speech, start};

const ERDOS_RENYI: &str = "erdos-renyi";

/// What is compared where nobody says: by limits, and by thresholds.
const BY_LIMITS: &[StrategyName] = &[
    StrategyName::Offer,
    StrategyName::Recalc,
    StrategyName::NodeMargin,
    StrategyName::Static,
    StrategyName::AllLocal,
];
const BY_THRESHOLDS: &[StrategyName] = &[
    StrategyName::Offer,
    StrategyName::NodeMargin,
    StrategyName::PowerSaving,
    StrategyName::Equal,
    StrategyName::AllLocal,
];

/// A strategy, and what it brought.
struct Compared {
    settings: StrategySettings,
    runs: Vec<Indexes>,
    success: Spread,
}

pub(crate) fn run(options: &Simulate) -> Result<(), Fault> {
    let mut scenario = load(options)?;
    if let Some(seed) = options.seed {
        scenario.seed = seed;
    }
    match options.repeat {
        Some(0) => return Err(Fault::new(Kind::Usage, "a scenario cannot be run 0 times").hint("pass --repeat 12")),
        Some(repeat) => scenario.repeat = repeat,
        None => {}
    }
    let stepping = match (options.by, scenario.analysis) {
        (Some(By::Second), _) | (None, Analysis::Limits) => Stepping::Second,
        (Some(By::Instant), _) | (None, Analysis::Thresholds) => Stepping::Instant,
    };
    let mut compared = Vec::new();
    for settings in strategies(options, &scenario)? {
        let policies = policies(&settings)?;
        let runs = simulate(&scenario, &settings, stepping, &policies).map_err(|error| usage(&error))?;
        let success = Spread::of(runs.iter().map(|run| run.success));
        let success = success.ok_or_else(|| Fault::new(Kind::App, "the scenario was never run"))?;
        for (notice, times) in runs.iter().flat_map(|run| &run.notices) {
            let times = if *times == 1 { String::new() } else { format!(" ({times} times)") };
            drop(speech::err(format_args!("notice: {notice}{times}")));
        }
        compared.push(Compared { settings, runs, success });
    }
    // Whoever reads it may have seen enough.
    drop(if options.json {
        speech::json(as_json(&scenario, &compared))
    } else {
        speech::out(table::drawn(&scenario, &compared))
    });
    Ok(())
}

/// The scenario of a name or a file.
fn load(options: &Simulate) -> Result<Scenario, Fault> {
    let name = &options.scenario;
    if name == ERDOS_RENYI {
        let settings = ErdosRenyi {
            nodes: options.nodes.unwrap_or(10),
            edge: options.edge.unwrap_or(0.1),
            overloaded: options.overloaded.unwrap_or(60.0) / 100.0,
            seed: options.seed.unwrap_or(0),
        };
        let drawn = erdos_renyi(settings);
        return Ok(drawn.map_err(|error| Fault::new(Kind::Usage, &error).hint(error.hint()))?.scenario(name));
    }
    if options.nodes.is_some() || options.edge.is_some() || options.overloaded.is_some() {
        return Err(Fault::new(Kind::Usage, format!("--nodes, --edge and --overloaded are no options of {name}"))
            .hint("they belong to erdos-renyi; a TOML file has its own nodes"));
    }
    if let Some(scenario) = built_in(name) {
        return Ok(scenario);
    }
    let text = match fs::read_to_string(name) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let known = BUILT_IN.iter().map(|(name, ..)| *name).chain([ERDOS_RENYI]);
            let hint = app::suggest(name, known, "scenarios");
            return Err(Fault::new(Kind::Usage, format!("there is neither a scenario nor a file {name}")).hint(hint));
        }
        Err(error) => return Err(Fault::new(Kind::Machine, format!("cannot read {name}: {error}"))),
    };
    let is_instance = Path::new(name).extension().is_some_and(|extension| extension == "json");
    let read = if is_instance { instance(&text).map(|read| read.scenario(name)) } else { scenario(name, &text) };
    read.map_err(|error| misread(name, &text, &error))
}

fn misread(name: &str, text: &str, error: &ScenarioError) -> Fault {
    let place = error.place(text).map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
    Fault::new(Kind::App, format!("{name}{place}: {error}")).hint(error.hint())
}

/// The strategies to compare, those of the command line first.
fn strategies(options: &Simulate, scenario: &Scenario) -> Result<Vec<StrategySettings>, Fault> {
    let of_scenario = |name: StrategyName| match &scenario.strategy {
        Some(settings) if settings.name == name => settings.clone(),
        Some(settings) => StrategySettings { name, ..settings.clone() },
        None => StrategySettings::new(name),
    };
    let names = match (options.strategy.as_slice(), &scenario.strategy) {
        ([], Some(settings)) => vec![settings.name],
        ([], None) if scenario.analysis == Analysis::Thresholds => BY_THRESHOLDS.to_vec(),
        ([], None) => BY_LIMITS.to_vec(),
        (names, _) => {
            let parsed = names.iter().map(|name| StrategyName::parse(name.trim()));
            parsed.collect::<Result<_, _>>().map_err(|error| usage(&error))?
        }
    };
    let period = options.period.as_ref().map(|period| {
        let why = |why| StrategyError::Duration { key: "--period", value: period.clone(), why };
        balance::duration(period).map_err(|error| usage(&why(error)))
    });
    let period = period.transpose()?;
    let settings = names.into_iter().map(|name| {
        let settings = of_scenario(name);
        let model = options.model.clone().or_else(|| settings.model.clone());
        StrategySettings { period: period.unwrap_or(settings.period), model, ..settings }
    });
    Ok(settings.collect())
}

fn usage(error: &StrategyError) -> Fault {
    Fault::new(Kind::Usage, error).hint(error.hint())
}

/// What makes a policy for each node, where the strategy asks a model.
fn policies(settings: &StrategySettings) -> Result<impl Fn() -> Option<Box<dyn Policy>> + use<>, Fault> {
    let model = settings.model.clone().filter(|_| settings.name == StrategyName::Remote);
    let way = match model {
        Some(url) => Some((url, Arc::new(start::runtime()?))),
        None => None,
    };
    Ok(move || {
        let (url, runtime) = way.as_ref()?;
        Some(Box::new(HttpPolicy::new(url.clone(), runtime.clone())) as Box<dyn Policy>)
    })
}

fn as_json(scenario: &Scenario, compared: &[Compared]) -> serde_json::Value {
    let strategies = compared.iter().map(|compared| {
        let published = scenario.published.iter().find(|(name, _)| *name == compared.settings.name);
        json!({
            "strategy": compared.settings.name,
            "period_s": compared.settings.period.as_secs_f64(),
            "success": compared.success,
            "published": published.map(|(_, percent)| percent),
            "runs": compared.runs,
        })
    });
    json!({
        "scenario": scenario.name,
        "nodes": scenario.nodes.len(),
        "edges": scenario.edges.len(),
        "services": scenario.services,
        "seconds": scenario.length.as_secs_f64(),
        "seed": scenario.seed,
        "strategies": strategies.collect::<Vec<_>>(),
    })
}
