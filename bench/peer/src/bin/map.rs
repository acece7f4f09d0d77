//! Degrees Fahrenheit to degrees Celsius.

use axum::response::Response;
use axum::{Json, Router, routing::get};
use peer::{Failure, Reading};

fn map(reading: Reading) -> f64 {
    (reading.value - 32.0) / 1.8
}

async fn fetched() -> Result<Response, Failure> {
    let reading = peer::fetch::<Reading>().await?;
    Ok(peer::answer(reading.map(map)))
}

async fn given(Json(reading): Json<Reading>) -> Json<f64> {
    Json(map(reading))
}

#[tokio::main]
async fn main() {
    peer::serve(Router::new().route("/", get(fetched).post(given))).await;
}
