//! A service for the tests and benches of the host: the last of a chain. A value above ten has it ask again.

use dyninka::Result;

dyninka::__remote! { fn first() -> u64 }

async fn last(value: u64) -> Result<u64> {
    match value {
        ..=10 => Ok(value * 2),
        _ => Ok(value + first().await?),
    }
}

dyninka::__export! {
    service: "last", version: "last@00000001", function: last, call: async, inputs: [value: u64],
    states: [],
}
