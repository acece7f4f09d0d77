//! A banner of a text: it keeps nothing, so any node can make it. What a node of a fleet has no room for, another one serves.
//!
//! ```text
//! banner("DYN")
//! ```
//!
//! `rate` is what one node serves a second. It binds only where an agent runs (`dyn node up`).

use dyninka::prelude::*;

/// Five rows of five dots for each letter, a bit each.
const LETTERS: [(char, [u8; 5]); 8] = [
    ('A', [0b01110, 0b10001, 0b11111, 0b10001, 0b10001]),
    ('D', [0b11110, 0b10001, 0b10001, 0b10001, 0b11110]),
    ('E', [0b11111, 0b10000, 0b11110, 0b10000, 0b11111]),
    ('I', [0b01110, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('K', [0b10001, 0b10010, 0b11100, 0b10010, 0b10001]),
    ('N', [0b10001, 0b11001, 0b10101, 0b10011, 0b10001]),
    ('O', [0b01110, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('Y', [0b10001, 0b01010, 0b00100, 0b00100, 0b00100]),
];

/// A letter's row; one that is not in the list is a box.
fn row(letter: char, at: usize) -> String {
    let known = LETTERS.iter().find(|(known, _)| *known == letter);
    let bits = known.map_or(0b11111, |(_, rows)| rows[at]);
    (0..5).rev().map(|bit| if bits >> bit & 1 == 1 { '#' } else { ' ' }).collect()
}

/// The text in large letters.
#[service(rate = 100, idempotent = true)]
fn banner(text: String) -> Vec<String> {
    let text = text.to_uppercase();
    (0..5).map(|at| text.chars().map(|letter| row(letter, at)).collect::<Vec<_>>().join(" ")).collect()
}

#[dyninka::main]
fn main() {
    banner("DYN")
}
