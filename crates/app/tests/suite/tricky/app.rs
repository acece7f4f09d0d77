#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::prelude::*;
use shapes::{Shape, Square, area_of as measured, round::{half, whole}};
use Colour::*;
use self::nested::deep;

mod prelude;
mod shapes;
#[macro_use]
mod macros {
    macro_rules! twice {
        ($x:expr) => { double($x) };
    }
}

mod nested {
    use super::*;
    pub mod deep {
        use super::super::offset;
        pub fn shifted(x: f64) -> f64 { offset(x) + super::base() }
    }
    pub fn base() -> f64 { LIMIT }
    pub fn unused_in_nested() -> f64 { half(1.0) }
}

const LIMIT: f64 = 10.0;
const UNUSED: f64 = 11.0;

/// é: columns are characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Colour { Red, Green }

struct Celsius(f64);
struct Fahrenheit(f64);
type Degrees = Celsius;

impl Degrees { fn value(&self) -> f64 { self.0 } }
impl From<Fahrenheit> for Celsius { fn from(f: Fahrenheit) -> Self { Celsius(to_celsius(f.0)) } }

fn to_celsius(f: f64) -> f64 { (f - 32.0) / 1.8 }
fn offset(x: f64) -> f64 { x + 0.5 }
fn double(x: f64) -> f64 { x * 2.0 }

trait Describe { fn describe(&self) -> String; }
impl Describe for f64 { fn describe(&self) -> String { let mut s = String::new(); let _ = write!(s, "{self}"); s } }
impl<T: Describe> Describe for Vec<T> { fn describe(&self) -> String { self.iter().map(Describe::describe).collect() } }

thread_local! { static COUNT: std::cell::Cell<u64> = const { std::cell::Cell::new(START) }; }
const START: u64 = 7;

struct Wrapper<T>(T);
impl<T> fmt::Display for Wrapper<T> where T: fmt::Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "<{}>", self.0) }
}

#[service]
fn celsius(f: f64) -> f64 { let c: Celsius = Fahrenheit(f).into(); c.value() }

#[service]
fn area(side: f64) -> f64 { Square { side }.area() }

#[service]
fn rounded(x: f64) -> f64 { whole(x) }

#[service]
fn named(x: f64) -> String { vec![x].describe() }

#[service]
fn coloured(x: f64) -> u8 { match if x > 0.0 { Red } else { Green } { Red => 1, Green => 2 } }

#[service]
fn moved(x: f64) -> f64 { deep::shifted(x) }

#[service]
fn doubled(x: f64) -> f64 { twice!(x) }

#[service]
fn counted() -> u64 { COUNT.with(|count| count.get()) }

#[service]
fn through_a_glob(x: f64) -> Alias { clamp(x) }

#[service]
fn in_a_function(x: f64) -> f64 {
    use crate::shapes::round::half as h;
    fn inner(x: f64) -> f64 { h2(x) }
    use shapes::round::half as h2;
    h(x) + inner(x)
}

#[service]
fn shown(x: f64) -> String { let map: BTreeMap<u8, f64> = BTreeMap::from([(1, x)]); format!("{}{map:?}", Wrapper(x)) }

#[service]
fn measured_again(x: f64) -> f64 { measured(&Square { side: x }) }

#[service]
async fn asks(key: Key) -> u64 { let lookup = lookup(key).await.unwrap_or_default(); lookup.0 + 1 }

#[service]
fn lookup(key: Key) -> Found { Found(key.0) }

pub struct Key(u64);
#[derive(Default)]
pub struct Found(u64);

#[cfg(test)]
mod tests { use super::nothing_of_the_kind; }

#[dyninka::main]
fn main() { counted().asks() }
