//! A service for the tests of the host: quick, unless it is asked for something else.

use dyninka::Result;

dyninka::__remote! { fn first() -> u64 }

fn uneven(deed: String) -> Result<u64> {
    match deed.as_str() {
        "ask" => first().wait(),
        "loop" => loop {
            std::hint::spin_loop();
        },
        _ => Ok(1),
    }
}

dyninka::__export! {
    service: "uneven", version: "uneven@00000001", function: uneven, call: sync, inputs: [deed: String], states: [],
}
