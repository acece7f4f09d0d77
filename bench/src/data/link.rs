//! A way to a port: it counts bytes, and takes its time where it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;

/// How far, and how narrow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Of each direction.
    delay: Duration,
    bytes_per_second: f64,
}

impl Way {
    pub(super) const NEAR: Self = Self { delay: Duration::ZERO, bytes_per_second: f64::INFINITY };

    /// A round trip of so many milliseconds, and so many Mbit/s.
    pub(super) fn far(round_trip_ms: f64, mbit: f64) -> Self {
        Self { delay: Duration::from_secs_f64(round_trip_ms / 2e3), bytes_per_second: mbit * 1e6 / 8.0 }
    }
}

/// A relay. It ends with the process.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) port: u16,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    there: AtomicU64,
    back: AtomicU64,
}

impl Link {
    pub(super) fn to(port: u16, way: Way) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen")?;
        let own = listener.local_addr().context("listen")?.port();
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                // Who calls hears that nobody is there: the connection ends.
                let Ok(called) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                if let Err(error) = join(caller, called, way, &shared) {
                    eprintln!("bench: a link's connection ends: {error}");
                }
            }
        });
        Ok(Self { port: own, counts })
    }

    /// Bytes that went there and that came back.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.counts.there.load(Ordering::Relaxed), self.counts.back.load(Ordering::Relaxed))
    }
}

fn join(caller: TcpStream, called: TcpStream, way: Way, counts: &Arc<Counts>) -> std::io::Result<()> {
    for stream in [&caller, &called] {
        stream.set_nodelay(true)?;
    }
    for (from, to, is_back) in [(caller.try_clone()?, called.try_clone()?, false), (called, caller, true)] {
        let (pieces, due) = channel();
        let counts = counts.clone();
        std::thread::spawn(move || {
            take(from, way, &pieces, if is_back { &counts.back } else { &counts.there });
        });
        std::thread::spawn(move || give(to, &due));
    }
    Ok(())
}

/// Reads pieces, each with the time at which it arrives.
fn take(mut from: TcpStream, way: Way, pieces: &Sender<(Instant, Vec<u8>)>, count: &AtomicU64) {
    let (mut bytes, mut free) = (vec![0; 16 << 10], Instant::now());
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        count.fetch_add(read as u64, Ordering::Relaxed);
        // One after the other goes onto the way.
        free = free.max(Instant::now()) + Duration::from_secs_f64(read as f64 / way.bytes_per_second);
        if pieces.send((free + way.delay, bytes[..read].to_vec())).is_err() {
            return;
        }
    }
}

fn give(mut to: TcpStream, due: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((at, piece)) = due.recv() {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            // The sender finds it gone.
            break;
        }
    }
    // It may be gone already.
    drop(to.shutdown(Shutdown::Both));
}
