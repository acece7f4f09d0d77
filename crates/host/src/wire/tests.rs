#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, duplex};

use super::*;

const LIMIT: usize = 1000;

/// What becomes of an answer that comes in parts, each as soon as the one before was read, then the end.
fn exchange(parts: &[&[u8]]) -> (Result<Answer, WireError>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (near, mut far) = duplex(1 << 20);
        let asked = async {
            let mut connection = Connection::new(near);
            let answer = connection.exchange(&Question::new(false, "x").end(None), LIMIT).await;
            (answer, connection.keeps())
        };
        let answers = async {
            for part in parts {
                // Whoever has read enough is gone.
                drop(far.write_all(part).await);
                tokio::task::yield_now().await;
            }
            drop(far.shutdown().await);
        };
        tokio::join!(asked, answers).0
    })
}

fn whole(text: &str) -> (Result<Answer, WireError>, bool) {
    exchange(&[text.as_bytes()])
}

#[test]
fn a_question_is_one_request_whatever_is_in_its_values() {
    let mut question = Question::new(true, "map");
    question.header("dyninka-path", "a,b");
    question.header("tracestate", "a=1\r\nhost: elsewhere");
    question.number("dyninka-deadline", 30);
    let bytes = question.end(Some(b"{}")).bytes().to_vec();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "POST / HTTP/1.1\r\nhost: map\r\ndyninka-path: a,b\r\ndyninka-deadline: 30\r\ncontent-type: application/json\r\n\
         content-length: 2\r\n\r\n{}"
    );
}

#[test]
fn what_is_said_is_read_however_it_comes() {
    let text = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nServer-Timing: map;dur=1\r\ncontent-length: 2\r\n\
                dyninka-version: map@1\r\nserver-timing: later\r\ndyninka-usage: map=7\r\n\r\n42";
    for size in 1..text.len() {
        let parts: Vec<_> = text.as_bytes().chunks(size).collect();
        let (answer, keeps) = exchange(&parts);
        let answer = answer.unwrap();
        assert_eq!((answer.status, &answer.body[..], keeps), (StatusCode::OK, &b"42"[..], true), "{size}");
        let [timing, versions, usage] = ["map;dur=1", "map@1", "map=7"].map(|said| Some(said.to_owned()));
        let said = Said { timing, versions, usage, ..Said::default() };
        assert_eq!(answer.said, said, "{size}");
    }
}

#[test]
fn the_end_of_an_answer_is_known_or_it_is_none() {
    let body = |text: &str| whole(text).0.map(|answer| String::from_utf8(answer.body.to_vec()).unwrap());
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(body(&format!("{chunked}2\r\n42\r\n1;x=y\r\n1\r\n0\r\n\r\n")).unwrap(), "421");
    assert_eq!(body(&format!("{chunked}1\r\n4\r\n0\r\nx: y\r\n\r\n")).unwrap(), "4");
    assert_eq!(body("HTTP/1.1 404 Not Found\r\n\r\nall of it").unwrap(), "all of it");
    assert_eq!(body("HTTP/1.1 204 No Content\r\n\r\n").unwrap(), "");
    let wrong = |text: &str| body(text).unwrap_err();
    assert!(matches!(wrong("HTTP/1.1 200 OK\r\n\r\n42"), WireError::Endless));
    assert!(matches!(wrong("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n42"), WireError::Body(_)));
    assert!(matches!(wrong(&format!("{chunked}3\r\n42")), WireError::Body(_)));
    assert!(matches!(wrong(&format!("{chunked}1\r\n42\r\n0\r\n\r\n")), WireError::Body(_)));
    assert!(matches!(wrong(&format!("{chunked}x\r\n")), WireError::Body(_)));
    assert!(matches!(wrong(&format!("{chunked}0\r\n")), WireError::Body(_)));
    assert!(matches!(wrong("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n"), WireError::Length(_)));
    for length in ["-2", "+2", "", "2, 3", "99999999999999999999"] {
        let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n42");
        assert!(matches!(wrong(&text), WireError::Length(_)), "{length}");
    }
    let two = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 1\r\n\r\n42";
    assert!(matches!(wrong(two), WireError::Length(_)));
}

#[test]
fn no_answer_is_longer_than_allowed() {
    let wrong = |text: &str| whole(text).0.unwrap_err();
    assert!(matches!(wrong("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n"), WireError::TooLarge));
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n{}\r\n1\r\n", "1".repeat(1000));
    assert!(matches!(wrong(&chunked), WireError::TooLarge));
    assert!(matches!(wrong(&format!("HTTP/1.1 500 X\r\n\r\n{}", "1".repeat(1001))), WireError::TooLarge));
    assert!(matches!(wrong(&format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(1 << 17))), WireError::LongHead));
    let trailer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: {}", "y".repeat(1 << 17));
    assert!(matches!(wrong(&trailer), WireError::LongHead));
    let many: String = (0..200).map(|at| format!("x{at}: y\r\n")).collect();
    assert!(matches!(wrong(&format!("HTTP/1.1 200 OK\r\n{many}\r\n")), WireError::Head(_)));
}

#[test]
fn a_connection_is_used_again_only_where_nothing_is_left_on_it() {
    let good = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n42";
    assert!(whole(good).1);
    for other in [
        format!("{good}HTTP/1.1 200 OK\r\n"),
        good.replace("\r\n\r\n", "\r\nConnection: x, Close\r\n\r\n"),
        good.replace("1.1", "1.0"),
        "HTTP/1.1 500 X\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        String::new(),
    ] {
        assert!(!whole(&other).1, "{other}");
    }
    assert!(matches!(whole("").0, Err(WireError::Closed)));
    assert!(whole("SSH-2.0-OpenSSH_9.2\r\n").0.unwrap_err().to_string().contains("invalid HTTP version"));
}

#[test]
fn a_question_of_which_nothing_was_sent_may_be_asked_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (near, far) = duplex(8);
        drop(far);
        let error = Connection::new(near).exchange(&Question::new(false, "x").end(None), LIMIT).await.unwrap_err();
        assert!(matches!(error, WireError::Unsent(_)), "{error}");
        // Eight bytes are taken, no more.
        let (near, far) = duplex(8);
        let ends = async {
            tokio::task::yield_now().await;
            drop(far);
        };
        let question = Question::new(false, "x").end(None);
        let mut connection = Connection::new(near);
        let (asked, ()) = tokio::join!(connection.exchange(&question, LIMIT), ends);
        assert!(matches!(asked.unwrap_err(), WireError::Sent(_)));
    });
}

proptest! {
    /// Whatever comes, in whatever parts: the same, and no panic.
    #[test]
    fn parts_make_no_difference(text in "(HTTP/1\\.[01] (200|204|500) OK\r\n)?((content-length: [0-9]{1,3}|transfer-encoding: chunked|[a-z]{1,4}: [ -~]{0,9})\r\n){0,3}(\r\n)?([0-9]\r\n)?[ -~]{0,30}(\r\n0\r\n\r\n)?", size in 1_usize..40) {
        let parts: Vec<_> = text.as_bytes().chunks(size).collect();
        let told = |(answer, keeps): (Result<Answer, WireError>, bool)| {
            (answer.map(|answer| (answer.status, answer.said, answer.body)).map_err(|_| ()), keeps)
        };
        prop_assert_eq!(told(exchange(&parts)).0, told(whole(&text)).0);
    }
}
