//! A relay of bytes to a port, which counts them, flips one where it is told to, and is cut in silence.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// What is flipped: a byte of it, wherever it is on its way back.
pub(crate) const MARK: &[u8] = b"flip this byte";

/// A relay; it ends with the process.
pub(crate) struct Link {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Marks that are still to be flipped.
    flips: AtomicI64,
    /// Bytes that came back.
    back: AtomicU64,
    /// Bytes that went there.
    there: AtomicU64,
    /// Nothing goes there, and nothing comes back, until that is over.
    cut: [AtomicBool; 2],
}

impl Link {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for caller in listener.incoming() {
                let Ok(caller) = caller else { continue };
                // Nobody is there: the caller hears that, too.
                let Ok(called) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let (from, to) = (caller.try_clone().expect("a socket"), called.try_clone().expect("a socket"));
                let (one, two) = (shared.clone(), shared.clone());
                std::thread::spawn(move || relay(from, to, &one, false));
                std::thread::spawn(move || relay(called, caller, &two, true));
            }
        });
        Self { port: own, state }
    }

    /// Flips the next marks.
    pub(crate) fn flip(&self, count: i64) {
        self.state.flips.store(count, Ordering::SeqCst);
    }

    /// Holds back what goes there, and what comes back, without an error on either side.
    pub(crate) fn cut(&self, there: bool, back: bool) {
        self.state.cut[0].store(there, Ordering::SeqCst);
        self.state.cut[1].store(back, Ordering::SeqCst);
    }

    pub(crate) fn flips_left(&self) -> i64 {
        self.state.flips.load(Ordering::SeqCst)
    }

    /// Bytes that went there, and that came back.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.state.there.load(Ordering::SeqCst), self.state.back.load(Ordering::SeqCst))
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, state: &State, is_back: bool) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let piece = &mut bytes[..count];
        if is_back && let Some(at) = piece.windows(MARK.len()).position(|window| window == MARK) {
            let take = |left: i64| (left > 0).then(|| left - 1);
            if state.flips.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
                piece[at] ^= 1;
            }
        }
        let counter = if is_back { &state.back } else { &state.there };
        counter.fetch_add(count as u64, Ordering::SeqCst);
        while state.cut[usize::from(is_back)].load(Ordering::SeqCst) {
            std::thread::sleep(crate::server::LOOK);
        }
        if to.write_all(piece).is_err() {
            break;
        }
    }
    // The other end may be gone already.
    drop(to.shutdown(Shutdown::Write));
    if is_back {
        drop(from.shutdown(Shutdown::Both));
    }
}
