//! A meaning as a line again.

use std::fmt::{self, Display, Formatter};

use super::{Meaning, Show};
use crate::command::{CallTree, Command, Feed, Goal, Then};

impl Display for Meaning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(command) => command.fmt(f),
            Self::Show(show) => show.fmt(f),
        }
    }
}

/// As it is typed.
impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invoke { call } => call.fmt(f),
            Self::Time { count, call } => write!(f, ":time {count} {call}"),
            Self::State { service } => write!(f, ":state {service}"),
            Self::Set { service, state, value } => write!(f, ":set {service}.{state} {value}"),
            Self::Restart { service } => write!(f, ":restart {service}"),
            Self::Fuse { services, reset } => moved(f, ":fuse", services, *reset),
            Self::Split { services, reset } => moved(f, ":split", services, *reset),
            Self::Undo => f.write_str(":undo"),
            Self::Replay { name } => spaced(f, ":replay", name.iter()),
            Self::Recordings => f.write_str(":recordings"),
            Self::Where { data } => spaced(f, ":where", data.iter()),
            Self::Diff { request } => write!(f, ":diff {request}"),
            Self::Again { request } => write!(f, ":again {request}"),
            Self::Step { request, hop, inputs } => {
                write!(f, ":step {request}")?;
                spaced(f, "", hop.iter())?;
                spaced(f, "", inputs.iter().flatten())
            }
            Self::Record { on: true, name } => spaced(f, ":record on", name.iter()),
            Self::Record { on: false, .. } => f.write_str(":record off"),
            Self::Keep { name } => write!(f, ":keep {name}"),
            Self::Push { goal, services, with_dependents, then } => {
                spaced(f, ":push", services.iter())?;
                let flag = with_dependents.then_some("--with-dependents");
                spaced(f, "", flag.iter())?;
                told(f, goal, *then)
            }
            Self::Rollback { goal, service, to, undoes, then } => {
                spaced(f, ":rollback", service.iter())?;
                to.iter().try_for_each(|to| write!(f, " --to {to}"))?;
                undoes.iter().try_for_each(|undoes| write!(f, " --undo {undoes}"))?;
                told(f, goal, *then)
            }
            Self::Decide { push, yes: true } => write!(f, ":confirm {push}"),
            Self::Decide { push, yes: false } => write!(f, ":decline {push}"),
            Self::StopPush => f.write_str(":push --stop"),
            Self::Jobs => f.write_str(":jobs"),
            Self::Job { id } => write!(f, ":job {id}"),
            Self::RunJob { call } => write!(f, ":run {call}"),
            Self::RetryJob { id } => write!(f, ":retry {id}"),
            Self::CancelJob { id } => write!(f, ":cancel {id}"),
            Self::Stop => f.write_str(":stop"),
        }
    }
}

fn moved(f: &mut Formatter<'_>, command: &str, services: &[String], reset: bool) -> fmt::Result {
    spaced(f, command, services.iter())?;
    spaced(f, "", reset.then_some("--reset").iter())
}

/// Shows the target of a push, and the next step after its plan.
fn told(f: &mut Formatter<'_>, goal: &Goal, then: Then) -> fmt::Result {
    goal.context.iter().try_for_each(|context| write!(f, " --context {context}"))?;
    goal.namespace.iter().try_for_each(|namespace| write!(f, " --namespace {namespace}"))?;
    f.write_str(match then {
        Then::Ask => "",
        Then::Go => " --yes",
        Then::End => " --plan",
    })
}

/// A command and what it is given, apart by blanks.
fn spaced(f: &mut Formatter<'_>, command: &str, given: impl Iterator<Item = impl Display>) -> fmt::Result {
    f.write_str(command)?;
    given.into_iter().try_for_each(|one| write!(f, " {one}"))
}

impl Display for Show {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Services => f.write_str(":services"),
            Self::Flow => f.write_str(":flow"),
            Self::Logs { service: Some(service), last } => write!(f, ":logs {service} {last}"),
            Self::Logs { service: None, last } => write!(f, ":logs {last}"),
            Self::Edits => f.write_str(":edits"),
            Self::Why { edit } => write!(f, ":why {edit}"),
            Self::Route { call } => write!(f, ":route {call}"),
            Self::Data { bucket } => spaced(f, ":data", bucket.iter()),
            Self::Table { of } => write!(f, ":table {of}"),
            Self::Answer { number } => write!(f, "${number}"),
            Self::Help { topic: Some(topic) } => write!(f, ":help {topic}"),
            Self::Help { topic: None } => f.write_str(":help"),
            Self::Quit => f.write_str(":quit"),
        }
    }
}

/// As it is typed, in the form `map(filter(get))`; without inputs it means: as the app's flow feeds it.
impl Display for CallTree {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.service)?;
        let Some(inputs) = self.inputs.as_ref() else { return Ok(()) };
        f.write_str("(")?;
        for (at, feed) in inputs.iter().enumerate() {
            write!(f, "{}{feed}", if at == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

impl Display for Feed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Call(call) => call.fmt(f),
        }
    }
}
