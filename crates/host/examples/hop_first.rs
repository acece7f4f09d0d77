//! A service for the tests and benches of the host: the first of a chain.

fn first() -> u64 {
    7
}

dyninka::__export! {
    service: "first", version: "first@00000001", function: first, call: sync, inputs: [], states: [],
}
