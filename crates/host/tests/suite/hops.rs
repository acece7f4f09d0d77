//! What hosts measure, as a session reads it from them.

use crate::chain::{Host, TOKEN, host, start, start_with};
use ::protocol::{Span, Status, header, otlp};
use reqwest::{Client, RequestBuilder, Response, StatusCode};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn asked(host: &Host, query: &str) -> RequestBuilder {
    client().get(format!("{}?{query}", host.door("hops"))).bearer_auth(TOKEN)
}

struct Told {
    cursor: String,
    requests: u64,
    errors: u64,
    dropped: u64,
    in_flight: u64,
    spans: Vec<Span>,
}

async fn told(answer: Response) -> Told {
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/x-protobuf");
    let text = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let number = |name| text(name).parse::<u64>().unwrap();
    let [requests, errors, dropped, in_flight, now] =
        [header::REQUESTS, header::ERRORS, header::DROPPED, header::IN_FLIGHT, header::NOW].map(number);
    let cursor = text(header::CURSOR);
    let decoded = otlp::decode(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(decoded.ignored, 0);
    assert!(decoded.spans.iter().all(|span| span.start + span.total <= now + 1_000_000_000));
    Told { cursor, requests, errors, dropped, in_flight, spans: decoded.spans }
}

/// Reads until `wanted` requests were told of.
async fn read(host: &Host, wanted: u64) -> Told {
    read_from(told(asked(host, "").send().await.unwrap()).await, host, wanted).await
}

async fn read_from(mut all: Told, host: &Host, wanted: u64) -> Told {
    while all.requests < wanted {
        let more = told(asked(host, &format!("after={}", all.cursor)).send().await.unwrap()).await;
        all.spans.extend(more.spans);
        all.requests += more.requests;
        (all.errors, all.dropped) = (all.errors + more.errors, all.dropped + more.dropped);
        (all.cursor, all.in_flight) = (more.cursor, more.in_flight);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_told_of_by_every_service_it_came_to() {
    let chain = start(1_000, false).await;
    let url = format!("http://{}/", chain.last.address);
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let answer = client().get(&url).header("traceparent", parent).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "14");

    let last = read(&chain.last, 1).await;
    let [span] = &last.spans[..] else { panic!("{:?}", last.spans) };
    assert_eq!(span.trace.to_string(), TRACE);
    assert_eq!(span.parent.unwrap().to_string(), "00f067aa0ba902b7", "the client's own span");
    assert_eq!((&*span.app, &*span.service, span.version.as_deref()), ("app", "last", Some("last@00000001")));
    assert_eq!((span.entry, span.sampled, span.status, &span.outcome), (true, true, 200, &Status::Value));
    assert_eq!((span.received, span.sent), (0, 2));
    assert_eq!((last.requests, last.errors, last.dropped, last.in_flight), (1, 0, 0, 0));

    let first = read(&chain.first, 1).await;
    let [own] = &first.spans[..] else { panic!("{:?}", first.spans) };
    let [call] = &span.calls[..] else { panic!("{:?}", span.calls) };
    assert_eq!((own.trace, own.parent, own.entry), (span.trace, Some(call.id), false));
    assert_eq!((&*call.service, call.status, call.received, &call.error), ("first", Some(200), 1, &None));
    assert_eq!(*call.address, chain.first.address.to_string());
    // Headers carry microseconds.
    assert_eq!(call.server.unwrap() / 1_000, (own.total + 500) / 1_000);
    assert!(call.took >= own.total && span.total >= call.begun + call.took, "{span:?}");
    assert_eq!(span.waiting, call.took);
    assert_eq!(span.parts().total(), span.total);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_function_waits_for_is_not_its_own_time() {
    let chain = start(1_000, false).await;
    let url = format!("http://{}/", chain.last.address);
    let answer = client().post(&url).json(&serde_json::json!({ "value": 30 })).send().await.unwrap();
    let header = answer.headers()[header::SERVER_TIMING].to_str().unwrap().to_owned();
    assert_eq!(answer.text().await.unwrap(), "37");
    let last = read(&chain.last, 1).await;
    let [span] = &last.spans[..] else { panic!("{:?}", last.spans) };
    let [call] = &span.calls[..] else { panic!("{:?}", span.calls) };
    assert_eq!((span.received, span.waiting), (12, call.took));
    // In the function and waiting, as the header says, is more than in the function alone.
    let both = header.rsplit_once("last.fn;dur=").unwrap().1.parse::<f64>().unwrap() * 1e6;
    assert!((span.function + call.took) as f64 <= both + 1e3 && span.function > 0, "{span:?} {header}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_waits_for_news_and_every_request_is_told_once() {
    let chain = start(1_000, false).await;
    let url = format!("http://{}/", chain.first.address);
    let before = told(asked(&chain.first, "").send().await.unwrap()).await;
    assert_eq!((before.requests, before.spans.len()), (0, 0));
    let held = tokio::spawn(asked(&chain.first, &format!("after={}&in_flight=0", before.cursor)).send());
    let wrong = client().post(&url).json(&serde_json::json!({ "no": 1 })).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let mut news = told(held.await.unwrap().unwrap()).await;
    while news.requests == 0 {
        // Woken by the request while it was in flight.
        let query = format!("after={}&in_flight={}", news.cursor, news.in_flight);
        news = told(asked(&chain.first, &query).send().await.unwrap()).await;
    }
    assert_eq!((news.requests, news.errors, news.spans.len()), (1, 1, 1));
    assert_eq!((&news.spans[0].outcome, news.spans[0].status), (&Status::Problem("rejected".into()), 422));
    assert_eq!(news.spans[0].version, None, "the function was not come to");

    // Another reader, and one that comes from a host that is no more, read from the beginning.
    for query in ["", "after=0000000000000001.5.5.5"] {
        assert_eq!(told(asked(&chain.first, query).send().await.unwrap()).await.spans, news.spans);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_in_detail_is_counted_all_along_the_way() {
    let chain = start(0, false).await;
    let url = format!("http://{}/", chain.last.address);
    // Whoever comes later is told of what is kept only.
    let last = told(asked(&chain.last, "").send().await.unwrap()).await;
    let first = told(asked(&chain.first, "").send().await.unwrap()).await;
    for _ in 0..3 {
        assert_eq!(client().get(&url).send().await.unwrap().status(), StatusCode::OK);
    }
    client().delete(&url).send().await.unwrap();
    for (before, host, requests, errors) in [(last, &chain.last, 4, 1), (first, &chain.first, 3, 0)] {
        let read = read_from(before, host, requests).await;
        assert_eq!((read.requests, read.errors, read.dropped, read.spans.len()), (requests, errors, requests, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_session_is_told_and_what_does_not_read_is_refused() {
    let chain = start(1_000, false).await;
    let answer = client().get(chain.first.door("hops")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let answer = asked(&chain.first, "after=x").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await.unwrap().contains("a cursor is what a batch before said"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_question_does_not_hold_up_the_end() {
    let chain = start(1_000, false).await;
    let before = told(asked(&chain.first, "").send().await.unwrap()).await;
    let held = tokio::spawn(asked(&chain.first, &format!("after={}", before.cursor)).send());
    // The end waits for what has begun, so the question is answered: whether it had arrived by then or not.
    let ended = tokio::time::timeout(std::time::Duration::from_secs(15), chain.first.end());
    ended.await.expect("a held question is let go");
    if let Ok(answer) = held.await.unwrap() {
        assert_eq!(told(answer).await.requests, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_lingers_lets_callers_in_and_sends_them_away_for_good() {
    let chain = start_with(::protocol::Limits { linger_ms: 600_000, ..::protocol::Limits::default() }, false).await;
    let client = client();
    let get = |path: &str| client.get(format!("http://{}{path}", chain.last.address));
    let (call, ready, again) = (get("/"), get("/readyz"), get("/"));
    let kept = call.send().await.unwrap();
    assert_eq!(kept.headers().get("connection"), None);
    assert_eq!(kept.text().await.unwrap(), "14");
    chain.last.end.send(()).unwrap();
    loop {
        let answer = ready.try_clone().unwrap().send().await.unwrap();
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        let answer = again.try_clone().unwrap().send().await.unwrap();
        assert_eq!((answer.status(), &answer.headers()["connection"]), (StatusCode::OK, &"close".parse().unwrap()));
        assert_eq!(answer.text().await.unwrap(), "14");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_told_no_secret_lets_no_session_in() {
    let nowhere = ([127, 0, 0, 1], 1).into();
    let host = host("first", nowhere, ::protocol::Limits::default(), "", false).await;
    let without = client().get(host.door("hops")).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    let empty = client().get(host.door("hops")).header("authorization", "Bearer ").send().await.unwrap();
    assert_eq!(empty.status(), StatusCode::UNAUTHORIZED);
    host.end().await;
}
