//! What a service returns is told by its type, under whatever name.

use dyninka::border::Kind;
use serde_json::json;

use crate::house::House;
use crate::library::Loaded;

const APP: &str = "use dyninka::prelude::*;
use std::option::Option as Maybe;
type Res<T> = core::result::Result<T, String>;
macro_rules! hidden { () => { type Hidden<T> = core::result::Result<core::option::Option<T>, String>; } }
hidden!();
mod own {
    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Degrees(pub f64);
    pub type Reading = core::option::Option<Degrees>;
    #[derive(Debug, serde::Serialize)] pub enum Option { Some(u8) }
}
#[service] fn fails(n: u64) -> Res<u64> { if n > 5 { Err(format!(\"{n} is too much\")) } else { Ok(n) } }
#[service] fn filters(n: u64) -> Maybe<u64> { (n < 5).then_some(n) }
#[service] fn reads(n: u64) -> own::Reading { (n < 5).then_some(own::Degrees(n as f64)) }
#[service] fn unseen(n: u64) -> Hidden<u64> { if n > 5 { Err(\"no\".to_owned()) } else { Ok((n < 3).then_some(n)) } }
#[service] fn option(n: u64) -> own::Option { own::Option::Some(n as u8) }
#[service] async fn asks(n: u64) -> Result<u64> { let found: u64 = fails(n).await?; Ok(found + filters(n).await?.unwrap_or(0)) }
#[service] fn adds(reading: own::Degrees, n: u64, hidden: u64) -> f64 { reading.0 + (n + hidden) as f64 }
#[dyninka::main] fn main() { fails(1).reads().adds(filters(1), unseen(1)) }
";

#[tokio::test]
async fn an_alias_answers_as_what_it_stands_for() {
    let house = House::new(APP);
    let (builder, app) = (house.builder(), house.app());
    let failed = |words: &str| (Kind::Failed, json!({ "message": words }));
    let value = |value| (Kind::Value, value);
    let filtered = || (Kind::Filtered, serde_json::Value::Null);
    for (service, answers) in [
        ("fails", [("4", value(json!(4))), ("9", failed("9 is too much"))]),
        ("filters", [("4", value(json!(4))), ("9", filtered())]),
        ("reads", [("4", value(json!(4.0))), ("9", filtered())]),
        ("unseen", [("4", filtered()), ("9", failed("no"))]),
        ("option", [("4", value(json!({ "Some": 4 }))), ("9", value(json!({ "Some": 9 })))]),
    ] {
        let loaded = Loaded::open(&builder.build(&app, service).await.unwrap().path);
        for (input, expected) in answers {
            assert_eq!(loaded.run(&[input]), expected, "{service}({input})");
        }
    }
    builder.build(&app, "asks").await.unwrap();
    builder.check_flow(&app).await.unwrap();
}
