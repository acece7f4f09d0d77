//! The tail of `main` to a [`Flow`].

use std::collections::BTreeMap;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::{Expr, Lit, Pat, Stmt, UnOp};

use crate::diagnostic::{Diagnostic, SourcePlace};
use crate::model::Flow;
use crate::suggest::nearest;

/// Places of syn's spans in a file.
pub(crate) struct Placer<'a> {
    pub(crate) place: &'a dyn Fn(Range<usize>) -> SourcePlace,
}

impl Placer<'_> {
    fn of(&self, spanned: &impl Spanned) -> SourcePlace {
        (self.place)(spanned.span().byte_range())
    }
}

/// A service's inputs, by name.
pub(crate) type Inputs = BTreeMap<String, Vec<String>>;

/// Reads the flow of `main`. None when anything in it is wrong: then `findings` says what. `has_unseen_marks`: something
/// is marked as a service in a way that does not count, and that was told.
pub(crate) fn read(
    main: &syn::ItemFn,
    services: &Inputs,
    placer: &Placer<'_>,
    (findings, has_unseen_marks): (&mut Vec<Diagnostic>, bool),
) -> Option<Flow> {
    let before = findings.len();
    let mut reader = Reader { services, placer, findings, has_unseen_marks, lets: BTreeMap::new() };
    let mut statements = main.block.stmts.as_slice();
    let tail = match statements.split_last() {
        Some((Stmt::Expr(tail, None), rest)) => {
            statements = rest;
            Some(tail)
        }
        _ => None,
    };
    for statement in statements {
        reader.statement(statement);
    }
    let Some(tail) = tail else {
        let help = match statements.last() {
            Some(Stmt::Expr(_, Some(_))) => "take the semicolon off its last line: the chain is what main ends in",
            _ => "end it in a chain of services, e.g. get().filter()",
        };
        reader.findings.push(Diagnostic::error("main has no flow", placer.of(&main.sig.ident)).help(help));
        return None;
    };
    let flow = reader.expression(tail);
    reader.unused();
    if let Some(Flow::Literal(_)) = flow {
        reader.findings.push(
            Diagnostic::error("main ends in a literal, not in a service", placer.of(tail))
                .help("end it in a chain of services, e.g. get().filter()"),
        );
    }
    let flow = flow.filter(|_| findings.len() == before)?;
    circle(&flow, &mut Vec::new(), &placer.of(tail), findings);
    (findings.len() == before).then_some(flow)
}

struct Reader<'a> {
    services: &'a Inputs,
    placer: &'a Placer<'a>,
    findings: &'a mut Vec<Diagnostic>,
    has_unseen_marks: bool,
    /// What each `let` holds, where it stands, and whether it has been used.
    lets: BTreeMap<String, (Option<Flow>, SourcePlace, bool)>,
}

impl Reader<'_> {
    fn wrong(&mut self, at: &impl Spanned, message: impl Into<String>, help: impl Into<String>) {
        let place = self.placer.of(at);
        self.findings.push(Diagnostic::error(message, place).help(help));
    }

    fn statement(&mut self, statement: &Stmt) {
        let Stmt::Local(local) = statement else {
            return self.wrong(
                statement,
                "main holds the flow and nothing else",
                "move it into a service, or out of main",
            );
        };
        let pattern = match &local.pat {
            Pat::Type(typed) => &*typed.pat,
            pattern => pattern,
        };
        match (pattern, &local.init) {
            (Pat::Ident(name), Some(init)) if init.diverge.is_none() => {
                let flow = self.expression(&init.expr);
                let place = self.placer.of(&name.ident);
                let hidden = self.lets.insert(name.ident.to_string(), (flow, place, false));
                if let Some((_, place, false)) = hidden {
                    self.findings.push(feeds_nothing(&name.ident.to_string(), place));
                }
            }
            _ => self.wrong(local, "a let in main gives one name to one step", "write let name = service(…);"),
        }
    }

    fn unused(&mut self) {
        for (name, (_, place, used)) in &self.lets {
            if !used {
                self.findings.push(feeds_nothing(name, place.clone()));
            }
        }
    }

    fn expression(&mut self, expression: &Expr) -> Option<Flow> {
        match expression {
            Expr::Call(call) => {
                let name = match &*call.func {
                    Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
                    _ => None,
                };
                let Some(name) = name else {
                    let help = "name a function marked #[service], without a path";
                    self.wrong(&*call.func, "only a service can be called in the flow", help);
                    return None;
                };
                self.call(&*call.func, &name, None, call.args.iter())
            }
            Expr::MethodCall(call) => {
                let first = self.expression(&call.receiver);
                self.call(&call.method, &call.method.to_string(), Some(first), call.args.iter())
            }
            Expr::Path(path) if path.path.get_ident().is_some() => self.named(path),
            Expr::Paren(inner) => self.expression(&inner.expr),
            Expr::Group(inner) => self.expression(&inner.expr),
            Expr::Await(inner) => {
                self.wrong(inner, "the flow needs no .await", "take it off: steps run when their inputs are there");
                self.expression(&inner.base)
            }
            Expr::Try(inner) => {
                self.wrong(inner, "the flow needs no ?", "take it off: an error ends the request by itself");
                self.expression(&inner.expr)
            }
            other => match literal(other).filter(|json| serde_json::from_str::<serde_json::Value>(json).is_ok()) {
                Some(json) => Some(Flow::Literal(json)),
                None => {
                    self.wrong(other, "this cannot stand in the flow", "a flow is made of services, lets and literals");
                    None
                }
            },
        }
    }

    fn named(&mut self, path: &syn::ExprPath) -> Option<Flow> {
        let name = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        match self.lets.get_mut(&name) {
            Some((flow, _, used)) if *used && !matches!(flow, Some(Flow::Literal(_))) => {
                self.wrong(
                    path,
                    format!("{name} feeds two inputs"),
                    "each service fetches its own inputs, so this would run the steps before it twice, with two results: \
                     let one service take the value and return what both need",
                );
                None
            }
            Some((flow, _, used)) => {
                *used = true;
                flow.clone()
            }
            None if self.services.contains_key(&name) => {
                self.wrong(path, format!("{name} is named, not called"), format!("write {name}()"));
                None
            }
            None => {
                self.wrong(path, format!("{name} is no step of this flow"), "give it a let above, or write a literal");
                None
            }
        }
    }

    fn call<'e>(
        &mut self,
        at: &impl Spanned,
        name: &str,
        first: Option<Option<Flow>>,
        rest: impl Iterator<Item = &'e Expr>,
    ) -> Option<Flow> {
        let given: Vec<Option<Flow>> =
            first.into_iter().chain(rest.map(|argument| self.expression(argument)).collect::<Vec<_>>()).collect();
        let Some(inputs) = self.services.get(name) else {
            let help = match nearest(name, self.services.keys().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None if self.has_unseen_marks => {
                    "a mark that a macro makes, a condition holds or another name stands for does not count: see there"
                        .into()
                }
                None => format!("mark the function {name} with #[service]"),
            };
            self.wrong(at, format!("{name} is no service"), help);
            return None;
        };
        if inputs.len() != given.len() {
            let plural = if inputs.len() == 1 { "" } else { "s" };
            let takes = if inputs.is_empty() { "none".to_owned() } else { inputs.join(", ") };
            let message = format!("{name} takes {} input{plural}, here are {}", inputs.len(), given.len());
            self.wrong(at, message, format!("its inputs: {takes}"));
            return None;
        }
        let inputs = given.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Flow::Call { service: name.to_owned(), inputs })
    }
}

fn feeds_nothing(name: &str, place: SourcePlace) -> Diagnostic {
    Diagnostic::error(format!("{name} feeds nothing"), place).help("use it in the chain main ends in, or take it out")
}

/// A service that feeds itself.
fn circle<'a>(flow: &'a Flow, above: &mut Vec<&'a str>, place: &SourcePlace, findings: &mut Vec<Diagnostic>) {
    let Flow::Call { service, inputs } = flow else { return };
    if above.contains(&service.as_str()) {
        let finding = Diagnostic::error(format!("{service} feeds itself"), place.clone());
        findings.push(finding.help("a request would go round in a circle: let another service do the second step"));
        return;
    }
    above.push(service);
    for input in inputs {
        circle(input, above, place, findings);
    }
    above.pop();
}

/// A literal as JSON in ASCII: a route travels in a header. Numbers keep every digit.
fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Bool(value) => Some(value.value.to_string()),
            Lit::Str(value) => Some(quote(&value.value())),
            Lit::Char(value) => Some(quote(&value.value().to_string())),
            Lit::Byte(value) => Some(value.value().to_string()),
            Lit::Int(value) => Some(value.base10_digits().to_owned()),
            Lit::Float(value) => Some(float(value.base10_digits())),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => literal(&unary.expr).map(|value| format!("-{value}")),
        Expr::Array(array) => list(array.elems.iter()),
        Expr::Tuple(tuple) if tuple.elems.is_empty() => Some("null".to_owned()),
        Expr::Tuple(tuple) => list(tuple.elems.iter()),
        Expr::Reference(reference) => literal(&reference.expr),
        Expr::Paren(inner) => literal(&inner.expr),
        Expr::Group(inner) => literal(&inner.expr),
        _ => None,
    }
}

fn list<'e>(elements: impl Iterator<Item = &'e Expr>) -> Option<String> {
    let elements = elements.map(literal).collect::<Option<Vec<_>>>()?;
    Some(format!("[{}]", elements.join(",")))
}

/// JSON wants a digit on both sides of the point, and no zeros before others.
fn float(digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find(['.', 'e', 'E']).unwrap_or(digits.len()));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let rest = if rest.starts_with('.') && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        format!(".0{}", &rest[1..])
    } else {
        rest.to_owned()
    };
    format!("{whole}{rest}")
}

fn quote(text: &str) -> String {
    let mut json = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_ascii() && c != '\u{7f}' {
            json.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| json.push_str(&format!("\\u{unit:04x}")));
        }
    }
    json
}
