//! What is called and what feeds it, as written.
//!
//! ```text
//! expression = stage *( "|" stage )              the one before feeds the first input of the one after
//! stage      = operand / service 1*argument
//! argument   = [ input "=" ] operand
//! operand    = value / "$last" / "$" number / service [ "(" [ inner *( "," inner ) ] ")" ]
//! inner      = [ input "=" ] expression
//! value      = JSON
//! ```

use std::ops::Range;

use super::mistake::Mistake;
use super::token::{Token, TokenKind};

/// Deeper than any chain is drawn, and no danger to the stack.
const DEEPEST: usize = 64;

/// A call, a value or an earlier answer.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) at: Range<usize>,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// JSON, read.
    Value(serde_json::Value),
    /// The text behind the `$`.
    Reference(String),
    Call {
        name: String,
        name_at: Range<usize>,
        /// None: nothing was said of its inputs.
        arguments: Option<Vec<Argument>>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Argument {
    /// The input it is for, where that was said.
    pub(super) input: Option<(String, Range<usize>)>,
    pub(super) expression: Expression,
}

/// Tokens of a line, from left to right.
pub(super) struct Reader<'l> {
    pub(super) line: &'l str,
    pub(super) tokens: &'l [Token],
}

impl<'l> Reader<'l> {
    pub(super) fn peek(&self) -> Option<&'l Token> {
        self.tokens.first()
    }

    pub(super) fn take(&mut self) -> Option<&'l Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn take_mark(&mut self, mark: char) -> bool {
        let found = self.peek().is_some_and(|token| token.is(mark));
        if found {
            self.take();
        }
        found
    }

    /// The place of the next token; at the line's end an empty range.
    pub(super) fn here(&self) -> Range<usize> {
        let end = self.line.trim_end().len();
        self.peek().map_or(end..end, |token| token.at.clone())
    }

    pub(super) fn expected(&self, what: &str) -> Mistake {
        match self.peek() {
            None => Mistake::new(self.here(), format_args!("{what} is missing here")),
            Some(token) if token.kind == (TokenKind::Text { closed: false }) => {
                Mistake::new(token.at.clone(), "the string does not end").hint("close it with \"")
            }
            Some(token) if token.text(self.line) == "'" => {
                Mistake::new(token.at.clone(), format_args!("{what} is expected here, not '"))
                    .hint("JSON strings stand in double quotes")
            }
            Some(token) => {
                let found = token.text(self.line);
                Mistake::new(token.at.clone(), format_args!("{what} is expected here, not {found}"))
            }
        }
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Mistake> {
        if self.tokens.is_empty() { Ok(()) } else { Err(self.expected("the end of the line")) }
    }

    /// Stages, each fed by the one before it.
    pub(super) fn expression(&mut self, depth: usize) -> Result<Expression, Mistake> {
        if depth > DEEPEST {
            return Err(Mistake::new(self.here(), format_args!("more than {DEEPEST} calls within each other")));
        }
        let mut fed = self.stage(depth)?;
        let mut stages = 1;
        while self.take_mark('|') {
            let mut next = self.stage(depth)?;
            stages += 1;
            if stages > DEEPEST {
                return Err(Mistake::new(next.at, format_args!("more than {DEEPEST} calls after each other")));
            }
            let What::Call { arguments, .. } = &mut next.what else {
                return Err(Mistake::new(next.at, "only a service can be fed").hint("put the value first: 3 | map"));
            };
            arguments.get_or_insert_default().insert(0, Argument { input: None, expression: fed });
            fed = next;
        }
        Ok(fed)
    }

    fn stage(&mut self, depth: usize) -> Result<Expression, Mistake> {
        let mut stage = self.operand(depth)?;
        if let What::Call { arguments: arguments @ None, .. } = &mut stage.what {
            while self.peek().is_some_and(|token| begins_operand(token.kind)) {
                let input = self.input();
                let expression = self.operand(depth)?;
                stage.at.end = expression.at.end;
                arguments.get_or_insert_default().push(Argument { input, expression });
            }
        }
        Ok(stage)
    }

    /// `name =` before an argument.
    fn input(&mut self) -> Option<(String, Range<usize>)> {
        let [name, equals, ..] = self.tokens else { return None };
        if name.kind != TokenKind::Name || !equals.is('=') {
            return None;
        }
        self.tokens = &self.tokens[2..];
        Some((name.text(self.line).to_owned(), name.at.clone()))
    }

    pub(super) fn operand(&mut self, depth: usize) -> Result<Expression, Mistake> {
        let Some(token) = self.peek() else { return Err(self.expected("a service or a value")) };
        match token.kind {
            TokenKind::Name => {
                self.take();
                let name = token.text(self.line).to_owned();
                let mut at = token.at.clone();
                let arguments = if self.take_mark('(') { Some(self.list(depth, &mut at)?) } else { None };
                Ok(Expression { at, what: What::Call { name, name_at: token.at.clone(), arguments } })
            }
            TokenKind::Reference => {
                self.take();
                let what = What::Reference(token.text(self.line)[1..].to_owned());
                Ok(Expression { at: token.at.clone(), what })
            }
            kind if begins_operand(kind) => self.value(),
            _ => Err(self.expected("a service or a value")),
        }
    }

    /// Reads arguments in parentheses, the opening one taken.
    fn list(&mut self, depth: usize, at: &mut Range<usize>) -> Result<Vec<Argument>, Mistake> {
        let mut arguments = Vec::new();
        let mut first = true;
        loop {
            if first && self.peek().is_some_and(|token| token.is(')')) {
                at.end = self.here().end;
                self.take();
                return Ok(arguments);
            }
            first = false;
            let input = self.input();
            arguments.push(Argument { input, expression: self.expression(depth + 1)? });
            at.end = self.here().end;
            match self.peek() {
                Some(token) if token.is(',') => self.take(),
                Some(token) if token.is(')') => {
                    self.take();
                    return Ok(arguments);
                }
                _ => return Err(self.expected("a comma or )")),
            };
        }
    }

    /// JSON: brackets to their closing one, or a single token.
    pub(super) fn value(&mut self) -> Result<Expression, Mistake> {
        let start = self.here().start;
        let mut depth = 0_usize;
        let mut end = start;
        while let Some(token) = self.peek() {
            if token.kind == (TokenKind::Text { closed: false }) {
                return Err(self.expected("a value"));
            }
            self.take();
            end = token.at.end;
            match token.kind {
                TokenKind::Mark('{' | '[') => depth += 1,
                TokenKind::Mark('}' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let what = read(self.line, start..end).map(What::Value)?;
        Ok(Expression { at: start..end, what })
    }
}

pub(super) fn begins_operand(kind: TokenKind) -> bool {
    begins_value(kind) || matches!(kind, TokenKind::Name | TokenKind::Reference)
}

pub(super) fn begins_value(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Number | TokenKind::Word | TokenKind::Text { .. } | TokenKind::Key | TokenKind::Mark('{' | '[')
    )
}

/// Reads JSON; a mistake points at the character in the whole line.
fn read(line: &str, at: Range<usize>) -> Result<serde_json::Value, Mistake> {
    let text = &line[at.clone()];
    if let Some(number) = protocol::exact::wide(text).first() {
        let range = at.start + number.start..at.start + number.end;
        return Err(Mistake::new(
            range,
            format_args!("the shell keeps no number of so many digits: pass it to `dyn invoke`"),
        ));
    }
    serde_json::from_str(text).map_err(|error| {
        let words = error.to_string();
        // serde_json's own words end in its own idea of the place.
        let words = words.split(" at line ").next().unwrap_or("not JSON").to_owned();
        let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let mut start = (at.start + before + error.column().saturating_sub(1)).min(at.end);
        while !line.is_char_boundary(start) {
            start -= 1;
        }
        let length = line[start..at.end].chars().next().map_or(0, char::len_utf8);
        Mistake::new(start..start + length, format_args!("not JSON: {words}"))
    })
}
