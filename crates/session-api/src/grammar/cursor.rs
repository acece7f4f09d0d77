//! What could stand at the cursor. Works on lines that are not whole yet, so it guesses where the parser would refuse.

use super::expression::begins_value;
use super::shape::{Ty, of};
use super::token::{Token, TokenKind, tokens};
use super::verb::{self, Takes};
use crate::snapshot::{ServiceView, Snapshot, StateField};

/// The candidates for a place, and its beginning.
#[derive(Debug)]
pub(super) struct Spot<'s> {
    /// Byte where what is typed of it so far begins.
    pub(super) start: usize,
    /// The candidates.
    pub(super) wanted: Wanted<'s>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Wanted<'s> {
    Nothing,
    Command,
    Topic,
    Edit,
    /// A recorded request.
    Request,
    /// `on` or `off`.
    Switch,
    /// A service, or one of these.
    Flags(&'static [&'static str]),
    /// A push that waits for an answer.
    Decision,
    /// The id of a job.
    Job,
    /// The name of a bucket.
    Bucket,
    /// Only the name of a service.
    Service,
    /// A placed value of a service.
    Placed(&'s ServiceView),
    /// A call or a value.
    Operand {
        /// The type of the value, where it is known.
        ty: Option<&'s str>,
        /// Inputs that could be named here.
        inputs: Vec<&'s StateField>,
    },
    /// A field of an object.
    Key {
        fields: &'s [StateField],
        /// Keys that are written already.
        there: Vec<String>,
    },
    /// A value within JSON.
    Value(&'s str),
}

/// Finds the candidates at `cursor`, a byte of the line.
pub(super) fn spot<'s>(line: &str, cursor: usize, snapshot: &'s Snapshot) -> Spot<'s> {
    let mut cursor = cursor.min(line.len());
    while !line.is_char_boundary(cursor) {
        cursor -= 1;
    }
    let line = &line[..cursor];
    let tokens = tokens(line);
    let is_begun = |last: &Token| {
        let open = matches!(
            last.kind,
            TokenKind::Name | TokenKind::Reference | TokenKind::Word | TokenKind::Text { closed: false }
        );
        // No number begins so.
        let is_flag = line[last.at.clone()].starts_with("--") || line[last.at.start..] == *"-";
        (open || is_flag) && last.at.end == cursor
    };
    let (before, start) = match tokens.split_last() {
        Some((last, before)) if is_begun(last) => (before, last.at.start),
        _ => (&tokens[..], cursor),
    };
    match before {
        [colon, rest @ ..] if colon.is(':') => command(line, colon, rest, start, snapshot),
        _ => {
            let walk = behind(Takes::Expression, line, before, snapshot);
            Spot { start, wanted: walk.map_or(Wanted::Nothing, |(walk, tokens)| walk.through(tokens)) }
        }
    }
}

fn command<'s>(line: &str, colon: &Token, rest: &[Token], start: usize, snapshot: &'s Snapshot) -> Spot<'s> {
    let Some((name, arguments)) = rest.split_first() else {
        return Spot { start: colon.at.start, wanted: Wanted::Command };
    };
    let service = |token: &Token| snapshot.service(token.text(line));
    let verb = verb::find(name.text(line));
    // An id is one word, whatever tokens it is made of.
    if let (Some(Takes::Job), [first, ..]) = (verb.map(|verb| verb.takes), arguments) {
        let ends = arguments.iter().map(|token| token.at.end);
        let is_one = arguments.iter().skip(1).map(|token| token.at.start).chain([start]).eq(ends);
        return Spot { start: first.at.start, wanted: if is_one { Wanted::Job } else { Wanted::Nothing } };
    }
    let wanted = match (verb.map(|verb| verb.takes), arguments) {
        // What stands behind these is no service.
        (Some(Takes::Push), [.., last])
            if matches!(last.text(line), "--context" | "--namespace" | "--to" | "--undo") =>
        {
            Wanted::Nothing
        }
        (Some(Takes::Push | Takes::Move), _) => Wanted::Flags(verb.map_or(&[], |verb| verb.flags)),
        (Some(Takes::Decision), []) => Wanted::Decision,
        (Some(Takes::Job), []) => Wanted::Job,
        (Some(Takes::Bucket), []) => Wanted::Bucket,
        (Some(Takes::Service | Takes::Logs | Takes::Set), []) => Wanted::Service,
        (Some(Takes::Set), [name, dot]) if dot.is('.') => service(name).map_or(Wanted::Nothing, Wanted::Placed),
        (Some(Takes::Edit), []) => Wanted::Edit,
        (Some(Takes::Topic), []) => Wanted::Topic,
        (Some(Takes::Request | Takes::Step), []) => Wanted::Request,
        (Some(Takes::Switch), []) => Wanted::Switch,
        (Some(takes), arguments) => behind(takes, line, arguments, snapshot)
            .map_or(Wanted::Nothing, |(walk, arguments)| walk.through(arguments)),
        (None, _) => Wanted::Nothing,
    };
    Spot { start, wanted }
}

/// The walk for what a command takes besides names and numbers, and the tokens it goes through.
fn behind<'l, 's, 't>(
    takes: Takes,
    line: &'l str,
    arguments: &'t [Token],
    snapshot: &'s Snapshot,
) -> Option<(Walk<'l, 's>, &'t [Token])> {
    let walk = Walk { line, snapshot, lists: vec![List::default()], json: Vec::new(), only: None };
    match (takes, arguments) {
        (Takes::Set, [name, dot, state, rest @ ..]) if dot.is('.') => {
            let placed = snapshot.service(name.text(line))?.placed.get(state.text(line))?;
            Some((Walk { only: Some(&placed.ty), ..walk }, rest))
        }
        (Takes::Time, [_, rest @ ..]) | (Takes::Expression | Takes::Table | Takes::Run, rest) => Some((walk, rest)),
        _ => None,
    }
}

/// Every value of a line: which token it begins with, and its type as written.
pub(super) fn value_types<'s>(line: &str, tokens: &[Token], snapshot: &'s Snapshot) -> Vec<(usize, &'s str)> {
    let found = match tokens {
        [colon, name, arguments @ ..] if colon.is(':') => {
            verb::find(name.text(line)).and_then(|verb| behind(verb.takes, line, arguments, snapshot))
        }
        _ => behind(Takes::Expression, line, tokens, snapshot),
    };
    let Some((mut walk, rest)) = found else { return Vec::new() };
    let before = tokens.len() - rest.len();
    let mut types = Vec::new();
    for at in 0..rest.len() {
        if walk.json.is_empty() && begins_value(rest[at].kind) {
            types.push((before + at, walk.value_type()));
        }
        walk.step(rest, at);
    }
    types
}

/// A walk through the tokens before the cursor.
struct Walk<'l, 's> {
    line: &'l str,
    snapshot: &'s Snapshot,
    /// The whole line, and every open parenthesis.
    lists: Vec<List<'s>>,
    /// Every open bracket of JSON.
    json: Vec<Json<'s>>,
    /// The type, where only a value can stand.
    only: Option<&'s str>,
}

/// The arguments in a parenthesis.
#[derive(Default)]
struct List<'s> {
    /// The called service.
    callee: Option<&'s ServiceView>,
    fed: Fed<'s>,
    /// The stage at work; none before its first word.
    stage: Option<Stage<'s>>,
    /// Whether it is fed by the one before.
    piped: bool,
}

/// A stage: a service with what stands behind it.
#[derive(Default)]
struct Stage<'s> {
    service: Option<&'s ServiceView>,
    fed: Fed<'s>,
}

/// The inputs that are fed already.
#[derive(Default)]
struct Fed<'s> {
    positions: usize,
    names: Vec<&'s str>,
    /// The one named just now.
    named: Option<&'s StateField>,
}

impl<'s> Fed<'s> {
    fn take(&mut self) {
        if self.named.take().is_none() {
            self.positions += 1;
        }
    }

    fn name(&mut self, field: Option<&'s StateField>) {
        self.named = field;
        self.names.extend(field.map(|field| field.name.as_str()));
    }

    fn open(&self, service: Option<&'s ServiceView>) -> Vec<&'s StateField> {
        let inputs = service.map_or(&[][..], |service| &service.inputs);
        inputs.iter().skip(self.positions).filter(|field| !self.names.contains(&field.name.as_str())).collect()
    }

    fn wanted(&self, service: Option<&'s ServiceView>) -> Wanted<'s> {
        let inputs = self.open(service);
        match self.named {
            Some(field) => Wanted::Operand { ty: Some(&field.ty), inputs: Vec::new() },
            None => Wanted::Operand { ty: inputs.first().map(|field| field.ty.as_str()), inputs },
        }
    }
}

enum Json<'s> {
    Object { ty: Ty<'s>, there: Vec<String>, key: Option<String> },
    List { inner: &'s str },
}

impl<'s> Walk<'_, 's> {
    fn through(mut self, tokens: &[Token]) -> Wanted<'s> {
        (0..tokens.len()).for_each(|at| self.step(tokens, at));
        let last = tokens.last();
        match (self.json.last(), self.only) {
            (Some(json), _) => inside_wanted(json, last),
            (None, Some(ty)) if tokens.is_empty() => Wanted::Operand { ty: Some(ty), inputs: Vec::new() },
            (None, Some(_)) => Wanted::Nothing,
            (None, None) => self.outside_wanted(last),
        }
    }

    fn step(&mut self, tokens: &[Token], at: usize) {
        let token = &tokens[at];
        if self.json.is_empty() && !token.is('{') && !token.is('[') {
            self.outside(token, at.checked_sub(1).map(|at| &tokens[at]), tokens.get(at + 1));
        } else {
            self.inside(token);
        }
    }

    fn outside(&mut self, token: &Token, before: Option<&Token>, after: Option<&Token>) {
        let service = |token: &Token| self.snapshot.service(token.text(self.line));
        let nested = self.lists.len() > 1;
        let Some(list) = self.lists.last_mut() else { return };
        match token.kind {
            TokenKind::Name if after.is_some_and(|after| after.is('=')) => {
                let input =
                    |service: &'s ServiceView| service.inputs.iter().find(|field| field.name == token.text(self.line));
                match &mut list.stage {
                    Some(stage) => stage.fed.name(stage.service.and_then(input)),
                    None => list.fed.name(list.callee.and_then(input)),
                }
            }
            TokenKind::Name if list.stage.is_none() => {
                let mut stage = Stage { service: service(token), ..Stage::default() };
                stage.fed.positions = usize::from(list.piped);
                list.stage = Some(stage);
            }
            TokenKind::Mark('(') => {
                let callee = before.and_then(service);
                self.lists.push(List { callee, ..List::default() });
            }
            TokenKind::Mark(')') if nested => {
                self.lists.pop();
            }
            TokenKind::Mark(',') => {
                list.fed.take();
                list.stage = None;
                list.piped = false;
            }
            TokenKind::Mark('|') => {
                list.stage = None;
                list.piped = true;
            }
            TokenKind::Mark(_) => {}
            _ => self.value_ended(),
        }
    }

    /// A value or a call is an argument of the stage, or the stage itself.
    fn value_ended(&mut self) {
        if let Some(list) = self.lists.last_mut() {
            match &mut list.stage {
                Some(stage) => stage.fed.take(),
                None => list.stage = Some(Stage::default()),
            }
        }
    }

    fn inside(&mut self, token: &Token) {
        match token.kind {
            TokenKind::Mark(open @ ('{' | '[')) => {
                let ty = self.value_type();
                self.json.push(match (open, of(ty, &self.snapshot.types)) {
                    ('{', Ty::Optional(inner)) => object(of(inner, &self.snapshot.types)),
                    ('{', ty) => object(ty),
                    (_, Ty::Optional(inner)) => match of(inner, &self.snapshot.types) {
                        Ty::List(inner) => Json::List { inner },
                        _ => Json::List { inner: "" },
                    },
                    (_, Ty::List(inner)) => Json::List { inner },
                    _ => Json::List { inner: "" },
                });
            }
            TokenKind::Mark('}' | ']') => {
                self.json.pop();
                if self.json.is_empty() {
                    self.value_ended();
                }
            }
            TokenKind::Key => {
                if let Some(Json::Object { there, key, .. }) = self.json.last_mut() {
                    let name = token.text(self.line).trim_matches('"').to_owned();
                    there.push(name.clone());
                    *key = Some(name);
                }
            }
            TokenKind::Mark(',') => {
                if let Some(Json::Object { key, .. }) = self.json.last_mut() {
                    *key = None;
                }
            }
            _ => {}
        }
    }

    /// The type of the value that begins here; empty where it is not known.
    fn value_type(&self) -> &'s str {
        match self.json.last() {
            Some(json) => json_type(json),
            None => match (self.only, self.outside_wanted(None)) {
                (Some(ty), _) | (None, Wanted::Operand { ty: Some(ty), .. }) => ty,
                _ => "",
            },
        }
    }

    fn outside_wanted(&self, last: Option<&Token>) -> Wanted<'s> {
        let Some(list) = self.lists.last() else { return Wanted::Nothing };
        match &list.stage {
            None => list.fed.wanted(list.callee),
            // Behind a parenthesis only a pipe, a comma or the end can stand.
            Some(_) if last.is_some_and(|last| last.is(')')) && self.is_call_closed() => Wanted::Nothing,
            Some(stage) if stage.fed.open(stage.service).is_empty() && stage.fed.named.is_none() => Wanted::Nothing,
            Some(stage) => stage.fed.wanted(stage.service),
        }
    }

    fn is_call_closed(&self) -> bool {
        self.lists.last().and_then(|list| list.stage.as_ref()).is_some_and(|stage| stage.fed.positions == 0)
    }
}

fn object(ty: Ty<'_>) -> Json<'_> {
    Json::Object { ty, there: Vec::new(), key: None }
}

/// The type of the value that stands next in an open bracket.
fn json_type<'s>(json: &Json<'s>) -> &'s str {
    match json {
        Json::List { inner } => inner,
        Json::Object { ty: Ty::Struct(_, fields), key: Some(key), .. } => {
            fields.iter().find(|field| field.name == *key).map_or("", |field| &field.ty)
        }
        Json::Object { ty: Ty::Map(inner), .. } => inner,
        Json::Object { .. } => "",
    }
}

fn inside_wanted<'s>(json: &Json<'s>, last: Option<&Token>) -> Wanted<'s> {
    let follows = |marks: &[char]| last.is_some_and(|last| marks.iter().any(|mark| last.is(*mark)));
    match json {
        Json::Object { ty: Ty::Struct(_, fields), there, key: None } if follows(&['{', ',']) => {
            Wanted::Key { fields, there: there.clone() }
        }
        Json::Object { key: Some(_), .. } if follows(&[':']) => Wanted::Value(json_type(json)),
        Json::List { inner } if follows(&['[', ',']) => Wanted::Value(inner),
        _ => Wanted::Nothing,
    }
}
