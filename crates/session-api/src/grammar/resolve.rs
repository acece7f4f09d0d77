//! From what is written to what is called: names that exist, as many inputs as are taken, earlier answers in place.

use std::ops::Range;

use super::Answers;
use super::expression::{Argument, Expression, What};
use super::mistake::{Inputs, Mistake};
use super::token::is_name;
use crate::command::{CallTree, Feed};
use crate::snapshot::{ServiceView, Snapshot};

/// The meanings of names.
pub(super) struct Known<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) history: &'s dyn Answers,
}

impl<'s> Known<'s> {
    pub(super) fn feed(&self, expression: &Expression) -> Result<Feed, Mistake> {
        self.feed_below(expression, &mut Vec::new())
    }

    pub(super) fn service(&self, name: &str, at: &Range<usize>) -> Result<&'s ServiceView, Mistake> {
        self.snapshot.service(name).ok_or_else(|| {
            let names = self.snapshot.services.iter().map(|service| service.name.as_str());
            Mistake::new(at.clone(), format_args!("{name} is no service of this app")).nearest(name, names, "services")
        })
    }

    fn feed_below<'e>(&self, expression: &'e Expression, above: &mut Vec<&'e str>) -> Result<Feed, Mistake> {
        match &expression.what {
            What::Value(value) => Ok(Feed::Value(value.clone())),
            What::Reference(name) => self.earlier(name, &expression.at).map(|(_, value)| Feed::Value(value)),
            What::Call { name, name_at, arguments } => {
                let service = self.service(name, name_at)?;
                if above.contains(&name.as_str()) {
                    return Err(Mistake::new(name_at.clone(), format_args!("{name} would feed itself")));
                }
                above.push(name);
                let inputs = match arguments {
                    None => self.flow_feeds(service, name_at).map(|()| None)?,
                    Some(arguments) => self.inputs(service, arguments, &expression.at, above)?,
                };
                above.pop();
                Ok(Feed::Call(CallTree { service: name.clone(), inputs }))
            }
        }
    }

    fn inputs<'e>(
        &self,
        service: &ServiceView,
        arguments: &'e [Argument],
        at: &Range<usize>,
        above: &mut Vec<&'e str>,
    ) -> Result<Option<Vec<Feed>>, Mistake> {
        let name = &service.name;
        let mut feeds: Vec<Option<Feed>> = service.inputs.iter().map(|_| None).collect();
        for argument in arguments {
            let place = match &argument.input {
                None => feeds.iter().position(Option::is_none).ok_or_else(|| {
                    let (takes, given) = (Inputs(service.inputs.len()), arguments.len());
                    Mistake::new(argument.expression.at.clone(), format_args!("{name} takes {takes}, {given} given"))
                })?,
                Some((input, at)) => {
                    let names = || service.inputs.iter().map(|field| field.name.as_str());
                    let place = names().position(|name| name == input).ok_or_else(|| {
                        Mistake::new(at.clone(), format_args!("{name} has no input {input}")).nearest(
                            input,
                            names(),
                            "inputs",
                        )
                    })?;
                    if feeds[place].is_some() {
                        return Err(Mistake::new(at.clone(), format_args!("{input} is fed twice")));
                    }
                    place
                }
            };
            feeds[place] = Some(self.feed_below(&argument.expression, above)?);
        }
        if let Some(missing) = feeds.iter().position(Option::is_none) {
            let field = &service.inputs[missing];
            let (takes, given) = (Inputs(service.inputs.len()), arguments.len());
            return Err(Mistake::new(at.end..at.end, format_args!("{name} takes {takes}, {given} given"))
                .hint(format_args!("missing: {}: {}", field.name, field.ty)));
        }
        // `get()` and `get` are the same call where there is nothing to feed.
        Ok(Some(feeds.into_iter().flatten().collect::<Vec<_>>()).filter(|feeds| !feeds.is_empty()))
    }

    /// Whether the app's flow says what feeds a service that is called without a word of its inputs.
    fn flow_feeds(&self, service: &ServiceView, at: &Range<usize>) -> Result<(), Mistake> {
        let named = |flow: &str| flow.split(|c| !is_name(c)).any(|name| name == service.name);
        let flow = self.snapshot.flow.as_deref();
        // Before the first good parse nothing is known of the flow; then the session answers.
        if service.inputs.is_empty() || flow.is_none_or(named) {
            return Ok(());
        }
        let inputs: Vec<_> = service.inputs.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
        Err(Mistake::new(at.end..at.end, format_args!("nothing in the app's flow feeds {}", service.name))
            .hint(format_args!("give it {}", inputs.join(", "))))
    }

    /// An earlier answer and its number.
    pub(super) fn earlier(&self, name: &str, at: &Range<usize>) -> Result<(usize, serde_json::Value), Mistake> {
        let count = self.history.count();
        let wrong = |message: std::fmt::Arguments<'_>| Mistake::new(at.clone(), message);
        let number = match (name, name.parse::<usize>()) {
            ("last", _) if count == 0 => return Err(wrong(format_args!("there is no answer yet"))),
            ("last", _) => count,
            (_, Ok(number)) => number,
            (_, Err(_)) => {
                return Err(wrong(format_args!("${name} is nothing"))
                    .hint("$last is the last answer, $1 the first of this shell"));
            }
        };
        let found = self.history.answer(number).cloned();
        found.map(|value| (number, value)).ok_or_else(|| match number {
            number if number == 0 || number > count => {
                let there =
                    if count == 0 { "there is no answer yet".to_owned() } else { format!("the last is ${count}") };
                wrong(format_args!("there is no ${number}")).hint(there)
            }
            _ => wrong(format_args!("${number} is forgotten: it was too long ago")),
        })
    }
}
