//! A service for the tests of the host: it does what a function run again must not be trusted with.

use std::io::Read;

use dyninka::{Placed, Result};

dyninka::__remote! { fn first(seed: u64) -> u64 }

#[path = "support/effects.rs"]
mod effects;

static COUNT: Placed<u64> = Placed::new(|| 100);

async fn odd(deed: String, seed: u64) -> Result<u64> {
    match deed.as_str() {
        "count" => Ok(COUNT.update(|count| {
            *count += seed;
            *count
        })),
        "ask" => first(seed).await,
        "ask twice" => Ok(first(seed).await? * 1_000 + first(seed).await?),
        "ask and pass over" => Ok(first(seed).await.unwrap_or(0)),
        "print" => {
            println!("no answer of anybody's");
            let mut read = String::new();
            std::io::stdin().read_to_string(&mut read)?;
            Ok(read.len() as u64)
        }
        "panic" => panic!("on {seed}"),
        "abort" => std::process::abort(),
        "overflow" => Ok(deepen(seed)),
        "wait" => std::future::pending().await,
        "loop" => loop {
            std::hint::spin_loop();
        },
        other => effects::attempt(other, seed)
            .unwrap_or_else(|| Err(dyninka::Error::new(format!("{other} is nothing it does")))),
    }
}

#[expect(unconditional_recursion, reason = "the stack's end is what it is for")]
fn deepen(depth: u64) -> u64 {
    std::hint::black_box([depth; 512]);
    1 + std::hint::black_box(deepen(depth + 1))
}

dyninka::__export! {
    service: "odd", version: "odd@00000001", function: odd, call: async, inputs: [deed: String, seed: u64],
    states: [COUNT: "u64-1"],
}
