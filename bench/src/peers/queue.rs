//! Functions over a broker: a call is put on a function's list in redis, its answer on a list of the caller's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, anyhow, bail};
use axum::Router;
use axum::routing::get;
use parking_lot::Mutex;
use redis::{Commands, Connection};

use super::announce;
use super::function::answer;
use super::functions::{Functions, Name};

/// Calls a worker takes at the same time: more than the most connections of a load.
const MOST: usize = 64;

/// Seconds until a call is given up.
const PATIENCE: f64 = 30.0;

/// Of an answer's first byte: a value, nothing, or the words of a failure.
const VALUE: u8 = b'v';
const FILTERED: u8 = b'f';
const FAILED: u8 = b'e';

/// Takes calls until standard input ends.
pub(super) fn work(name: Name, functions: &Functions, broker: SocketAddr) -> anyhow::Result<()> {
    announce(broker)?;
    std::thread::scope(|scope| {
        let spawn = |_| scope.spawn(|| take(name, functions, broker));
        let threads: Vec<_> = (0..MOST).map(spawn).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a worker panicked"))?)
    })
}

fn take(name: Name, functions: &Functions, broker: SocketAddr) -> anyhow::Result<()> {
    let mut connection = connect(broker)?;
    loop {
        let (_, call): (String, Vec<u8>) = connection.blpop(name.text(), 0.0).context("take a call")?;
        let cut = call.iter().position(|byte| *byte == b'\n').context("a call names no list for its answer")?;
        let (list, input) = (&call[..cut], &call[cut + 1..]);
        let answer = match functions.call(name, input) {
            Ok(Some(value)) => marked(VALUE, &value),
            Ok(None) => marked(FILTERED, b""),
            Err(error) => marked(FAILED, format!("{error:#}").as_bytes()),
        };
        let _: u64 = connection.rpush(list, answer).context("answer a call")?;
    }
}

fn marked(mark: u8, rest: &[u8]) -> Vec<u8> {
    [&[mark], rest].concat()
}

fn connect(broker: SocketAddr) -> anyhow::Result<Connection> {
    let client = redis::Client::open(format!("redis://{broker}/")).context("read where redis is")?;
    client.get_connection().with_context(|| format!("connect to redis at {broker}"))
}

/// Connections to the broker, each with a list that only it takes from.
struct Callers {
    broker: SocketAddr,
    idle: Mutex<Vec<Caller>>,
    next: AtomicU64,
}

struct Caller {
    connection: Connection,
    list: String,
}

pub(super) fn router(broker: SocketAddr) -> anyhow::Result<Router> {
    let callers = Arc::new(Callers { broker, idle: Mutex::default(), next: AtomicU64::new(0) });
    callers.keep(callers.take()?);
    Ok(Router::new().route(
        "/",
        get(move || {
            let callers = callers.clone();
            // Taking from a list blocks.
            async move {
                let done = tokio::task::spawn_blocking(move || callers.compose()).await;
                answer(done.map_err(anyhow::Error::from).flatten())
            }
        }),
    ))
}

impl Callers {
    fn compose(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut caller = self.take()?;
        let mut value = Vec::new();
        for name in Name::ALL {
            match caller.call(name, &value)? {
                Some(next) => value = next,
                None => {
                    self.keep(caller);
                    return Ok(None);
                }
            }
        }
        self.keep(caller);
        Ok(Some(value))
    }

    fn take(&self) -> anyhow::Result<Caller> {
        if let Some(caller) = self.idle.lock().pop() {
            return Ok(caller);
        }
        let list = format!("answers-{}-{}", std::process::id(), self.next.fetch_add(1, Ordering::Relaxed));
        Ok(Caller { connection: connect(self.broker)?, list })
    }

    fn keep(&self, caller: Caller) {
        self.idle.lock().push(caller);
    }
}

impl Caller {
    fn call(&mut self, name: Name, input: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let call = [self.list.as_bytes(), b"\n", input].concat();
        let _: u64 = self.connection.rpush(name.text(), call).context("put a call on a list")?;
        let answer: Option<(String, Vec<u8>)> =
            self.connection.blpop(&self.list, PATIENCE).context("await an answer")?;
        let (_, answer) = answer.with_context(|| format!("{} did not answer", name.text()))?;
        match answer.split_first() {
            Some((&VALUE, value)) => Ok(Some(value.to_vec())),
            Some((&FILTERED, _)) => Ok(None),
            Some((&FAILED, words)) => bail!("{}: {}", name.text(), String::from_utf8_lossy(words)),
            _ => bail!("{} answers what is no answer", name.text()),
        }
    }
}
