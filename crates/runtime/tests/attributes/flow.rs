//! What the attributes expand to: services called from bodies, fed by each other, run by `main`.

use std::future::poll_fn;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use dyninka::prelude::*;

/// What a sensor said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    variable: String,
    value: f64,
}

#[placed(get)]
static NEXT: Placed<usize> = Placed::new(usize::default);

/// The next reading.
#[service(replay = false)]
async fn get() -> Result<Reading> {
    let next = NEXT.update(|next| std::mem::replace(next, *next + 1));
    Ok(Reading { variable: "Temperature".into(), value: next.to_string().parse()? })
}

#[service]
fn filter(reading: Reading, variable: String) -> Option<Reading> {
    (reading.variable == variable).then_some(reading)
}

#[service]
fn scale(reading: Reading, mut factor: f32, shift: Option<i64>) -> f64 {
    factor *= 10.0;
    reading.value * f64::from(factor) + shift.map_or(0.5, |shift| shift as f64)
}

#[service]
fn fail(reading: Reading) -> Result<Reading, String> {
    Err(format!("{} is broken", reading.variable))
}

#[service]
async fn lookup(key: String) -> Result<Option<u64>> {
    match key.as_str() {
        "" => Err(Error::new("an empty key")),
        _ => Ok(key.parse().ok()),
    }
}

#[service]
async fn enrich(key: String) -> Result<String> {
    // Data here: it is filtered only along a flow.
    Ok(match lookup(key.as_str().into()).await? {
        Some(found) => format!("{key} is {found}"),
        None => format!("{key} is nothing"),
    })
}

#[service]
fn wait(key: String) -> Result<Option<u64>> {
    lookup(key).wait()
}

#[service]
fn mean(values: Vec<f64>, weight: f64) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64 * weight
}

#[service]
fn log(_value: f64) {}

static ARRIVED: AtomicU32 = AtomicU32::new(0);

/// Ends when both inputs are being fetched; were they fetched one after the other, it never would.
async fn meet() {
    ARRIVED.fetch_add(1, Ordering::Relaxed);
    poll_fn(|context| match ARRIVED.load(Ordering::Relaxed) {
        2 => Poll::Ready(()),
        _ => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

#[service]
async fn left() -> String {
    meet().await;
    "left".into()
}

#[service]
async fn right() -> String {
    meet().await;
    "right".into()
}

#[service]
fn join(one: String, other: String) -> String {
    format!("{one} {other}")
}

#[placed(keep)]
static KEPT: Placed<Vec<String>> = Placed::new(Vec::new);

#[service]
fn keep(value: String) {
    KEPT.update(|kept| kept.push(value));
}

fn is_success(code: ExitCode) -> bool {
    format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
}

#[test]
fn a_chain_goes_on_with_values_literals_and_options() {
    let warm = Reading { variable: "Temperature".into(), value: 2.0 };
    assert_eq!(warm.clone().filter("Temperature").scale(0.5, 3).wait().unwrap(), Some(13.0));
    assert_eq!(warm.clone().filter("Humidity").scale(0.5, 3).wait().unwrap(), None);
    assert_eq!([1.0, 2.0].mean(3).wait().unwrap(), Some(4.5));
    assert_eq!(warm.scale(0.5, 3).log().wait().unwrap(), Some(()));
}

#[test]
fn an_error_tells_its_service_and_nothing_later_runs() {
    let error = get().fail().scale(1.0, 1).wait().unwrap_err();
    assert_eq!((error.to_string().as_str(), error.service()), ("Temperature is broken", Some("fail")));
}

#[test]
fn a_body_calls_another_service() {
    assert_eq!(enrich("7".into()).wait().unwrap(), "7 is 7");
    assert_eq!(enrich("seven".into()).wait().unwrap(), "seven is nothing");
    let error = enrich(String::new()).wait().unwrap_err();
    assert_eq!((error.to_string().as_str(), error.service()), ("an empty key", Some("lookup")));
}

#[test]
fn a_job_is_run_at_once_where_there_is_no_host_and_its_failure_is_none_of_this() {
    let ids = ["7", ""].map(|key| lookup(key.into()).later().wait().unwrap());
    assert!(ids.iter().all(|id| id.starts_with("here-")) && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn a_synchronous_body_waits_for_another_service() {
    assert_eq!(Call::wait(wait("7".into())).unwrap(), Some(7));
}

#[test]
fn inputs_are_fetched_at_the_same_time() {
    assert_eq!(left().join(right()).wait().unwrap().unwrap(), "left right");
}

mod mixed {
    use super::*;

    #[dyninka::main]
    pub(super) fn main() {
        let first = enrich("7");
        let both = join(first, "8".wait().format());
        both.keep()
    }

    #[service]
    fn format(number: u64) -> String {
        format!("<{number}>")
    }
}

mod filtered {
    use super::*;

    #[dyninka::main]
    pub(super) fn main() {
        keep(text(wait("no number")))
    }

    #[service]
    fn text(number: Option<u64>) -> String {
        format!("{number:?}")
    }
}

mod broken {
    use super::*;

    #[dyninka::main]
    pub(super) fn main() {
        enrich("").keep()
    }
}

#[test]
fn main_runs_call_forms_method_forms_names_and_literals() {
    assert!(is_success(mixed::main()));
    assert!(is_success(filtered::main()));
    assert!(!is_success(broken::main()));
    assert_eq!(KEPT.get(), ["7 is 7 <8>"]);
}
