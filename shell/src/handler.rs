//! One line after another: read, said, answered.

use std::sync::Arc;

use serde_json::Value;
use session_api::command::{Called, Command, Feed};
use session_api::grammar::{AnswerHistory, Answers, Meaning, Show, doubts, help, parse};
use session_api::units::many;
use session_api::verdict::Verdict;
use session_api::{Answer, Snapshot, escaped};

use crate::options::ShellError;
use crate::peer::ShellPeer;
use crate::voice::Voice;
use crate::{show, table, words};

/// More answers than anyone numbers, and few enough to stay small.
const ANSWERS: usize = 100;

/// What a shell keeps from one line to the next.
pub(crate) struct Handler<P> {
    pub(crate) peer: Arc<P>,
    pub(crate) voice: Voice,
    /// Whether somebody is here who can be asked.
    pub(crate) can_ask: bool,
    answers: AnswerHistory,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// It does not read, it was refused, or the call was answered with an error.
    Failed,
    /// It was the last.
    Leave,
    /// A push of this number waits for somebody to say yes or no.
    Asks(u64),
}

impl<P: ShellPeer> Handler<P> {
    pub(crate) fn new(peer: P, voice: Voice) -> Self {
        Self { peer: Arc::new(peer), voice, can_ask: false, answers: AnswerHistory::most(ANSWERS) }
    }

    /// The session, for the first time: where nobody answers there is nothing to read lines for.
    pub(crate) async fn attach(&self) -> Result<Snapshot, ShellError> {
        self.peer.snapshot().await.map_err(|error| ShellError::Peer(Box::new(error)))
    }

    /// Does what a line says. An error is one of the streams'; everything else is said there.
    pub(crate) async fn line(&mut self, line: &str) -> Result<Fate, ShellError> {
        let snapshot = match self.peer.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(error) => return self.lost(&error),
        };
        match parse(line, &snapshot, &self.answers) {
            Err(mistake) => {
                self.voice.mistake(line, &mistake)?;
                Ok(Fate::Failed)
            }
            Ok(Meaning::Say(command)) => self.say(&command, line, &snapshot).await,
            Ok(Meaning::Show(show)) => self.show(show, line, &snapshot).await,
        }
    }

    async fn show(&mut self, show: Show, line: &str, snapshot: &Snapshot) -> Result<Fate, ShellError> {
        match show {
            Show::Logs { service, last } => match self.peer.logs(service.as_deref(), last).await {
                Ok(lines) if lines.is_empty() => self.voice.talk("nothing was written yet")?,
                Ok(lines) => self.voice.print(&show::logs(&lines))?,
                Err(error) => return self.lost(&error),
            },
            Show::Table { of: Feed::Call(call) } => {
                return match self.called(Command::Invoke { call }).await? {
                    Some(called) => self.call_ended(called, line, snapshot, true),
                    None => Ok(Fate::Failed),
                };
            }
            Show::Services => self.voice.print(&show::services(snapshot))?,
            Show::Flow => self.voice.print(&show::flow(snapshot))?,
            Show::Edits => self.voice.print(&show::edits(snapshot))?,
            Show::Why { edit } => {
                let line = snapshot.edits.iter().find(|line| line.edit == edit);
                line.into_iter().try_for_each(|line| self.voice.print(&show::why(snapshot, line)))?;
            }
            Show::Data { bucket } => return self.data(bucket.as_deref(), snapshot),
            Show::Route { call } => {
                let (route, curl) = show::route_of(&call, snapshot);
                self.voice.print(&route)?;
                curl.into_iter().try_for_each(|curl| self.voice.talk(&curl))?;
            }
            Show::Table { of: Feed::Value(value) } => self.table(&value)?,
            Show::Answer { number } => {
                let value = self.answers.answer(number).cloned();
                value.into_iter().try_for_each(|value| self.voice.value(&value))?;
            }
            Show::Help { topic } => self.voice.print(&help(topic.as_deref()))?,
            Show::Quit => return Ok(Fate::Leave),
        }
        Ok(Fate::Done)
    }

    /// Buckets and their copies, where a data server tells of them.
    fn data(&mut self, bucket: Option<&str>, snapshot: &Snapshot) -> Result<Fate, ShellError> {
        let Some(data) = &snapshot.data else {
            let hint = "hint: dyn data serve runs one; settings in [data] of dyn.toml name its stores";
            self.voice.talk("no data server tells this session of buckets")?;
            self.voice.talk(hint)?;
            return Ok(Fate::Failed);
        };
        match data.lines(bucket) {
            Some(lines) => self.voice.print(&self::lines(lines))?,
            None => {
                let names: Vec<&str> = data.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
                let bucket = bucket.unwrap_or_default();
                self.voice.talk(&format!("there is no bucket {bucket}: there are {}", names.join(", ")))?;
                return Ok(Fate::Failed);
            }
        }
        Ok(Fate::Done)
    }

    fn table(&mut self, value: &Value) -> Result<(), ShellError> {
        let width = self.voice.width();
        Ok(self.voice.print(&table::of_value(value, width))?)
    }

    async fn say(&mut self, command: &Command, line: &str, snapshot: &Snapshot) -> Result<Fate, ShellError> {
        if self.nobody_answers(command)? {
            return Ok(Fate::Failed);
        }
        let answer = match self.peer.say(command).await {
            Ok(answer) => answer,
            Err(error) => return self.lost(&error),
        };
        match answer {
            Answer::Called(called) => self.call_ended(called, line, snapshot, false),
            Answer::Timed(timed) => {
                self.voice.print(&show::timed(&timed))?;
                let calls = many(timed.n as usize, "call");
                self.voice.talk(&format!("{calls}, {}", many(timed.errors as usize, "error")))?;
                match timed.first_error {
                    Some(called) => self.problem(&called, line, snapshot),
                    None if timed.errors > 0 => Ok(Fate::Failed),
                    None => Ok(Fate::Done),
                }
            }
            Answer::State { values } => {
                self.voice.value(&Value::Object(values.into_iter().collect()))?;
                Ok(Fate::Done)
            }
            Answer::Judged { verdicts } => {
                let told = verdicts.iter().flat_map(Verdict::lines);
                self.voice.print(&lines(told))?;
                Ok(Fate::Done)
            }
            Answer::Recordings { recordings } => {
                match recordings.is_empty() {
                    true => self.voice.talk("there is no recording")?,
                    false => self.voice.print(&lines(recordings))?,
                }
                Ok(Fate::Done)
            }
            Answer::Where(places) => {
                self.voice.print(&format!("{places}\n"))?;
                Ok(Fate::Done)
            }
            Answer::Stepped { steps, again: None } => {
                self.voice.print(&lines(steps))?;
                Ok(Fate::Done)
            }
            Answer::Stepped { steps, again: Some(end) } => {
                self.voice.talk(lines(steps).trim_end())?;
                self.voice.value(&end)?;
                Ok(Fate::Done)
            }
            Answer::Jobs { jobs } => {
                self.voice.print(&lines(jobs.lines()))?;
                Ok(Fate::Done)
            }
            Answer::Job { job } => {
                self.voice.print(&lines(job.lines()))?;
                Ok(Fate::Done)
            }
            Answer::Planned { push } => self.planned(*push).await,
            Answer::Done { message } => {
                self.voice.talk(&message)?;
                Ok(if *command == Command::Stop { Fate::Leave } else { Fate::Done })
            }
            Answer::Refused { message, hint } => self.refused(&message, hint.as_deref()),
        }
    }

    /// A call that is wanted as a value; none where it was refused, which is said.
    async fn called(&mut self, command: Command) -> Result<Option<Called>, ShellError> {
        match self.peer.say(&command).await {
            Ok(Answer::Called(called)) => return Ok(Some(called)),
            Ok(Answer::Refused { message, hint }) => self.refused(&message, hint.as_deref())?,
            Ok(_) => self.refused("the session answered something else than a call", None)?,
            Err(error) => self.lost(&error)?,
        };
        Ok(None)
    }

    fn call_ended(
        &mut self,
        called: Called,
        line: &str,
        snapshot: &Snapshot,
        as_table: bool,
    ) -> Result<Fate, ShellError> {
        if called.status >= 400 {
            return self.problem(&called, line, snapshot);
        }
        let hops = words::hops(&called);
        let Some(value) = called.value else {
            let by = called.filtered_by.map_or_else(String::new, |by| format!("{by} filtered it: "));
            self.voice.talk(&format!("{by}no answer   {hops}"))?;
            return Ok(Fate::Done);
        };
        if as_table {
            self.table(&value)?
        } else {
            self.voice.value(&value)?
        }
        let number = self.answers.keep(value);
        self.voice.talk(&format!("${number}  {hops}"))?;
        Ok(Fate::Done)
    }

    fn problem(&mut self, called: &Called, line: &str, snapshot: &Snapshot) -> Result<Fate, ShellError> {
        let (message, more) = words::problem(called);
        self.voice.error(&message)?;
        for line in more {
            self.voice.talk(&format!("  {line}"))?;
        }
        self.voice.talk(&format!("  {}", words::hops(called)))?;
        for doubt in doubts(line, snapshot) {
            self.voice.hint(&doubt.message)?;
        }
        Ok(Fate::Failed)
    }

    pub(crate) fn refused(&mut self, message: &str, hint: Option<&str>) -> Result<Fate, ShellError> {
        self.voice.error(message)?;
        hint.into_iter().try_for_each(|hint| self.voice.hint(hint))?;
        Ok(Fate::Failed)
    }

    pub(crate) fn lost(&mut self, error: &P::Error) -> Result<Fate, ShellError> {
        self.voice.error(&format!("the session does not answer: {error}"))?;
        Ok(Fate::Failed)
    }
}

/// One below the other, without what a terminal would take for an order.
fn lines(of: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    of.into_iter().map(|line| escaped(&line.to_string()).to_string() + "\n").collect()
}
