//! What hosts record of the values that travel.

use std::fs;

use crate::chain::{Host, TOKEN, start};
use ::protocol::body::{Body, Outcome, RecordedCall};
use ::protocol::header;
use ::protocol::record::{RecordLine, Run, Visit};
use reqwest::{Client, StatusCode};

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// Asks once. Lines, cursor, and how many are told to be lost.
async fn ask(host: &Host, after: Option<&str>) -> (Vec<RecordLine>, String, u64) {
    let query = after.map(|cursor| format!("?after={cursor}")).unwrap_or_default();
    let url = format!("{}{query}", host.door("records"));
    let answer = client().get(url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let text = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let (cursor, dropped) = (text(header::CURSOR), text(header::DROPPED).parse().unwrap());
    let lines = answer.text().await.unwrap();
    (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), cursor, dropped)
}

/// Reads until there are so many visits, each of which is told once.
async fn read(host: &Host, wanted: usize) -> Vec<Visit> {
    let (mut lines, mut cursor, _) = ask(host, None).await;
    while lines.len() < wanted {
        let (more, next, dropped) = ask(host, Some(&cursor)).await;
        assert_eq!(dropped, 0);
        lines.extend(more);
        cursor = next;
    }
    let visits = lines.into_iter().map(|line| match line {
        RecordLine::Visit(visit) => *visit,
        RecordLine::Keyframe(frame) => panic!("{frame:?} of a service without state"),
    });
    visits.collect()
}

fn number(number: u64) -> Body {
    Body::new(number.to_string().as_bytes())
}

fn run(visit: &Visit) -> &Run {
    visit.run.as_ref().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_function_received_and_returned_is_told_by_every_service() {
    let chain = start(1_000, true).await;
    let url = format!("http://{}/", chain.last.address);
    let answer = client().get(&url).header("x-from", "me").header("dyninka-route", "first").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "14");
    let visits = (read(&chain.last, 1).await, read(&chain.first, 1).await);
    let ([last], [first]) = (&visits.0[..], &visits.1[..]) else { panic!("{visits:?}") };
    let entry = last.entry.as_ref().unwrap();
    assert_eq!(entry.route.as_deref(), Some("first"));
    assert!(entry.headers.contains(&("x-from".to_owned(), "me".to_owned())));
    assert_eq!((&first.entry, &first.trace), (&None, &last.trace));
    assert_eq!(last.asked, [first.parent.clone().unwrap()]);
    assert!(last.took >= first.took && last.begun > 0);
    assert_eq!((&*run(last).version, &run(last).inputs[..]), ("last@00000001", &[number(7)][..]));
    assert_eq!((&run(last).end, &run(first).end), (&Outcome::Value(number(14)), &Outcome::Value(number(7))));
    assert!(run(first).inputs.is_empty() && run(first).function_ns < first.took);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_from_a_body_and_what_fails_are_told() {
    let chain = start(1_000, true).await;
    let url = format!("http://{}/", chain.last.address);
    for body in ["{\"value\": 30}", "{\"value\":\n\"x\"}", "{\"no\": 1}"] {
        let post = client().post(&url).header("content-type", "application/json").body(body);
        post.send().await.unwrap();
    }
    let visits = read(&chain.last, 3).await;
    let [asked, rejected, refused] = &visits[..] else { panic!("{visits:?}") };
    let call = RecordedCall { service: "first".to_owned(), inputs: Vec::new(), end: Outcome::Value(number(7)) };
    assert_eq!(
        (&run(asked).calls[..], asked.asked.len(), &run(asked).end),
        (&[call][..], 1, &Outcome::Value(number(37)))
    );
    assert_eq!(run(rejected).inputs, [Body::new(b"\"x\"")]);
    assert!(
        matches!(&run(rejected).end, Outcome::Failed { kind, message }
        if kind == "rejected" && message.starts_with("value: ")),
        "{rejected:?}"
    );
    assert_eq!((run(asked).sequence, run(rejected).sequence), (0, 1));
    assert!(refused.run.is_none() && refused.entry.is_some(), "the function was not come to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_recorded_before_it_is_wanted_nor_kept_after() {
    let chain = start(1_000, false).await;
    let url = format!("http://{}/", chain.last.address);
    let call = async || client().get(&url).send().await.unwrap().text().await.unwrap();
    let switch = async |on: bool| {
        let file = chain.last.folder.path().join("config.json");
        let mut config: ::protocol::Config = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        config.record = on;
        fs::write(&file, serde_json::to_vec(&config).unwrap()).unwrap();
        let reload = chain.last.door("reload");
        assert_eq!(client().post(reload).bearer_auth(TOKEN).send().await.unwrap().status(), StatusCode::OK);
    };
    call().await;
    switch(true).await;
    call().await;
    let visits = read(&chain.last, 1).await;
    assert_eq!((visits.len(), run(&visits[0]).sequence), (1, 1), "a call that was not recorded leaves a gap");
    switch(false).await;
    call().await;
    let (lines, _, dropped) = ask(&chain.last, None).await;
    assert_eq!((lines.len(), dropped), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_too_large_is_left_out() {
    let chain = start(1_000, true).await;
    let url = format!("http://{}/", chain.last.address);
    let body = format!("{{\"value\": \"{}\"}}", "x".repeat(5 << 20));
    let answer = client().post(&url).header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let visits = read(&chain.last, 1).await;
    assert!(matches!(run(&visits[0]).inputs[..], [Body::Left { bytes, .. }] if bytes == (5 << 20) + 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_session_is_told() {
    let chain = start(1_000, true).await;
    let url = chain.last.door("records");
    assert_eq!(client().get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let wrong = client().get(format!("{url}?after=x")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}
