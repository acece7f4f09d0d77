//! Words that choose among recorded requests: `service:map version:58b1 end:filtered trace:03b4 route:get >10ms <1s`, and
//! any text of inputs and outputs. All of them have to fit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use recordings::{Body, Outcome, RecordedHop, Request};
use session_api::requests::{RequestLine, RequestList};

/// The most requests of one page.
pub(crate) const MOST_LISTED: usize = 200;
/// A page is told after this, with what was found by then: there may be many megabytes of values to look at.
const LONGEST: Duration = Duration::from_millis(50);
/// As much of an answer as a line has room for, in characters.
const ROOM: usize = 120;

/// Words that a request fits or does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestQuery {
    words: Vec<Word>,
}

#[derive(Clone, Debug)]
enum Word {
    Service(String),
    /// The beginning of a hash.
    Version(String),
    /// `value`, `filtered`, `error`, or the kind of a problem.
    End(String),
    /// The beginning of a trace id.
    Trace(String),
    /// Part of the route.
    Route(String),
    /// Took longer than this, in nanoseconds.
    Longer(u64),
    /// Took less than this, in nanoseconds.
    Shorter(u64),
    Text(Box<Finder<'static>>),
}

impl RequestQuery {
    /// Reads a query; else why it is none.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let words = text.split_whitespace().map(|word| {
            if let Some(duration) = duration(word) {
                return duration;
            }
            let text = || Word::Text(Box::new(Finder::new(word).into_owned()));
            let Some((name, value)) = word.split_once(':') else { return Ok(text()) };
            let value = value.to_owned();
            if value.is_empty() {
                return Err(format!("{word} wants a word behind the colon"));
            }
            Ok(match name {
                "service" => Word::Service(value),
                "version" => Word::Version(value),
                "end" => Word::End(value),
                "trace" => Word::Trace(value),
                "route" => Word::Route(value),
                // As in a piece of JSON.
                _ => text(),
            })
        });
        Ok(Self { words: words.collect::<Result<_, String>>()? })
    }

    /// The requests that fit, of those that are given newest first, as far as there is time to look.
    pub(crate) fn list(&self, requests: &[(u64, Arc<Request>)], before: Option<u64>, limit: usize) -> RequestList {
        let end = Instant::now() + LONGEST;
        self.list_until(requests, before, limit, || Instant::now() >= end)
    }

    fn list_until(
        &self,
        requests: &[(u64, Arc<Request>)],
        before: Option<u64>,
        limit: usize,
        mut is_over: impl FnMut() -> bool,
    ) -> RequestList {
        let (mut listed, mut scanned, mut next) = (Vec::new(), 0, None);
        for (number, request) in requests.iter().filter(|(number, _)| before.is_none_or(|before| *number < before)) {
            // One is looked at whatever the time.
            if scanned > 0 && is_over() {
                next = Some(*number + 1);
                break;
            }
            let fits = self.words.iter().all(|word| word.fits(request));
            if fits && listed.len() == limit {
                next = Some(*number + 1);
                break;
            }
            scanned += 1;
            if fits {
                listed.push(line(*number, request));
            }
        }
        let numbers = |(number, _): &(u64, Arc<Request>)| *number;
        RequestList {
            requests: listed,
            newest: requests.first().map(numbers),
            oldest: requests.last().map(numbers),
            scanned,
            whole: next.is_none(),
            next,
        }
    }
}

impl Word {
    fn fits(&self, request: &Request) -> bool {
        let hops = &request.hops;
        match self {
            Self::Service(name) => hops.iter().any(|hop| hop.service == *name),
            Self::Version(hash) => hops.iter().any(|hop| {
                let own = hop.version.split_once('@').map_or(hop.version.as_str(), |(_, own)| own);
                own.starts_with(hash.as_str()) || hop.version == *hash
            }),
            Self::End(wanted) => {
                let (end, _) = ended(request);
                end == wanted || wanted == "error" && !matches!(end, "value" | "filtered" | "none")
            }
            Self::Trace(id) => request.id.starts_with(id.as_str()),
            Self::Route(part) => request.route.as_ref().is_some_and(|route| route.contains(part.as_str())),
            Self::Longer(nanos) => total(request) > *nanos,
            Self::Shorter(nanos) => (1..*nanos).contains(&total(request)),
            Self::Text(finder) => hops.iter().any(|hop| holds(hop, finder)),
        }
    }
}

/// A word such as `>10ms`; none where it begins otherwise, or nothing follows that is a number.
fn duration(word: &str) -> Option<Result<Word, String>> {
    let is_longer = word.starts_with('>');
    let text = word.strip_prefix(['>', '<'])?;
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let nanos = match &text[end..] {
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Some(Err(format!("{word} wants a unit: us, ms, or s"))),
    };
    let nanos = (number * nanos) as u64;
    Some(Ok(if is_longer { Word::Longer(nanos) } else { Word::Shorter(nanos) }))
}

/// Whether a text is in what a function received or came to.
fn holds(hop: &RecordedHop, text: &Finder<'_>) -> bool {
    let of_end = match &hop.end {
        Outcome::Value(body) => is_in(body, text),
        Outcome::Filtered => false,
        Outcome::Failed { message, .. } => text.find(message.as_bytes()).is_some(),
    };
    of_end || hop.inputs.iter().any(|body| is_in(body, text))
}

fn is_in(body: &Body, text: &Finder<'_>) -> bool {
    matches!(body, Body::Json(json) if text.find(json.get().as_bytes()).is_some())
}

/// The end of a request, and the service that brought it about where that was no value: the first that filtered or
/// failed. The others passed it on.
fn ended(request: &Request) -> (&str, Option<&RecordedHop>) {
    let by = request.hops.iter().find(|hop| !matches!(hop.end, Outcome::Value(_)));
    match by.map(|hop| &hop.end) {
        Some(Outcome::Filtered) => ("filtered", by),
        Some(Outcome::Failed { kind, .. }) => (kind, by),
        _ if request.hops.is_empty() => ("none", None),
        _ => ("value", None),
    }
}

pub(super) fn line(number: u64, request: &Request) -> RequestLine {
    let (end, by) = ended(request);
    let last = by.or(request.hops.last()).map(|hop| &hop.end);
    let value = match last {
        Some(Outcome::Value(Body::Json(json))) => shortened(json.get()),
        Some(Outcome::Value(body)) => format!("{} bytes", body.len()),
        Some(Outcome::Failed { message, .. }) => shortened(message),
        Some(Outcome::Filtered) | None => String::new(),
    };
    RequestLine {
        number,
        trace: request.id.clone(),
        at_ms: request.at,
        total_us: total(request) / 1_000,
        route: request.route.clone(),
        versions: request.hops.iter().map(|hop| hop.version.clone()).collect(),
        end: end.to_owned(),
        by: by.map(|hop| hop.service.clone()),
        value,
    }
}

/// Nanoseconds until the last function had answered.
fn total(request: &Request) -> u64 {
    request.hops.iter().map(|hop| if hop.took_ns > 0 { hop.at_ns + hop.took_ns } else { 0 }).max().unwrap_or(0)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(ROOM) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hop(service: &str, input: &str, end: Outcome) -> RecordedHop {
        RecordedHop {
            span: "1".to_owned(),
            parent: None,
            service: service.to_owned(),
            version: format!("{service}@58b1aa"),
            inputs: vec![Body::new(input.as_bytes())],
            end,
            function_ns: 1,
            at_ns: 2,
            took_ns: 2_000_000,
            sequence: 3,
            life: 0,
            calls: Vec::new(),
        }
    }

    fn requests() -> Vec<(u64, Arc<Request>)> {
        let request = |number: u64, end: Outcome| {
            let hops =
                vec![hop("get", "1", Outcome::Value(Body::new(b"{\"room\":\"attic\"}"))), hop("map", "2.5", end)];
            let (id, route) = (format!("{number:032x}"), (number == 2).then(|| "map(get)".to_owned()));
            (number, Arc::new(Request { id, at: 7, route, headers: Vec::new(), hops }))
        };
        let failed = Outcome::Failed { kind: "panicked".to_owned(), message: "no room".to_owned() };
        vec![request(3, Outcome::Value(Body::new(b"4.5"))), request(2, Outcome::Filtered), request(1, failed)]
    }

    fn numbers(query: &str) -> Vec<u64> {
        let list = RequestQuery::read(query).unwrap().list_until(&requests(), None, 10, || false);
        list.requests.iter().map(|line| line.number).collect()
    }

    #[test]
    fn a_request_is_listed_where_every_word_fits() {
        for (query, wanted) in [
            ("", &[3, 2, 1][..]),
            ("service:map", &[3, 2, 1]),
            ("service:reduce", &[]),
            ("end:filtered", &[2]),
            ("end:error", &[1]),
            ("end:panicked service:get", &[1]),
            ("end:value version:58b1", &[3]),
            ("version:aa", &[]),
            ("trace:00000000000000000000000000000003", &[3]),
            ("route:get", &[2]),
            ("attic 2.5", &[3, 2, 1]),
            ("room\":\"attic", &[3, 2, 1]),
            ("4.5", &[3]),
            ("cellar", &[]),
            (">1ms", &[3, 2, 1]),
            (">2.1ms", &[]),
            ("<1s >1500us", &[3, 2, 1]),
            ("<2ms", &[]),
            (">", &[]),
        ] {
            assert_eq!(numbers(query), wanted, "{query}");
        }
        assert!(RequestQuery::read("service:").unwrap_err().contains("colon"));
        assert_eq!(RequestQuery::read(">10").unwrap_err(), ">10 wants a unit: us, ms, or s");
    }

    #[test]
    fn a_page_ends_when_its_time_is_over_and_the_next_goes_on_from_there() {
        let query = RequestQuery::read("end:panicked").unwrap();
        let (mut next, mut scanned, mut found) = (None, Vec::new(), Vec::new());
        loop {
            let page = query.list_until(&requests(), next, 10, || true);
            scanned.push(page.scanned);
            found.extend(page.requests.iter().map(|line| line.number));
            assert_eq!(page.whole, page.next.is_none());
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!((scanned, found), (vec![1, 1, 1], vec![1]));
        // Nothing is older than the oldest.
        assert_eq!(
            query.list_until(&requests(), Some(1), 10, || true),
            RequestList { newest: Some(3), oldest: Some(1), whole: true, ..RequestList::default() }
        );
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused_with_a_reason(
            words in "(\\PC{0,20}|(service|version|end|trace|route|>|<)[:>]?[0-9a-z.µ]{0,6}| ){0,6}"
        ) {
            match RequestQuery::read(&words) {
                Ok(query) => {
                    let list = query.list_until(&requests(), None, 10, || false);
                    prop_assert!(list.whole && list.scanned == 3 && list.requests.len() <= 3);
                }
                Err(why) => prop_assert!(why.contains("wants")),
            }
        }
    }

    #[test]
    fn a_page_ends_at_its_limit_and_goes_on_before_a_number() {
        let query = RequestQuery::default();
        let first = query.list_until(&requests(), None, 2, || false);
        assert_eq!((first.newest, first.oldest, first.whole, first.scanned), (Some(3), Some(1), false, 2));
        let rest = query.list_until(&requests(), first.next, 2, || false);
        assert_eq!((rest.requests.len(), rest.whole, rest.next), (1, true, None));
        let RequestLine { end, by, value, .. } = &rest.requests[0];
        assert_eq!((end.as_str(), by.as_deref(), value.as_str()), ("panicked", Some("map"), "no room"));
        assert_eq!(first.requests[0].value, "4.5");
        assert_eq!(shortened(&"é".repeat(200)).chars().count(), ROOM + 1);
    }
}
