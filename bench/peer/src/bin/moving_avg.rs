//! The average of all values so far.

use std::sync::Mutex;

use axum::response::Response;
use axum::{Router, routing::get};
use peer::Failure;
use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
struct Average {
    average: f64,
    count: u64,
}

static AVERAGE: Mutex<Average> = Mutex::new(Average { average: 0.0, count: 0 });

fn moving_avg(value: f64) -> Average {
    let mut a = AVERAGE.lock().expect("no thread has panicked");
    a.average = (value + a.count as f64 * a.average) / (a.count + 1) as f64;
    a.count += 1;
    a.clone()
}

async fn fetched() -> Result<Response, Failure> {
    let value = peer::fetch::<f64>().await?;
    Ok(peer::answer(value.map(moving_avg)))
}

#[tokio::main]
async fn main() {
    peer::serve(Router::new().route("/", get(fetched))).await;
}
