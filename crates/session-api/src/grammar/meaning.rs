//! From tokens to what a line means.

mod place;
mod push;

use std::ops::Range;

use super::expression::{Expression, Reader, What};
use super::help::TOPICS;
use super::mistake::Mistake;
use super::resolve::Known;
use super::token::{Token, TokenKind, tokens};
use super::verb::{self, Takes, VERBS, Verb};
use super::{Answers, Meaning, Show};
use crate::command::{CallTree, Command, Feed};
use crate::snapshot::{ServiceView, Snapshot};

/// More calls than anyone waits for; one after the other they would take minutes.
const MOST_CALLS: u32 = 1_000_000;

/// As many lines as a screen has.
const LOG_LINES: usize = 20;

/// Reads a line; a mistake's place is in bytes.
pub(super) fn read(line: &str, snapshot: &Snapshot, history: &dyn Answers) -> Result<Meaning, Mistake> {
    let tokens = tokens(line);
    let mut reader = Reader { line, tokens: &tokens };
    let known = Known { snapshot, history };
    if reader.peek().is_some_and(|token| token.is(':')) {
        reader.take();
        let meaning = Words { reader: &mut reader, known: &known }.read()?;
        reader.end()?;
        return Ok(meaning);
    }
    let expression = reader.expression(0)?;
    reader.end()?;
    if let What::Reference(name) = &expression.what {
        let (number, _) = known.earlier(name, &expression.at)?;
        return Ok(Meaning::Show(Show::Answer { number }));
    }
    match known.feed(&expression)? {
        Feed::Call(call) => Ok(Meaning::Say(Command::Invoke { call })),
        Feed::Value(_) => {
            let first = snapshot.services.iter().find(|service| !service.inputs.is_empty());
            let first = first.map_or("SERVICE", |service| service.name.as_str());
            let value = &line[expression.at.clone()];
            Err(Mistake::new(expression.at.clone(), "a value by itself calls nothing")
                .hint(format_args!("name the service it is for: {first} {value}")))
        }
    }
}

/// The words behind the colon, and their meaning.
struct Words<'r, 'l, 's> {
    reader: &'r mut Reader<'l>,
    known: &'r Known<'s>,
}

impl<'l, 's> Words<'_, 'l, 's> {
    fn read(&mut self) -> Result<Meaning, Mistake> {
        let (name, at) = self.name("a command")?;
        let verb = verb::find(name).ok_or_else(|| {
            let names = VERBS.iter().map(|verb| verb.name);
            Mistake::new(at.clone(), format_args!(":{name} is no command")).nearest(name, names, "commands")
        })?;
        Ok(match verb.takes {
            Takes::Nothing => self.plain(verb),
            Takes::Service => self.of_a_service(verb)?,
            Takes::Logs => self.logs()?,
            Takes::Time => self.time()?,
            Takes::Set => self.set()?,
            Takes::Edit => self.why()?,
            Takes::Expression => Meaning::Show(Show::Route { call: self.call()? }),
            Takes::Table => Meaning::Show(Show::Table { of: self.table(&at)? }),
            Takes::Switch => Meaning::Say(self.switch()?),
            Takes::Name => Meaning::Say(Command::Keep { name: self.word("a name")? }),
            Takes::Data => Meaning::Say(Command::Where { data: self.perhaps_word() }),
            Takes::Bucket => Meaning::Show(Show::Data { bucket: self.perhaps_word() }),
            Takes::Recording => Meaning::Say(Command::Replay { name: self.perhaps_word() }),
            Takes::Request => {
                let (request, _) = self.number("the number of a request")?;
                Meaning::Say(if verb.name == "again" { Command::Again { request } } else { Command::Diff { request } })
            }
            Takes::Step => Meaning::Say(self.step()?),
            Takes::Topic => self.help()?,
            Takes::Push => self.push(verb)?,
            Takes::Move => self.move_to(verb)?,
            Takes::Decision => self.decide(verb)?,
            Takes::Job => Meaning::Say(self.job(verb)?),
            Takes::Run => Meaning::Say(Command::RunJob { call: self.call()? }),
        })
    }

    fn plain(&self, verb: &Verb) -> Meaning {
        match verb.name {
            "services" => Meaning::Show(Show::Services),
            "flow" => Meaning::Show(Show::Flow),
            "edits" => Meaning::Show(Show::Edits),
            "undo" => Meaning::Say(Command::Undo),
            "recordings" => Meaning::Say(Command::Recordings),
            "jobs" => Meaning::Say(Command::Jobs),
            "stop" => Meaning::Say(Command::Stop),
            _ => Meaning::Show(Show::Quit),
        }
    }

    fn of_a_service(&mut self, verb: &Verb) -> Result<Meaning, Mistake> {
        let service = self.service()?.name.clone();
        Ok(Meaning::Say(match verb.name {
            "state" => Command::State { service },
            _ => Command::Restart { service },
        }))
    }

    fn logs(&mut self) -> Result<Meaning, Mistake> {
        let service = match self.reader.peek().map(|token| token.kind) {
            Some(TokenKind::Name) => Some(self.service()?.name.clone()),
            _ => None,
        };
        let last = if self.reader.tokens.is_empty() { LOG_LINES } else { self.number("a number of lines")?.0 };
        Ok(Meaning::Show(Show::Logs { service, last }))
    }

    fn time(&mut self) -> Result<Meaning, Mistake> {
        let (count, at) = self.number::<u32>("how often to call")?;
        if count == 0 || count > MOST_CALLS {
            return Err(Mistake::new(at, format_args!("from 1 to {MOST_CALLS} calls can be timed")));
        }
        Ok(Meaning::Say(Command::Time { count, call: self.call()? }))
    }

    fn set(&mut self) -> Result<Meaning, Mistake> {
        let service = self.service()?;
        match self.reader.peek() {
            Some(token) if token.is('.') => self.reader.take(),
            _ => return Err(self.reader.expected(&format!(".NAME of a placed value of {}", service.name))),
        };
        let (state, at) = self.name("the name of a placed value")?;
        if !service.placed.contains_key(state) {
            let names = service.placed.keys().map(String::as_str);
            let message = format!("{} has no placed value {state}", service.name);
            return Err(Mistake::new(at, message).nearest(state, names, "placed values"));
        }
        let start = self.reader.here();
        if self.reader.tokens.is_empty() {
            return Err(self.reader.expected("a value"));
        }
        let expression = self.reader.expression(0)?;
        match self.known.feed(&expression)? {
            Feed::Value(value) => {
                Ok(Meaning::Say(Command::Set { service: service.name.clone(), state: state.to_owned(), value }))
            }
            Feed::Call(_) => {
                Err(Mistake::new(start, "a value is expected here, not a call").hint("call it first, then $last"))
            }
        }
    }

    fn why(&mut self) -> Result<Meaning, Mistake> {
        let edits = &self.known.snapshot.edits;
        let Some((first, last)) = edits.first().zip(edits.last()) else {
            return Err(Mistake::new(self.reader.here(), "there is no edit yet"));
        };
        if self.reader.tokens.is_empty() {
            return Ok(Meaning::Show(Show::Why { edit: last.edit }));
        }
        let (edit, at) = self.number("the number of an edit")?;
        if edits.iter().any(|line| line.edit == edit) {
            return Ok(Meaning::Show(Show::Why { edit }));
        }
        Err(Mistake::new(at, format_args!("there is no edit {edit}"))
            .hint(format_args!("edits {} to {} are known", first.edit, last.edit)))
    }

    fn table(&mut self, at: &Range<usize>) -> Result<Feed, Mistake> {
        if !self.reader.tokens.is_empty() {
            return self.expression();
        }
        let last = Expression { at: at.clone(), what: What::Reference("last".to_owned()) };
        self.known.feed(&last)
    }

    fn switch(&mut self) -> Result<Command, Mistake> {
        let (switch, at) = self.name("on or off")?;
        match switch {
            "on" => Ok(Command::Record { on: true, name: self.perhaps_word() }),
            "off" => Ok(Command::Record { on: false, name: None }),
            _ => Err(Mistake::new(at, format_args!("{switch} is neither on nor off"))),
        }
    }

    fn step(&mut self) -> Result<Command, Mistake> {
        let request = self.number("the number of a request")?.0;
        if self.reader.tokens.is_empty() {
            return Ok(Command::Step { request, hop: None, inputs: None });
        }
        let hop = Some(self.number("the number of a hop, from 1 on")?.0);
        let mut values = Vec::new();
        while !self.reader.tokens.is_empty() {
            let at = self.reader.here();
            let expression = self.reader.operand(0)?;
            match self.known.feed(&expression)? {
                Feed::Value(value) => values.push(value),
                Feed::Call(_) => return Err(Mistake::new(at, "a value is expected here, not a call")),
            }
        }
        Ok(Command::Step { request, hop, inputs: Some(values).filter(|values| !values.is_empty()) })
    }

    fn job(&mut self, verb: &Verb) -> Result<Command, Mistake> {
        let id = self.word("the id of a job")?;
        Ok(match verb.name {
            "retry" => Command::RetryJob { id },
            "cancel" => Command::CancelJob { id },
            _ => Command::Job { id },
        })
    }

    /// Reads up to the next blank, as names of folders go.
    fn word(&mut self, what: &str) -> Result<String, Mistake> {
        self.perhaps_word().ok_or_else(|| self.reader.expected(what))
    }

    fn perhaps_word(&mut self) -> Option<String> {
        let start = self.reader.peek()?.at.start;
        let mut end = start;
        while let Some(token) = self.reader.peek().filter(|token| token.at.start == end) {
            end = token.at.end;
            self.reader.take();
        }
        Some(self.reader.line[start..end].to_owned())
    }

    fn help(&mut self) -> Result<Meaning, Mistake> {
        if self.reader.peek().is_some_and(|token| token.is(':')) {
            self.reader.take();
        } else if self.reader.tokens.is_empty() {
            return Ok(Meaning::Show(Show::Help { topic: None }));
        }
        let (topic, at) = self.name("a command or a topic")?;
        let topics = || TOPICS.iter().copied().chain(VERBS.iter().map(|verb| verb.name));
        if topics().any(|known| known == topic) {
            return Ok(Meaning::Show(Show::Help { topic: Some(topic.to_owned()) }));
        }
        Err(Mistake::new(at, format_args!("there is no help on {topic}")).nearest(topic, topics(), "topics"))
    }

    fn expression(&mut self) -> Result<Feed, Mistake> {
        let expression = self.reader.expression(0)?;
        self.reader.end()?;
        self.known.feed(&expression)
    }

    fn call(&mut self) -> Result<CallTree, Mistake> {
        let expression = self.reader.expression(0)?;
        self.reader.end()?;
        match self.known.feed(&expression)? {
            Feed::Call(call) => Ok(call),
            Feed::Value(_) => {
                Err(Mistake::new(expression.at, "a value by itself calls nothing").hint("name a service"))
            }
        }
    }

    fn service(&mut self) -> Result<&'s ServiceView, Mistake> {
        let (name, at) = self.name("a service")?;
        self.known.service(name, &at)
    }

    fn name(&mut self, what: &str) -> Result<(&'l str, Range<usize>), Mistake> {
        match self.reader.peek() {
            Some(token @ Token { kind: TokenKind::Name, .. }) => {
                self.reader.take();
                Ok((token.text(self.reader.line), token.at.clone()))
            }
            _ => Err(self.reader.expected(what)),
        }
    }

    fn number<N: std::str::FromStr>(&mut self, what: &str) -> Result<(N, Range<usize>), Mistake> {
        let token = self.reader.peek();
        let number = token.and_then(|token| token.text(self.reader.line).parse().ok().map(|n| (n, token.at.clone())));
        let number = number.ok_or_else(|| self.reader.expected(what))?;
        self.reader.take();
        Ok(number)
    }
}
