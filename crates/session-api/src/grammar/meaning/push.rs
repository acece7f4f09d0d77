//! Pushes and rollbacks: names of services, and what begins with `--` in any order.

use std::ops::Range;

use super::Words;
use crate::command::{Command, Goal, Then};
use crate::grammar::Meaning;
use crate::grammar::mistake::Mistake;
use crate::grammar::verb::Verb;

/// The arguments of the command.
#[derive(Default)]
struct Said {
    goal: Goal,
    services: Vec<String>,
    with_dependents: bool,
    to: Option<u32>,
    undoes: Option<u32>,
    then: Then,
    stop: bool,
}

impl Words<'_, '_, '_> {
    pub(super) fn push(&mut self, verb: &Verb) -> Result<Meaning, Mistake> {
        let is_push = verb.name == "push";
        let most = if is_push { usize::MAX } else { 1 };
        let mut said = Said::default();
        while let Some(token) = self.reader.peek() {
            if !token.text(self.reader.line).starts_with('-') {
                if said.services.len() == most {
                    return Err(self.reader.expected("the end of the line"));
                }
                said.services.push(self.service()?.name.clone());
                continue;
            }
            let at = self.reader.here();
            let flag = self.word("an option")?;
            if !verb.flags.contains(&flag.as_str()) {
                let wrong = Mistake::new(at, format_args!(":{} knows no {flag}", verb.name));
                return Err(wrong.nearest(&flag, verb.flags.iter().copied(), "options"));
            }
            self.flag(&flag, at, &mut said)?;
        }
        let Said { goal, services, with_dependents, to, undoes, then, stop } = said;
        Ok(Meaning::Say(match () {
            () if stop => Command::StopPush,
            () if is_push => Command::Push { goal, services, with_dependents, then },
            () => Command::Rollback { goal, service: services.into_iter().next(), to, undoes, then },
        }))
    }

    fn flag(&mut self, flag: &str, at: Range<usize>, said: &mut Said) -> Result<(), Mistake> {
        match flag {
            "--context" => said.goal.context = Some(self.word("the name of a context")?),
            "--namespace" => said.goal.namespace = Some(self.word("the name of a namespace")?),
            "--with-dependents" => said.with_dependents = true,
            "--to" => said.to = Some(self.number("the number of a push")?.0),
            "--undo" => said.undoes = Some(self.number("the number of a push")?.0),
            "--stop" => said.stop = true,
            _ => {
                let then = if flag == "--plan" { Then::End } else { Then::Go };
                if said.then != Then::Ask && said.then != then {
                    return Err(Mistake::new(at, "--plan does nothing, and --yes does it").hint("say one of them"));
                }
                said.then = then;
            }
        }
        Ok(())
    }

    /// The push that was asked about: the last one, where none is named.
    pub(super) fn decide(&mut self, verb: &Verb) -> Result<Meaning, Mistake> {
        let here = self.reader.here();
        let push =
            match self.reader.tokens.is_empty() {
                false => self.number("the number of a push of this session")?.0,
                true => {
                    self.known.snapshot.pushes.last().map(|push| push.push).ok_or_else(|| {
                        Mistake::new(here, "nothing was pushed yet").hint(":push asks, and this answers")
                    })?
                }
            };
        Ok(Meaning::Say(Command::Decide { push, yes: verb.name == "confirm" }))
    }
}
