//! Decisions that take their time, as those of a model that is asked over HTTP: nobody waits for them.

use std::sync::Arc;
use std::time::Duration;

use balance::{Decision, Strategy, StrategyName, View};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::NodeMind;
use crate::bundle::NodeBundle;

/// A strategy that decides somewhere else, with all that it decides on.
pub(crate) struct SlowTurn {
    bundle: Arc<NodeBundle>,
    strategy: Box<dyn Strategy>,
    view: View,
    clock: Duration,
    random: Xoshiro256PlusPlus,
}

/// What it decided.
pub(crate) struct SlowDecision {
    bundle: Arc<NodeBundle>,
    strategy: Box<dyn Strategy>,
    decision: Decision,
}

impl SlowTurn {
    /// Decides, on a thread that may wait. None where that ended in a panic.
    pub(crate) async fn decide(mut self) -> Option<SlowDecision> {
        let decided = tokio::task::spawn_blocking(move || {
            let decision = self.strategy.decide(&self.view, self.clock, &mut self.random);
            SlowDecision { bundle: self.bundle, strategy: self.strategy, decision }
        });
        match decided.await {
            Ok(decided) => Some(decided),
            Err(error) => {
                tracing::error!(%error, "a strategy ended");
                None
            }
        }
    }
}

impl NodeMind {
    /// Strategies whose turn it is and that take their time. What was decided before holds until they have decided.
    pub(crate) fn slow_turns(&mut self, now: Duration, clock: Duration) -> Vec<SlowTurn> {
        if self.settings.name != StrategyName::Remote {
            return Vec::new();
        }
        let mut turns = Vec::new();
        for app in self.apps.values_mut().filter(|app| app.is_due(clock)) {
            let Some(strategy) = app.strategy.take() else { continue };
            app.decided = Some(clock);
            let mut view = app.book.view(now);
            for neighbour in &mut view.neighbours {
                for load in &mut neighbour.services {
                    let sent = app.sent.get(&(load.service, neighbour.node));
                    load.sent = sent.map_or(0.0, |sent| sent.rate(now));
                }
            }
            let random = Xoshiro256PlusPlus::from_rng(&mut self.random);
            turns.push(SlowTurn { bundle: app.bundle.clone(), strategy, view, clock, random });
        }
        turns
    }

    /// Goes by what was decided, unless the app is another by now.
    pub(crate) fn settle(&mut self, decided: Option<SlowDecision>, now: Duration) {
        let Some(SlowDecision { bundle, strategy, mut decision }) = decided else { return };
        self.notices.extend(decision.notice.take());
        if let Some(app) = self.apps.get_mut(&bundle.app).filter(|app| Arc::ptr_eq(&app.bundle, &bundle)) {
            app.strategy = Some(strategy);
            app.take(decision, now);
        }
    }
}
