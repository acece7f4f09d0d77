use std::sync::Arc;

use balance::StrategyError;
use parking_lot::Mutex;
use protocol::AdmissionMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::mind::tests::{ONE, TWO, at, bundle, mind, observe, tell};

/// What a model says next.
#[derive(Clone)]
enum Says {
    Answer(&'static str),
    /// It has the question and says nothing.
    Nothing,
}

/// A model that says one thing after the other, and keeps what it was asked.
struct Model {
    url: String,
    asked: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Model {
    async fn start(says: Vec<Says>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/action?of=n1", listener.local_addr().expect("an address"));
        let asked: Arc<Mutex<Vec<serde_json::Value>>> = Arc::default();
        let kept = asked.clone();
        tokio::spawn(async move {
            // Those that say nothing stay open.
            let mut open = Vec::new();
            for says in says {
                let (mut stream, _) = listener.accept().await.expect("somebody asks");
                let (head, body) = question(&mut stream).await;
                assert!(head.starts_with("POST /action?of=n1 HTTP/1.1\r\n"), "{head}");
                kept.lock().push(serde_json::from_slice(&body).expect("JSON"));
                match says {
                    Says::Answer(answer) => stream.write_all(answer.as_bytes()).await.expect("it is read"),
                    Says::Nothing => open.push(stream),
                }
            }
            // From now on it is gone.
            drop(listener);
            std::future::pending::<()>().await;
        });
        Self { url, asked }
    }
}

/// Head and body of a request.
async fn question(stream: &mut tokio::net::TcpStream) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length.is_none_or(|length: usize| body.len() >= length) {
                return (head.to_owned() + "\r\n", body.as_bytes().to_vec());
            }
        }
        assert!(stream.read_buf(&mut read).await.expect("it reads") > 0, "it ended");
    }
}

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 35\r\n\r\n{\"local\":0.6,\"n2\":0.3,\"reject\":0.1}";
const NONSENSE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlots";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_decides_and_one_that_is_late_talks_nonsense_or_is_gone_has_everything_served_here() {
    let model = Model::start(vec![
        Says::Answer(GOOD),
        Says::Nothing,
        Says::Answer(NONSENSE),
        Says::Answer(BUSY),
        Says::Answer(GOOD),
    ])
    .await;
    let settings = StrategySettings {
        period: Duration::from_secs(1),
        model: Some(model.url.clone()),
        ..StrategySettings::new(StrategyName::Remote)
    };
    let mut one = mind(ONE, TWO, bundle(|_| {}), settings.clone());
    let mut two = mind(TWO, ONE, bundle(|_| {}), StrategySettings::new(StrategyName::AllLocal));
    observe(&mut one, 150);
    two.decide(at(2000), at(2000));
    tell(&mut two, TWO, &mut one, at(2000));
    let mut seconds = 2;
    let mut turn = async || {
        seconds += 1;
        let now = at(1000 * seconds);
        // While a model thinks, hosts are told what was decided before.
        one.decide(now, now);
        let turns = one.slow_turns(now, now);
        assert_eq!(turns.len(), 1);
        assert!(one.slow_turns(now, now).is_empty(), "it is asked once");
        for turn in turns {
            one.settle(turn.decide().await, now);
        }
        let (told, notices) = one.decide(now, now);
        // Without a way nothing goes away.
        (told.first().map(|(_, _, sharing)| (sharing.mode, sharing.away.is_some())), notices)
    };
    let shared = Some((AdmissionMode::Split { local: 60.0, reject: 10.0 }, true));
    assert_eq!(turn().await, (shared, vec![]));
    let kept = |why: &str| vec![format!("the model gave no answer, the last shares stay: {why}")];
    assert_eq!(turn().await, (shared, kept("it did not answer within 500 ms")));
    let (mode, notices) = turn().await;
    assert!(mode == shared && notices[0].contains("the last shares stay: its answer does not read"), "{notices:?}");
    let (mode, notices) = turn().await;
    assert!(notices[0].contains("3 times, everything is served here: it answered 503"), "{notices:?}");
    assert_eq!(mode, Some((AdmissionMode::Spill, false)));
    // It is asked all the while, and does what it says again.
    assert_eq!(turn().await, (shared, vec![]));
    let (mode, notices) = turn().await;
    assert!(mode == shared && notices[0].contains("the last shares stay"), "{notices:?}");
    let asked = model.asked.lock();
    assert_eq!(asked.len(), 5);
    assert_eq!(asked[0]["observation"]["input_rate"], 150.0);
    assert!(asked[0]["observation"]["previous_fwd_to_n2"].is_number(), "{}", asked[0]);
    assert_eq!(asked[0]["agent_parameters"]["explore"], false);
}

#[tokio::test]
async fn a_model_without_a_url_that_can_be_asked_is_refused_before_anything_begins() {
    let of =
        |url: &str| StrategySettings { model: Some(url.to_owned()), ..StrategySettings::new(StrategyName::Remote) };
    for (url, words) in [
        ("https://model.example.org/action", "does not begin with http://"),
        ("model", "does not begin with http://"),
        ("http://", "it is no URL"),
        ("a b", "it is no URL"),
    ] {
        let error = policy(&of(url)).err().expect(url).to_string();
        assert!(error.contains(words) && error.contains(url), "{error}");
    }
    assert!(policy(&of("http://127.0.0.1:5000/action")).expect("it can be asked").is_some());
    let none = StrategySettings::new(StrategyName::Remote);
    assert!(matches!(none.build(policy(&none).expect("nothing is wrong")), Err(StrategyError::NoModel)));
}
