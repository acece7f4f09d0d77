//! The route: which service feeds which input, as it travels in a header.
//!
//! ```text
//! route      = [ expression *( "," expression ) ]
//! expression = service [ "(" route ")" ] / literal
//! literal    = a JSON value
//! ```
//!
//! `map(filter(get))` sent to moving_avg feeds its one input; `a, scale(b, 2.0)` sent to join feeds two.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde_json::Value;

use crate::config::Peer;
use crate::exact;

/// A header longer than this is no route: 8 KiB is what servers commonly take of one.
const LONGEST: usize = 8 << 10;

/// One expression for each input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route(pub Vec<Expression>);

/// What feeds an input.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A service, and what feeds its inputs.
    Call {
        /// Rust name.
        service: String,
        inputs: Route,
    },
    Literal(Literal),
}

/// A JSON value as its text, with every digit of its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal(String);

impl Literal {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Value> for Literal {
    fn from(value: &Value) -> Self {
        Self(exact::write(value))
    }
}

/// A route that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// It does not read.
    #[error("expected {expected} at character {at} of the route: {near}")]
    Syntax {
        /// What should stand there.
        expected: &'static str,
        /// Counted from 1.
        at: usize,
        /// What stands there.
        near: String,
    },
    /// It is longer or deeper than is followed.
    #[error("the route is {what} than {limit}")]
    TooLarge {
        /// `longer` or `deeper`.
        what: &'static str,
        /// In characters or steps.
        limit: usize,
    },
    /// It names what is no service of the app.
    #[error("{0} is no service of this app")]
    Unknown(String),
    /// A service is fed with too much or too little.
    #[error("{service} takes {takes} inputs, the route feeds {fed}")]
    Inputs {
        service: String,
        /// How many inputs it has.
        takes: usize,
        /// How many expressions stand there for them.
        fed: usize,
    },
    /// A service stands below itself.
    #[error("{0} feeds itself: the request would go round in a circle")]
    Circle(String),
}

impl Route {
    /// Reads a route.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        if text.len() > LONGEST {
            return Err(RouteError::TooLarge { what: "longer", limit: LONGEST });
        }
        let mut reader = Reader { text, at: 0 };
        reader.space();
        if reader.rest().is_empty() {
            return Ok(Self::default());
        }
        let route = reader.list(0)?;
        match reader.rest() {
            "" => Ok(route),
            _ => Err(reader.expected("a comma or the end")),
        }
    }

    /// Checks what a service is fed with against the services there are: names, numbers of inputs, depth, circles.
    pub fn check(&self, service: &str, peers: &BTreeMap<String, Peer>, deepest: usize) -> Result<(), RouteError> {
        check(self, service, None, peers, &mut vec![service.to_owned()], deepest)
    }

    /// Every service it names.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        let mut names = Vec::new();
        collect(self, &mut names);
        names.into_iter()
    }
}

fn collect<'a>(route: &'a Route, names: &mut Vec<&'a str>) {
    for expression in &route.0 {
        if let Expression::Call { service, inputs } = expression {
            names.push(service);
            collect(inputs, names);
        }
    }
}

fn check(
    route: &Route,
    service: &str,
    takes: Option<usize>,
    peers: &BTreeMap<String, Peer>,
    above: &mut Vec<String>,
    deepest: usize,
) -> Result<(), RouteError> {
    if above.len() > deepest {
        return Err(RouteError::TooLarge { what: "deeper", limit: deepest });
    }
    if let Some(takes) = takes.filter(|takes| *takes != route.0.len()) {
        return Err(RouteError::Inputs { service: service.to_owned(), takes, fed: route.0.len() });
    }
    for expression in &route.0 {
        let Expression::Call { service, inputs } = expression else { continue };
        let peer = peers.get(service).ok_or_else(|| RouteError::Unknown(service.clone()))?;
        if above.contains(service) {
            return Err(RouteError::Circle(service.clone()));
        }
        above.push(service.clone());
        check(inputs, service, Some(peer.inputs.len()), peers, above, deepest)?;
        above.pop();
    }
    Ok(())
}

impl Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, expression) in self.0.iter().enumerate() {
            write!(f, "{}{expression}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { service, inputs } if inputs.0.is_empty() => f.write_str(service),
            Self::Call { service, inputs } => write!(f, "{service}({inputs})"),
            Self::Literal(value) => {
                // A header is ASCII.
                for c in value.as_str().chars() {
                    if c.is_ascii() && !c.is_ascii_control() {
                        write!(f, "{c}")?;
                    } else {
                        for unit in c.encode_utf16(&mut [0; 2]) {
                            write!(f, "\\u{unit:04x}")?;
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// The parser goes down with the route: a header of nothing but brackets must not take the stack along.
const DEEPEST_TEXT: usize = 256;

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    fn take(&mut self, c: char) -> bool {
        let taken = self.rest().starts_with(c);
        if taken {
            self.at += c.len_utf8();
            self.space();
        }
        taken
    }

    fn expected(&self, expected: &'static str) -> RouteError {
        let near: String = self.rest().chars().take(12).collect();
        let near = if near.is_empty() { "the end".to_owned() } else { near.escape_debug().to_string() };
        RouteError::Syntax { expected, at: self.text[..self.at].chars().count() + 1, near }
    }

    fn list(&mut self, depth: usize) -> Result<Route, RouteError> {
        let mut list = vec![self.expression(depth)?];
        while self.take(',') {
            list.push(self.expression(depth)?);
        }
        Ok(Route(list))
    }

    fn expression(&mut self, depth: usize) -> Result<Expression, RouteError> {
        if depth > DEEPEST_TEXT {
            return Err(RouteError::TooLarge { what: "deeper", limit: DEEPEST_TEXT });
        }
        let rest = self.rest();
        let name = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())];
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && !matches!(name, "true" | "false" | "null");
        if !is_name {
            return self.literal();
        }
        self.at += name.len();
        self.space();
        let mut inputs = Route::default();
        if self.take('(') && !self.take(')') {
            inputs = self.list(depth + 1)?;
            if !self.take(')') {
                return Err(self.expected("a comma or a closing bracket"));
            }
        }
        Ok(Expression::Call { service: name.to_owned(), inputs })
    }

    fn literal(&mut self) -> Result<Expression, RouteError> {
        let text = &self.rest()[..literal_length(self.rest())];
        let value = exact::read(text).map_err(|_| self.expected("a service or a JSON value"))?;
        self.at += text.len();
        self.space();
        Ok(Expression::Literal(Literal::from(&value)))
    }
}

/// Where a literal ends: before a comma or a closing bracket that is none of its own.
fn literal_length(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b')' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peers() -> BTreeMap<String, Peer> {
        let peer = |inputs: &[&str]| Peer {
            address: String::new(),
            others: Vec::new(),
            host: String::new(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
        };
        let all = [("get", &[][..]), ("map", &["value"]), ("join", &["a", "b"])];
        all.into_iter().map(|(name, inputs)| (name.to_owned(), peer(inputs))).collect()
    }

    fn wrong(text: &str) -> String {
        Route::parse(text).and_then(|route| route.check("last", &peers(), 64)).unwrap_err().to_string()
    }

    #[test]
    fn what_reads_is_written_again() {
        for text in [
            "",
            "map(get)",
            "get, join(map(get), 2.0)",
            r#"{"a":[1,null]}, "é, (x)""#,
            "-1.5, true",
            "-170141183460469231731687303715884105728, [340282366920938463463374607431768211455, \"\\u00e9\"]",
        ] {
            let route = Route::parse(text).unwrap();
            assert_eq!(Route::parse(&route.to_string()).unwrap(), route, "{text}");
            assert!(route.to_string().is_ascii());
        }
        assert_eq!(Route::parse(" map ( get ( ) ) ").unwrap().to_string(), "map(get)");
    }

    #[test]
    fn what_cannot_be_followed_is_told_with_its_part() {
        assert_eq!(wrong("map(get"), "expected a comma or a closing bracket at character 8 of the route: the end");
        assert_eq!(wrong("get,"), "expected a service or a JSON value at character 5 of the route: the end");
        assert_eq!(wrong("get)"), "expected a comma or the end at character 4 of the route: )");
        assert_eq!(wrong("gte"), "gte is no service of this app");
        assert_eq!(wrong("http://evil/"), "expected a comma or the end at character 5 of the route: ://evil/");
        assert_eq!(wrong("join(get)"), "join takes 2 inputs, the route feeds 1");
        assert_eq!(wrong("map(join(map(get), 1))"), "map feeds itself: the request would go round in a circle");
        assert_eq!(wrong("last"), "last is no service of this app");
        assert_eq!(wrong(&"map(".repeat(500)), "the route is deeper than 256");
        assert_eq!(
            wrong(&"[".repeat(5000)),
            format!("expected a service or a JSON value at character 1 of the route: {}", "[".repeat(12))
        );
        assert_eq!(wrong(&"x".repeat(9000)), "the route is longer than 8192");
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ]
    }

    fn expression() -> impl Strategy<Value = Expression> {
        let leaf = prop_oneof![
            value().prop_map(|value| Expression::Literal(Literal::from(&value))),
            "s[a-z_0-9]{0,8}".prop_map(|service| Expression::Call { service, inputs: Route::default() }),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            ("s[a-z_0-9]{0,8}", prop::collection::vec(inner, 1..3))
                .prop_map(|(service, inputs)| Expression::Call { service, inputs: Route(inputs) })
        })
    }

    proptest! {
        #[test]
        fn every_route_goes_there_and_back(route in prop::collection::vec(expression(), 0..4).prop_map(Route)) {
            prop_assert_eq!(Route::parse(&route.to_string()).unwrap(), route);
        }

        #[test]
        fn no_text_is_too_much(text in ".*") {
            drop(Route::parse(&text));
        }
    }
}
