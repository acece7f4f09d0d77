//! A library that is retired while a call of it still runs.

#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::c_void;
use std::sync::mpsc::{Receiver, Sender, channel};

use dyninka::border::{self, CallOutcome, Done, HostTable, Kind, Library, Slice};

async fn forever() -> u8 {
    std::future::pending().await
}

dyninka::__export! {
    service: "forever", version: "forever@00000001", function: forever, call: async,
    inputs: [], states: [],
}

unsafe extern "C" {
    #[link_name = "dyninka_service"]
    fn entry(service: Slice) -> *const Library;
}

unsafe extern "C" fn nobody(_: *const c_void, _: u64, _: Slice, _: *const Slice, _: usize, _: Done, _: *mut c_void) {}

unsafe extern "C" fn send(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the box that `begin` gave away, given back once.
    drop(unsafe { Box::from_raw(context.cast::<Sender<CallOutcome>>()) }.send(outcome));
}

fn begin(library: &Library, request: u64) -> Receiver<CallOutcome> {
    let (sender, receiver) = channel::<CallOutcome>();
    let context = Box::into_raw(Box::new(sender)).cast();
    // SAFETY: as the border says.
    unsafe { (library.start)(library.context, request, std::ptr::null(), 0, send, context) };
    receiver
}

#[test]
fn every_call_is_answered_once() {
    // SAFETY: the table of this very program.
    let library = unsafe { &*entry(Slice::of(b"forever")) };
    // SAFETY: as the border says.
    let opened = unsafe {
        (library.open)(
            library.context,
            &HostTable {
                version: border::VERSION + 1,
                context: std::ptr::null(),
                call: nobody,
                later: nobody,
                about: border::no_job,
                bucket: border::no_bucket,
            },
        )
    };
    assert_eq!(opened.kind, Kind::Failed);
    // SAFETY: as the border says.
    let opened = unsafe {
        (library.open)(
            library.context,
            &HostTable {
                version: border::VERSION,
                context: std::ptr::null(),
                call: nobody,
                later: nobody,
                about: border::no_job,
                bucket: border::no_bucket,
            },
        )
    };
    assert_eq!(opened.kind, Kind::Value);

    let first = begin(library, 1);
    let same_number = begin(library, 1).recv().unwrap();
    assert_eq!(&*same_number.body, br#"{"message":"request 1 is running already"}"#);
    // SAFETY: as the border says.
    unsafe { (library.retire)(library.context) };
    let retired = first.recv().unwrap();
    assert_eq!(retired.kind, Kind::Failed);
    assert_eq!(&*retired.body, br#"{"message":"the version it ran on was retired"}"#);
}
