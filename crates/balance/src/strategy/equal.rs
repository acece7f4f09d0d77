//! Load goes away in small pieces of every service until the rest fits, to all neighbours alike.

use std::time::Duration;

use rand::Rng;

use super::Strategy;
use crate::{Cadence, Decision, Forecast, Recipient, Sharing, SharingMode, View};

pub(crate) struct Equal {
    pub(crate) cadence: Cadence,
    pub(crate) forecast: Box<dyn Forecast>,
}

impl Equal {
    /// What is kept of each service.
    fn kept(&self, view: &View) -> Vec<f64> {
        let mut kept: Vec<f64> = view.services.iter().map(|load| load.users).collect();
        let goes: Vec<bool> =
            view.services.iter().map(|load| !load.stays && view.servers(load.service).next().is_some()).collect();
        loop {
            let rates: Vec<_> = view.services.iter().zip(&kept).map(|(load, rate)| (load.service, *rate)).collect();
            let is_left = kept.iter().zip(&goes).any(|(rate, goes)| *goes && *rate > 0.0);
            if !is_left || !self.forecast.predict(view, view.me, &rates).exceeds(view.thresholds) {
                return kept;
            }
            for rate in kept.iter_mut().zip(&goes).filter(|(_, goes)| **goes).map(|(rate, _)| rate) {
                *rate -= (0.01 * *rate).ceil().min(*rate);
            }
        }
    }
}

impl Strategy for Equal {
    fn cadence(&self) -> Cadence {
        self.cadence
    }

    fn decide(&mut self, view: &View, _now: Duration, _random: &mut dyn Rng) -> Decision {
        let kept = self.kept(view);
        let shares = view.services.iter().zip(kept).map(|(load, kept)| {
            let nodes: Vec<_> = view.servers(load.service).map(|(neighbour, _)| neighbour.node).collect();
            let away = load.users - kept;
            if away <= 0.0 {
                return Sharing::local(load.service);
            }
            let part = |rate: f64| (rate / load.users * 1e4).round() / 1e4;
            let each = (away / nodes.len() as f64).floor();
            let rest = each.mul_add(-(nodes.len() as f64), away);
            let recipient = |(at, node)| {
                let rate = if at == 0 { each + rest } else { each };
                Recipient { node, weight: part(rate), pace: None }
            };
            let to = nodes.into_iter().enumerate().map(recipient).collect();
            let mode = SharingMode::Split { local: part(kept), reject: 0.0 };
            Sharing { service: load.service, mode, to, tries: 1, beyond: Vec::new() }
        });
        Decision { shares: Some(shares.collect()), ..Decision::default() }
    }
}
