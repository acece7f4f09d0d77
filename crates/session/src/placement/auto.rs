//! `--together auto`: which services gain by one host, and which one has to leave it, by what was measured of the last
//! minute. Pure: the same figures and the same past give the same answer, and each answer says why.
//!
//! Two services of one flow are joined where the way between them is a large part of the caller's time, or of a processor,
//! and their functions leave room on one. The service that needs most leaves a host whose functions need more than that.
//! What was joined is not parted again for a while, and what was parted is not joined, longer each time: load that swings
//! moves nothing to and fro.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Present, Regrouping, regroup};

/// Fewer calls in the minute say little.
const FEWEST: u64 = 400;
/// What a call within a host costs, in microseconds, where none was measured.
const WITHIN: f64 = 5.0;
/// Of a processor, or of the caller's time: what joining has to save.
const WORTH_CORES: f64 = 0.01;
const WORTH_SHARE: f64 = 0.3;
/// Processors that functions of one host may need when somebody joins, and beyond which somebody leaves.
const JOINS_BELOW: f64 = 0.6;
const PARTS_ABOVE: f64 = 0.8;
/// Services of one host.
const MOST: usize = 16;
/// A pair that was joined or parted stays so for this long; twice as long each time it was parted, up to the longest.
const REST: Duration = Duration::from_secs(600);
const LONGEST_REST: Duration = Duration::from_secs(7200);

/// A service over the last minute. Times are the medians of a request, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) n: u64,
    pub(crate) per_second: f64,
    pub(crate) total: f64,
    pub(crate) function: f64,
    pub(crate) network: f64,
}

impl Figures {
    /// Processors that its function needs.
    fn cores(&self) -> f64 {
        self.per_second * self.function / 1e6
    }
}

/// What the session did by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Past(BTreeMap<(String, String), Pair>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    rests_until: Duration,
    parted: u32,
}

/// What would be better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) wanted: Regrouping,
    pub(crate) services: Vec<String>,
    /// In words.
    pub(crate) why: String,
}

fn pair(a: &str, b: &str) -> (String, String) {
    let (first, second) = if a < b { (a, b) } else { (b, a) };
    (first.to_owned(), second.to_owned())
}

impl Past {
    fn rests(&self, a: &str, b: &str, now: Duration) -> bool {
        self.0.get(&pair(a, b)).is_some_and(|pair| now < pair.rests_until)
    }

    /// Notes what is done about advice, whose services were or are with these.
    pub(crate) fn note(&mut self, advice: &Advice, with: &[String], now: Duration) {
        for (a, b) in advice.services.iter().flat_map(|a| with.iter().map(move |b| (a, b))).filter(|(a, b)| a != b) {
            let known = self.0.entry(pair(a, b)).or_insert(Pair { rests_until: now, parted: 0 });
            known.parted += u32::from(advice.wanted == Regrouping::Split);
            let times = 1 << known.parted.saturating_sub(1).min(4);
            known.rests_until = now + REST.saturating_mul(times).min(LONGEST_REST);
        }
    }
}

/// The services that share a host with one, itself among them.
pub(crate) fn company(service: &str, hosts: &BTreeMap<String, String>) -> Vec<String> {
    let Some(host) = hosts.get(service) else { return vec![service.to_owned()] };
    hosts.iter().filter(|(_, at)| *at == host).map(|(name, _)| name.clone()).collect()
}

/// The one thing to do next, if any. `apart` are services that are to have a host to themselves.
pub(crate) fn advise(
    present: Present<'_>,
    figures: &BTreeMap<String, Figures>,
    apart: impl Fn(&str) -> bool,
    past: &Past,
    now: Duration,
) -> Option<Advice> {
    part(present, figures, past, now).or_else(|| join(present, figures, apart, past, now))
}

fn cores(services: &[String], figures: &BTreeMap<String, Figures>) -> f64 {
    services.iter().filter_map(|service| figures.get(service)).map(Figures::cores).sum()
}

fn part(present: Present<'_>, figures: &BTreeMap<String, Figures>, past: &Past, now: Duration) -> Option<Advice> {
    let mut parts = Vec::new();
    for tenant in present.tenants {
        let members = company(tenant.service, present.hosts);
        let all = cores(&members, figures);
        let own = figures.get(tenant.service).map_or(0.0, Figures::cores);
        let rests = members.iter().any(|other| past.rests(tenant.service, other, now));
        let is_busiest = members.iter().all(|other| figures.get(other).map_or(0.0, Figures::cores) <= own);
        if members.len() > 1 && all > PARTS_ABOVE && is_busiest && !rests {
            parts.push((all, own, tenant.service));
        }
    }
    // The first in the file of those that need the most.
    let (all, own, service) = parts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.2.cmp(a.2)))?;
    let why = format!("functions of its host need {all:.2} of a processor, and {own:.2} of that are its");
    Some(Advice { wanted: Regrouping::Split, services: vec![service.to_owned()], why })
}

fn join(
    present: Present<'_>,
    figures: &BTreeMap<String, Figures>,
    apart: impl Fn(&str) -> bool,
    past: &Past,
    now: Duration,
) -> Option<Advice> {
    let mut best: Option<(f64, Advice)> = None;
    for (from, to) in present.edges {
        let (Some(caller), false) = (figures.get(*to), present.hosts.get(*from) == present.hosts.get(*to)) else {
            continue;
        };
        // Its time on the wire is shared by those that it calls in other hosts.
        let ways = present
            .edges
            .iter()
            .filter(|(other, asks)| asks == to && present.hosts.get(*other) != present.hosts.get(*to));
        let gain = caller.network / ways.count().max(1) as f64 - WITHIN;
        let (saved, share) = (caller.per_second * gain / 1e6, gain / caller.total.max(1.0));
        let is_worth = gain > 0.0 && (saved >= WORTH_CORES || share >= WORTH_SHARE);
        if caller.n < FEWEST || !is_worth || apart(from) || apart(to) {
            continue;
        }
        let (ours, theirs) = (company(from, present.hosts), company(to, present.hosts));
        let all: Vec<String> = ours.iter().chain(&theirs).cloned().collect();
        let needed = cores(&all, figures);
        let rests = ours.iter().any(|a| theirs.iter().any(|b| past.rests(a, b, now)));
        if all.len() > MOST || needed > JOINS_BELOW || rests || best.as_ref().is_some_and(|(most, _)| *most >= saved) {
            continue;
        }
        let services: Vec<String> = [(*from).to_owned()].into_iter().chain(theirs).collect();
        if regroup(Regrouping::Fuse, &services, present).is_err() {
            continue;
        }
        let why = format!(
            "{to} waits for {gain:.0} of {:.0} µs ({:.0} %) for the way to {from}, {saved:.3} of a processor in all",
            caller.total,
            share * 100.0
        );
        best = Some((saved, Advice { wanted: Regrouping::Fuse, services, why }));
    }
    best.map(|(_, advice)| advice)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
