use std::path::Path;

use jobs::outcome::{AttemptOutcome, AttemptReport};
use jobs::record::JobCallback;
use jobs::request::{JobLimits, JobRequest, JobTarget};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::books::NewJob;
use crate::config::CallbackSettings;
use crate::tests::{NOW, core};

/// Reached only by a hang.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server with jobs that are done, each with a callback to one of these URLs.
async fn server(folder: &Path, attempts: u32, urls: &[String]) -> Arc<Core> {
    let core = core(folder, NOW, &["map"]);
    let mut config = (*core.config()).clone();
    let allow = (1..20).map(|last| format!("127.0.0.{last}")).collect();
    config.settings.callbacks = CallbackSettings { allow, insecure: true, attempts };
    *core.config.write() = Arc::new(config);
    let new = |(at, url): (usize, &String)| {
        let callback = JobCallback { url: url.clone(), on: Vec::new() };
        let request = JobRequest { callback: Some(callback), ..JobRequest::default() };
        let target = JobTarget { service: "map", inputs: &[], terms: Default::default() };
        let record = request.record((format!("j{at}"), "default"), &target, &JobLimits::default(), NOW);
        NewJob { record: record.expect("a job"), input: bytes::Bytes::from_static(b"{}"), hash: String::new() }
    };
    core.books.accept(urls.iter().enumerate().map(new).collect(), NOW).await.expect("accepted");
    let tenants = vec!["default".to_owned(); urls.len()];
    let claimed = core.books.claim(tenants, NOW, crate::tests::beginning(&core)).await;
    let ends = claimed.expect("a store").into_iter().map(|claimed| {
        let fence = claimed.expect("a job").record.fence().expect("it runs");
        core.books.end(fence, AttemptReport::of(AttemptOutcome::Value), None, core.instance())
    });
    for ended in futures_util::future::join_all(ends).await {
        assert!(matches!(ended, Ok(Some(Ok(_)))), "{ended:?}");
    }
    Arc::new(core)
}

/// A receiver that answers all with the same bytes; without any, it never says a word. It tells of each call.
async fn receiver(ip: &str, answer: Option<&'static str>) -> (String, UnboundedReceiver<()>) {
    let listener = TcpListener::bind((ip, 0)).await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (called, calls) = unbounded_channel();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _over = called.send(());
            let Some(answer) = answer else {
                kept.push(stream);
                continue;
            };
            let mut bytes = vec![0; 4_096];
            let read = stream.read(&mut bytes).await.expect("a request");
            assert!(read > 0, "a request is more than a connection");
            stream.write_all(answer.as_bytes()).await.expect("an answer");
        }
    });
    (url, calls)
}

/// D15: two hundred callbacks to a receiver that hangs keep none to another one waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_up_its_own_callbacks_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hangs, mut hung) = receiver("127.0.0.2", None).await;
    let (answers, mut answered) = receiver("127.0.0.1", Some("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let mut urls = vec![hangs; 200];
    urls.push(answers);
    let server = server(folder.path(), 10, &urls).await;
    let delivers = tokio::spawn(deliver(server.clone()));
    let called = tokio::time::timeout(PATIENCE, answered.recv()).await;
    assert_eq!(called, Ok(Some(())));
    let mut calls = 0;
    while hung.try_recv().is_ok() {
        calls += 1;
    }
    assert!(calls <= TO_ONE, "{calls} calls at a time");
    delivers.abort();
}

/// D15: so do receivers that have other names. The one that answers does not wait for any of them to be given up.
#[tokio::test(flavor = "multi_thread")]
async fn many_receivers_that_hang_hold_up_none_that_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut urls, mut kept) = (Vec::new(), Vec::new());
    for last in 2..12 {
        let (hangs, calls) = receiver(&format!("127.0.0.{last}"), None).await;
        urls.extend(vec![hangs; 4]);
        kept.push(calls);
    }
    let (answers, mut answered) = receiver("127.0.0.1", Some("HTTP/1.1 204 No Content\r\n\r\n")).await;
    urls.extend(vec![answers; 8]);
    let server = server(folder.path(), 10, &urls).await;
    let delivers = tokio::spawn(deliver(server.clone()));
    for _ in 0..8 {
        assert_eq!(tokio::time::timeout(PATIENCE, answered.recv()).await, Ok(Some(())));
    }
    let rows = server.books.deliveries(None, None).await.expect("a store");
    let tried = rows.iter().filter(|row| !row.url.contains("127.0.0.1:") && row.attempts > 0).count();
    assert_eq!(tried, 0, "none of the others was waited for");
    delivers.abort();
}

/// Delivers the only callback that is due, whenever that is; its state, the number of deliveries, and what came of the last.
async fn once(server: &Arc<Core>) -> (String, u32, Option<String>) {
    let mut due = server.books.due_deliveries(i64::MAX, String::new(), (4, 32)).await.expect("a store");
    one(server, due.pop().expect("a callback")).await;
    let row = server.books.deliveries(None, None).await.expect("a store").remove(0);
    (row.state, row.attempts, row.said)
}

/// D15: what is refused each time is given up after its attempts and sent again only when somebody asks; what is gone, at
/// once.
#[tokio::test]
async fn a_callback_that_is_refused_is_given_up_after_its_attempts_and_one_that_is_gone_at_once() {
    let said = |state: &str, attempts, said: &str| (state.to_owned(), attempts, Some(said.to_owned()));
    let folder = tempfile::tempdir().expect("a folder");
    let (url, mut calls) = receiver("127.0.0.1", Some("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")).await;
    let refused = server(folder.path(), 3, &[url]).await;
    assert_eq!(once(&refused).await, said("waiting", 1, "it answered 500"));
    let now = refused.books.due_deliveries(refused.clock.now(), String::new(), (4, 32)).await.expect("a store");
    assert!(now.is_empty(), "it waits first: {now:?}");
    assert_eq!(once(&refused).await, said("waiting", 2, "it answered 500"));
    assert_eq!(once(&refused).await, said("given-up", 3, "it answered 500"));
    let due = refused.books.due_deliveries(i64::MAX, String::new(), (4, 32)).await.expect("a store");
    assert!(due.is_empty(), "{due:?}");
    assert!(refused.books.retry_delivery(None, 1, NOW).await.expect("a store"));
    assert_eq!(once(&refused).await, said("waiting", 1, "it answered 500"));
    assert_eq!(std::iter::from_fn(|| calls.try_recv().ok()).count(), 4);
    let folder = tempfile::tempdir().expect("a folder");
    let (url, _calls) = receiver("127.0.0.1", Some("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")).await;
    let gone = server(folder.path(), 3, &[url]).await;
    assert_eq!(once(&gone).await, said("given-up", 1, "410 Gone"));
    let folder = tempfile::tempdir().expect("a folder");
    let (url, _calls) = receiver("127.0.0.1", Some("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")).await;
    let liar = server(folder.path(), 3, &[url]).await;
    assert_eq!(once(&liar).await, ("delivered".to_owned(), 1, None), "it said 200, and broke off");
}

#[test]
fn ten_deliveries_take_most_of_a_day() {
    let all: u64 = (1..10).map(wait_ms).sum();
    assert!((20 * 3_600_000..=24 * 3_600_000).contains(&all), "{all} ms");
    assert_eq!((wait_ms(1), wait_ms(2), wait_ms(u32::MAX)), (5_000, 20_000, LONGEST_MS));
}

#[tokio::test]
async fn callbacks_that_are_due_are_looked_for_host_by_host_and_each_host_in_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let urls: Vec<String> = (0..3).flat_map(|host| vec![format!("https://h{host}.example/"); 5]).collect();
    let server = server(folder.path(), 10, &urls).await;
    let due = async |after: &str, bounds| {
        let due = server.books.due_deliveries(i64::MAX, after.to_owned(), bounds).await.expect("a store");
        due.into_iter().map(|delivery| delivery.host).collect::<Vec<_>>()
    };
    let hosts = |hosts: &[usize]| hosts.iter().map(|host| format!("h{host}.example")).collect::<Vec<_>>();
    assert_eq!(due("", (2, 32)).await, hosts(&[0, 0, 1, 1, 2, 2]));
    assert_eq!(due("", (1, 2)).await, hosts(&[0, 1]));
    assert_eq!(due("h1.example", (1, 2)).await, hosts(&[2, 0]));
    assert_eq!(due("h1.example", (1, 32)).await, hosts(&[2, 0, 1]), "each once");
    assert_eq!(due("z", (9, 1)).await, hosts(&[0; 5]));
}
