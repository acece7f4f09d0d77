//! Temperatures only.

use axum::response::Response;
use axum::{Router, routing::get};
use peer::{Failure, Reading};

fn filter(reading: Reading) -> Option<Reading> {
    (reading.variable == "Temperature").then_some(reading)
}

async fn fetched() -> Result<Response, Failure> {
    let reading = peer::fetch::<Reading>().await?;
    Ok(peer::answer(reading.and_then(filter)))
}

#[tokio::main]
async fn main() {
    peer::serve(Router::new().route("/", get(fetched))).await;
}
