use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::Arc;

use super::*;

/// A server that answers as it is told, in turn, and closes where the answer says so.
fn server(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let next = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let next = next.clone();
            thread::spawn(move || serve(stream.unwrap(), answers, &next));
        }
    });
    address
}

fn serve(stream: std::net::TcpStream, answers: &[&str], next: &AtomicU64) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while lines.by_ref().map_while(Result::ok).any(|line| line.is_empty()) {
        let at = usize::try_from(next.fetch_add(1, Ordering::SeqCst)).unwrap();
        let answer = answers[at % answers.len()];
        if std::io::Write::write_all(&mut &stream, answer.as_bytes()).is_err() || answer.contains("close") {
            return;
        }
    }
}

fn ask(address: SocketAddr, keep: bool, requests: u64) -> Tally {
    let wire = Wire::Http { address, headers: String::new() };
    let load = Load { connections: 3, keep, warm: Duration::ZERO, length: Length::Requests(requests), pace: None };
    run(&Goal { wire, check: Check::Exactly(b"ok"[..].into()) }, &load).unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CLOSED: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nx-close: 1\r\n\r\nok";

#[test]
fn so_many_requests_are_asked_and_each_is_counted_once() {
    for keep in [true, false] {
        let tally = ask(server(&[OK, OK, BUSY]), keep, 300);
        assert_eq!((tally.right, tally.shed, tally.asked()), (200, 100, 300), "{}", tally.complaints());
    }
    let tally = ask(server(&[CLOSED]), true, 60);
    assert_eq!((tally.right, tally.asked()), (60, 60), "{}", tally.complaints());
}

#[test]
fn half_an_answer_is_no_answer() {
    let tally = ask(server(&[OK, HALF]), true, 100);
    assert_eq!((tally.right, tally.failed), (50, 50), "{}", tally.complaints());
    assert!(tally.complaints().contains("closed before the whole answer"), "{}", tally.complaints());
}

#[test]
fn nobody_at_the_door_is_a_failure() {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let tally = ask(address, true, 10);
    assert_eq!((tally.failed, tally.asked(), tally.micros(0.5)), (10, 10, None));
}

#[test]
fn a_paced_load_asks_no_faster_than_it_should() {
    let wire = Wire::Http { address: server(&[OK]), headers: String::new() };
    let length = Length::Requests(40);
    let load = Load { connections: 4, keep: true, warm: Duration::ZERO, length, pace: Some(200.0) };
    let begun = Instant::now();
    let tally = run(&Goal { wire, check: Check::Exactly(b"ok"[..].into()) }, &load).unwrap();
    // Forty requests have thirty-nine gaps of 5 ms.
    assert!(begun.elapsed() >= Duration::from_millis(39 * 5));
    assert_eq!(tally.right, 40, "{}", tally.complaints());
}

#[test]
fn a_paced_load_goes_on_past_failures_and_an_answer_that_never_comes_whole() {
    let paced = |address, requests| {
        let wire = Wire::Http { address, headers: String::new() };
        let length = Length::Requests(requests);
        let load = Load { connections: 3, keep: true, warm: Duration::ZERO, length, pace: Some(2_000.0) };
        run(&Goal { wire, check: Check::Exactly(b"ok"[..].into()) }, &load).unwrap()
    };
    let tally = paced(server(&[OK, HALF, CLOSED, BUSY]), 100);
    assert_eq!((tally.right, tally.failed, tally.shed), (50, 25, 25), "{}", tally.complaints());
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    assert_eq!(paced(nobody, 10).failed, 10);
}

#[test]
fn an_address_is_read_from_a_url() {
    assert_eq!(address("http://127.0.0.1:80/").unwrap().to_string(), "127.0.0.1:80");
    assert_eq!(address("http://localhost:8080").unwrap().to_string(), "127.0.0.1:8080");
    assert!(address("127.0.0.1:80").is_err() && address("http://nowhere/").is_err());
}
