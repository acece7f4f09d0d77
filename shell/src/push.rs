//! A push or rollback in the shell: its plan, the question, and how it goes.

use std::time::Duration;

use session_api::command::{Command, Then};
use session_api::push::{PushView, Stage};
use session_api::{Answer, Snapshot};

use crate::handler::{Fate, Handler};
use crate::options::ShellError;
use crate::peer::ShellPeer;

/// How often a push that is under way is looked at.
const LOOK: Duration = Duration::from_millis(200);

impl<P: ShellPeer> Handler<P> {
    /// Whether a command asks something that nobody is here to answer, which is said.
    pub(crate) fn nobody_answers(&mut self, command: &Command) -> Result<bool, ShellError> {
        let asks = matches!(command, Command::Push { then: Then::Ask, .. } | Command::Rollback { then: Then::Ask, .. });
        if !asks || self.can_ask {
            return Ok(false);
        }
        self.refused("confirmation needed, but stdin is not a terminal", Some("pass --yes, or look with --plan"))?;
        Ok(true)
    }

    /// A push that is prepared: shown, asked about where it asks, and followed to its end where it is carried out.
    pub(crate) async fn planned(&mut self, push: PushView) -> Result<Fate, ShellError> {
        for line in push.plan() {
            self.voice.talk(&line)?;
        }
        match &push.stage {
            Stage::Asking => Ok(Fate::Asks(push.push)),
            Stage::Underway | Stage::Stopping => self.follow(push.push).await,
            _ => self.ended(&push),
        }
    }

    /// Says yes or no to a push that asks, and follows it to its end.
    pub(crate) async fn decide(&mut self, push: u64, yes: bool) -> Result<Fate, ShellError> {
        match self.peer.say(&Command::Decide { push, yes }).await {
            Ok(Answer::Refused { message, hint }) => self.refused(&message, hint.as_deref()),
            Ok(_) => self.follow(push).await,
            Err(error) => self.lost(&error),
        }
    }

    /// Tells how a push goes until its end.
    async fn follow(&mut self, number: u64) -> Result<Fate, ShellError> {
        let mut told: Vec<String> = Vec::new();
        loop {
            let snapshot = match self.peer.snapshot().await {
                Ok(snapshot) => snapshot,
                Err(error) => return self.lost(&error),
            };
            let Some(push) = found(&snapshot, number) else {
                return self.refused(&format!("the session knows no push {number} any more"), None);
            };
            let doing = push.doing.iter().cloned();
            let states = push.changed().map(|roll| format!("{}: {}", roll.name, roll.state));
            let now: Vec<String> = doing.chain(states.filter(|line| !line.ends_with(": waiting"))).collect();
            for line in now.iter().filter(|line| !told.contains(line)) {
                self.voice.talk(line)?;
            }
            told = now;
            if !push.is_open() {
                return self.ended(push);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn ended(&mut self, push: &PushView) -> Result<Fate, ShellError> {
        for roll in &push.services {
            if let session_api::push::RollState::Failed { lines, .. } = &roll.state {
                lines.iter().try_for_each(|line| self.voice.talk(&format!("  {} | {line}", roll.name)))?;
            }
        }
        let said = format!("{} {}: {}", push.act.word(), push.push, push.stage);
        match &push.stage {
            Stage::Failed { hint, .. } => self.refused(&said, hint.as_deref()),
            Stage::Stopped => self.refused(&said, None),
            Stage::Declined { .. } => {
                self.voice.talk(&said)?;
                Ok(Fate::Failed)
            }
            _ => {
                self.voice.talk(&said)?;
                Ok(Fate::Done)
            }
        }
    }
}

fn found(snapshot: &Snapshot, number: u64) -> Option<&PushView> {
    snapshot.pushes.iter().find(|push| push.push == number)
}

/// What is asked before a push is carried out.
pub(crate) fn question(snapshot: &Snapshot, number: u64) -> String {
    let push = found(snapshot, number);
    let word = push.map_or("push", |push| push.act.word());
    let target = push.and_then(|push| push.target.as_ref()).map_or_else(String::new, |target| format!(" to {target}"));
    format!("{word}{target}? [y/N] ")
}

/// The push that is under way, in words for who leaves it alone.
pub(crate) fn goes_on(snapshot: &Snapshot) -> Option<String> {
    let busy = snapshot.pushes.last().filter(|push| push.is_busy())?;
    Some(format!("{} {} goes on; :push --stop has it stop", busy.act.word(), busy.push))
}
