//! Services for the tests of the host: one for each way that a call can end, in one library.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use dyninka::{Error, Placed, Result};

/// What `counts` counts.
static COUNT: Placed<u64> = Placed::new(u64::default);
/// What `counts` writes and `tells` reads: two services, two processes, two values.
static PLAIN: AtomicU64 = AtomicU64::new(0);
thread_local! {
    /// The same for the thread that serves both.
    static OWN: Cell<u64> = const { Cell::new(0) };
}

mod remote {
    dyninka::__remote! { fn double(value: u64) -> u64 }
    dyninka::__remote! { fn fails(value: u64) -> u64 }
}

fn one() -> u64 {
    1
}

fn double(value: u64) -> u64 {
    value.wrapping_mul(2)
}

fn sum(a: u64, b: u64) -> u64 {
    a.wrapping_add(b)
}

fn odd(value: u64) -> Option<u64> {
    (value % 2 == 1).then_some(value)
}

fn fails(value: u64) -> Result<u64> {
    if value.is_multiple_of(3) { Err(Error::new(format!("{value} is a multiple of three"))) } else { Ok(value) }
}

fn panics(value: u64) -> u64 {
    assert!(!value.is_multiple_of(5), "{value} is a multiple of five");
    value
}

fn texts(value: u64) -> String {
    "\u{e4}".repeat((value % 100) as usize)
}

fn counts(value: u64) -> u64 {
    PLAIN.fetch_add(1, Ordering::Relaxed);
    OWN.set(OWN.get() + 1);
    COUNT.update(|count| {
        *count += 1;
        value.wrapping_add(*count)
    })
}

fn tells() -> u64 {
    PLAIN.load(Ordering::Relaxed) + OWN.get()
}

async fn asks(value: u64) -> Result<u64> {
    remote::double(value).await
}

fn waits(value: u64) -> Result<u64> {
    remote::fails(value).wait()
}

dyninka::__export! {
    { service: "one", version: "one@00000001", function: one, call: sync, inputs: [], states: [], }
    { service: "double", version: "double@00000001", function: double, call: sync, inputs: [value: u64], states: [], }
    { service: "sum", version: "sum@00000001", function: sum, call: sync, inputs: [a: u64, b: u64], states: [], }
    { service: "odd", version: "odd@00000001", function: odd, call: sync, inputs: [value: u64], states: [], }
    { service: "fails", version: "fails@00000001", function: fails, call: sync, inputs: [value: u64], states: [], }
    { service: "panics", version: "panics@00000001", function: panics, call: sync, inputs: [value: u64], states: [], }
    { service: "texts", version: "texts@00000001", function: texts, call: sync, inputs: [value: u64], states: [], }
    { service: "counts", version: "counts@00000001", function: counts, call: sync, inputs: [value: u64],
      states: [COUNT: "u64"], }
    { service: "tells", version: "tells@00000001", function: tells, call: sync, inputs: [], states: [], }
    { service: "asks", version: "asks@00000001", function: asks, call: async, inputs: [value: u64], states: [], }
    { service: "waits", version: "waits@00000001", function: waits, call: sync, inputs: [value: u64], states: [], }
}
