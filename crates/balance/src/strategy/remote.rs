//! A model that somebody serves over HTTP decides, as the agent of DFaaS that learns. The way to it is somebody else's: a [`Policy`].

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use serde::Serialize;

use super::Strategy;
use crate::{Cadence, Decision, LocalLoad, Neighbour, Recipient, RemoteLoad, ServiceId, Sharing, SharingMode, View};

/// After so many bad answers in a row everything is served here.
const PATIENCE: u32 = 3;
/// How far the parts of an answer may be from 1 in all.
const TOLERANCE: f64 = 1e-6;

/// Asks a model.
pub trait Policy: Send {
    /// Parts by name: `local`, `reject`, and each neighbour's. An error says why there are none.
    fn act(&mut self, observation: &Observation) -> Result<BTreeMap<String, f64>, String>;
}

/// What a model is asked, by the names that DFaaS has for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Observation {
    pub observation: BTreeMap<String, f64>,
    pub agent_parameters: AgentParameters,
}

/// How a model is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AgentParameters {
    pub explore: bool,
}

pub(crate) struct Remote {
    cadence: Cadence,
    policy: Box<dyn Policy>,
    explore: bool,
    /// Observations of the last period.
    before: BTreeMap<ServiceId, BTreeMap<String, f64>>,
    shares: BTreeMap<ServiceId, Sharing>,
    /// Bad answers in a row.
    bad: u32,
}

impl Remote {
    pub(crate) fn new(cadence: Cadence, policy: Box<dyn Policy>, explore: bool) -> Self {
        Self { cadence, policy, explore, before: BTreeMap::new(), shares: BTreeMap::new(), bad: 0 }
    }

    fn ask(&mut self, view: &View, load: &LocalLoad) -> Result<Sharing, String> {
        let servers: Vec<_> = view.servers(load.service).collect();
        let now = figures(view, load, &servers);
        let before = self.before.insert(load.service, now.clone()).unwrap_or_else(|| first(&now));
        let kept = |name: &str| !name.starts_with("fwd_") && !name.starts_with("avg_resp_time_fwd_");
        let observation = before
            .into_iter()
            .map(|(name, value)| (format!("previous_{name}"), value))
            .chain(now.into_iter().filter(|(name, _)| kept(name)))
            .collect();
        let agent_parameters = AgentParameters { explore: self.explore };
        let answer = self.policy.act(&Observation { observation, agent_parameters })?;
        sharing(load.service, &answer, &servers)
    }
}

/// Figures of now, by the names that DFaaS has for them.
fn figures(view: &View, load: &LocalLoad, servers: &[(&Neighbour, &RemoteLoad)]) -> BTreeMap<String, f64> {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let cpu = if view.capacity > 0.0 { view.resources.cpu / view.capacity } else { 0.0 };
    let mut figures = BTreeMap::from([
        ("input_rate".to_owned(), load.users),
        ("reject_rate".to_owned(), if load.users > 0.0 { load.refused / load.users } else { 0.0 }),
        ("avg_resp_time_loc".to_owned(), ms(load.p50)),
        ("cpu_utilization".to_owned(), cpu),
        ("n_replicas".to_owned(), f64::from(load.replicas)),
    ]);
    for (neighbour, remote) in servers {
        let name = &neighbour.name;
        figures.insert(format!("fwd_to_{name}"), remote.sent);
        figures.insert(format!("fwd_to_{name}_rejected"), remote.refused);
        figures.insert(format!("avg_resp_time_fwd_to_{name}"), ms(remote.p50 + neighbour.rtt.unwrap_or_default()));
    }
    figures
}

/// What a model is told of the time before the first observation: nothing happened, on one replica.
fn first(now: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    now.keys().map(|name| (name.clone(), if name == "n_replicas" { 1.0 } else { 0.0 })).collect()
}

/// The shares that an answer means.
fn sharing(
    service: ServiceId,
    answer: &BTreeMap<String, f64>,
    servers: &[(&Neighbour, &RemoteLoad)],
) -> Result<Sharing, String> {
    let (mut local, mut reject, mut to) = (0.0, 0.0, Vec::new());
    for (name, part) in answer {
        if !(part.is_finite() && *part >= 0.0) {
            return Err(format!("{name} is {part}"));
        }
        match name.as_str() {
            "local" => local = *part,
            "reject" => reject = *part,
            name => match servers.iter().find(|(neighbour, _)| &*neighbour.name == name) {
                Some((neighbour, _)) => to.push(Recipient { node: neighbour.node, weight: *part, pace: None }),
                None => return Err(format!("{name} is no neighbour that serves this")),
            },
        }
    }
    let sum: f64 = answer.values().sum();
    if (sum - 1.0).abs() > TOLERANCE {
        return Err(format!("the parts add up to {sum} instead of 1"));
    }
    let mode = SharingMode::Split { local, reject };
    Ok(Sharing { service, mode, to, tries: 1, beyond: Vec::new() })
}

impl Strategy for Remote {
    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn decide(&mut self, view: &View, _now: Duration, _random: &mut dyn Rng) -> Decision {
        let mut why = None;
        for load in view.services.iter().filter(|load| !load.stays) {
            // One that is gone is waited for once, and not for every service.
            if why.is_some() {
                continue;
            }
            match self.ask(view, load) {
                Ok(sharing) => drop(self.shares.insert(load.service, sharing)),
                Err(error) => why = Some(error),
            }
        }
        self.bad = if why.is_some() { self.bad + 1 } else { 0 };
        let notice = why.map(|why| match self.bad {
            bad if bad < PATIENCE => format!("the model gave no answer, the last shares stay: {why}"),
            _ => format!("the model gave no answer {} times, everything is served here: {why}", self.bad),
        });
        if self.bad >= PATIENCE {
            self.shares.clear();
        }
        let share =
            |load: &LocalLoad| self.shares.get(&load.service).cloned().unwrap_or_else(|| Sharing::local(load.service));
        Decision { shares: Some(view.services.iter().map(share).collect()), notice, ..Decision::default() }
    }
}
