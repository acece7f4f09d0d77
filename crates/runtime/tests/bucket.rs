//! Buckets over the border: what a function asks for reaches the host, and what the host answers reaches the function.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use dyninka::border::{self, CallOutcome, Done, HostTable, Kind, Library, Slice};
use dyninka::{Bucket, BucketAct, BucketAsk, BucketError, BucketErrorKind, BucketFolder, Result};

static IMAGES: Bucket = Bucket::named("images");

/// Larger than a piece, and no multiple of one.
const LARGE: usize = (17 << 20) + 5;

fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

async fn probe(mode: String) -> Result<String> {
    let kind = |error: BucketError| format!("{:?}", error.kind());
    Ok(match mode.as_str() {
        "small" => {
            let info = IMAGES.put("cats/1", "meow").await?;
            let (whole, part) = (IMAGES.get("cats/1").await?, IMAGES.get_range("cats/1", 1..3).await?);
            assert_eq!((&whole.info, &part.info, &whole.bytes[..]), (&info, &info, &b"meow"[..]));
            assert_eq!(IMAGES.head("cats/1").await?, info);
            let page = IMAGES.list("cats/", "").await?;
            assert_eq!((page.objects, page.next), (vec![info], None));
            String::from_utf8(part.bytes)?
        }
        "errors" => {
            let none = IMAGES.get("none").await.unwrap_err();
            assert_eq!(none.to_string(), "images/none: there is no such object");
            let taken = IMAGES.put_if_absent("cats/1", "x").await.map(drop).map_err(kind);
            let stale = IMAGES.put_if_match("cats/1", "x", "t").await.map(drop).map_err(kind);
            format!("{} {} {}", kind(none), taken.unwrap_err(), stale.unwrap_err())
        }
        "stream" => {
            let mut writer = IMAGES.write("large");
            let bytes: Vec<u8> = (0..LARGE).map(byte).collect();
            for piece in bytes.chunks(3 << 20) {
                writer.write(piece).await?;
            }
            assert_eq!(IMAGES.head("large").await.unwrap_err().kind(), BucketErrorKind::NotFound);
            let info = writer.finish().await?;
            let (mut reader, mut at) = (IMAGES.read("large").await?, 0);
            assert_eq!(reader.info(), &info);
            while let Some(piece) = reader.next().await? {
                assert!(
                    piece.len() <= 8 << 20 && piece.iter().enumerate().all(|(behind, have)| *have == byte(at + behind))
                );
                at += piece.len();
            }
            at.to_string()
        }
        "overwritten" => {
            let mut reader = IMAGES.read("large").await?;
            reader.next().await?;
            IMAGES.put("large", "other").await?;
            kind(reader.next().await.unwrap_err())
        }
        "given up" => {
            let mut writer = IMAGES.write("given-up");
            writer.write(&vec![0; 9 << 20]).await?;
            drop(writer);
            kind(IMAGES.head("given-up").await.unwrap_err())
        }
        "refused" => {
            let mut writer = IMAGES.write("refused");
            let first = kind(writer.write(&vec![0; 8 << 20]).await.unwrap_err());
            // It is not forgotten that something is missing.
            format!("{first} {}", kind(writer.finish().await.unwrap_err()))
        }
        "empty" => {
            let info = IMAGES.write("empty").finish().await?;
            let mut reader = IMAGES.read("empty").await?;
            assert_eq!((info.size, reader.next().await?, reader.next().await?), (0, None, None));
            IMAGES.url("empty", Duration::from_secs(60)).await?
        }
        "deleted" => {
            IMAGES.delete("cats/1").await?;
            kind(IMAGES.get("cats/1").await.unwrap_err())
        }
        other => {
            // Keys are looked at before the host is asked.
            kind(IMAGES.get(other).await.unwrap_err())
        }
    })
}

dyninka::__export! {
    service: "probe", version: "probe@00000001", function: probe, call: async,
    inputs: [mode: String],
    states: [],
}

unsafe extern "C" {
    #[link_name = "dyninka_service"]
    fn entry(service: Slice) -> *const Library;
}

/// What the host was asked for: the request, and what of the bucket.
static ASKED: Mutex<Vec<(u64, BucketAsk)>> = Mutex::new(Vec::new());
static ROOT: OnceLock<PathBuf> = OnceLock::new();

unsafe extern "C" fn bucket(
    _: *const c_void,
    request: u64,
    ask: Slice,
    bytes: Slice,
    done: Done,
    context: *mut c_void,
) {
    // SAFETY: lent for this call.
    let (ask, bytes) = unsafe { (ask.bytes().to_vec(), bytes.bytes().to_vec()) };
    let (ask, context): (BucketAsk, _) = (serde_json::from_slice(&ask).unwrap(), context as usize);
    ASKED.lock().unwrap().push((request, ask.clone()));
    // From another thread, as a host does.
    std::thread::spawn(move || {
        let is_refused = ask.key == "refused" && matches!(ask.act, BucketAct::Part { .. });
        let answer = match is_refused {
            true => Err(ask.error(BucketErrorKind::Forbidden, "not this one")),
            false => BucketFolder::new(ROOT.get().unwrap().clone()).answer(&ask, &bytes),
        };
        let outcome = match answer {
            Ok(answer) => CallOutcome::new(Kind::Value, answer.write()),
            Err(error) => CallOutcome::new(Kind::Failed, serde_json::to_vec(&error).unwrap()),
        };
        // SAFETY: called once.
        unsafe { done(context as *mut c_void, outcome) }
    });
}

unsafe extern "C" fn nobody(
    _: *const c_void,
    _: u64,
    _: Slice,
    _: *const Slice,
    _: usize,
    done: Done,
    context: *mut c_void,
) {
    // SAFETY: called once.
    unsafe { done(context, CallOutcome::new(Kind::Filtered, Vec::new())) }
}

unsafe extern "C" fn send(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the box that `run` gave away, given back once.
    let sender = unsafe { Box::from_raw(context.cast::<Sender<CallOutcome>>()) };
    drop(sender.send(outcome));
}

fn run(library: &Library, request: u64, mode: &str) -> String {
    let (sender, receiver) = channel::<CallOutcome>();
    let (input, context) = (serde_json::to_vec(mode).unwrap(), Box::into_raw(Box::new(sender)).cast());
    // SAFETY: as the border says.
    unsafe { (library.start)(library.context, request, &Slice::of(&input), 1, send, context) };
    let outcome = receiver.recv().unwrap();
    let body = String::from_utf8_lossy(&outcome.body).into_owned();
    assert_eq!(outcome.kind, Kind::Value, "{mode}: {body}");
    body.trim_matches('"').to_owned()
}

#[test]
fn objects_cross_the_border_whole_in_ranges_and_in_pieces() {
    let root = std::env::temp_dir().join(format!("dyninka-bucket-{}", std::process::id()));
    ROOT.set(root.clone()).unwrap();
    // SAFETY: the table of this very program.
    let library = unsafe { &*entry(Slice::of(b"probe")) };
    let host = HostTable {
        version: border::VERSION,
        context: std::ptr::null(),
        call: nobody,
        later: nobody,
        about: border::no_job,
        bucket,
    };
    // SAFETY: as the border says.
    assert_eq!(unsafe { (library.open)(library.context, &host) }.kind, Kind::Value);
    assert_eq!(run(library, 7, "small"), "eo");
    assert!(ASKED.lock().unwrap().iter().all(|(request, ask)| *request == 7 && ask.bucket == "images"));
    assert_eq!(run(library, 8, "errors"), "NotFound Changed Changed");
    assert_eq!(run(library, 9, "stream"), LARGE.to_string());
    let parts = |key: &str| {
        let asked = ASKED.lock().unwrap();
        asked.iter().filter(|(_, ask)| ask.key == key && matches!(ask.act, BucketAct::Part { .. })).count()
    };
    assert_eq!(parts("large"), 3);
    assert_eq!(run(library, 10, "overwritten"), "Changed");
    assert_eq!(run(library, 11, "given up"), "NotFound");
    let is_abort = |(_, ask): &(u64, BucketAsk)| ask.key == "given-up" && matches!(ask.act, BucketAct::Abort { .. });
    assert!(ASKED.lock().unwrap().iter().any(is_abort), "a writer that is dropped gives its upload up");
    assert_eq!(run(library, 12, "refused"), "Forbidden Failed");
    assert_eq!(run(library, 13, "empty"), format!("file://{}/images/empty", root.display()));
    assert_eq!(run(library, 14, "deleted"), "NotFound");
    let before = ASKED.lock().unwrap().len();
    assert_eq!(run(library, 15, "../x"), "Invalid");
    assert_eq!(ASKED.lock().unwrap().len(), before);
    drop(std::fs::remove_dir_all(root));
}
