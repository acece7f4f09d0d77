//! Inputs made from inputs.

use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

/// Longer than this no input becomes: what takes long finds little.
const LONGEST: usize = 16 << 10;
/// Bytes that readers tend to stumble over.
const ODD: [u8; 12] = [0, 0x7f, 0x80, 0xc3, 0xff, b'"', b'\\', b'(', b'[', b'{', b'\n', b'-'];

/// Makes an input out of one or two seeds by one to eight small changes.
pub fn mutate(random: &mut SmallRng, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = pick(random, seeds).cloned().unwrap_or_default();
    for _ in 0..random.random_range(1..=8) {
        change(random, &mut input, seeds, words);
        input.truncate(LONGEST);
    }
    input
}

fn change(random: &mut SmallRng, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
    let at = random.random_range(0..=input.len());
    let end = random.random_range(at..=input.len().min(at + 64));
    match random.random_range(0..8) {
        0 => drop(input.drain(at..end)),
        1 => {
            let times = random.random_range(1..=64);
            let piece = input[at..end].repeat(times);
            put(input, at, &piece);
        }
        2 => {
            let word = pick(random, words).copied().unwrap_or_default();
            put(input, at, word.as_bytes());
        }
        3 => {
            let word = pick(random, words).copied().unwrap_or_default();
            input.splice(at..end, word.bytes());
        }
        4 => {
            let odd = pick(random, &ODD).copied().unwrap_or_default();
            put(input, at, &[odd]);
        }
        5 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = byte.wrapping_add(random.next_u32() as u8);
            }
        }
        6 => {
            // The beginning of one and the end of another.
            let other = pick(random, seeds).map_or(&[][..], Vec::as_slice);
            let from = random.random_range(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => input.truncate(at),
    }
}

fn put(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

fn pick<'a, T>(random: &mut SmallRng, from: &'a [T]) -> Option<&'a T> {
    if from.is_empty() { None } else { from.get(random.random_range(0..from.len())) }
}
