//! Names that mean something to what is written around a function, and to nobody else.

use dyninka::border::Kind;
use serde_json::json;

use crate::house::House;
use crate::library::Loaded;

const APP: &str = "use dyninka::prelude::*;
#[derive(Clone, Debug, Serialize, Deserialize)] struct Login { user: String }
#[derive(Clone, Debug, Serialize, Deserialize)] struct State(u8);
#[derive(Clone, Debug, Serialize, Deserialize)] struct Answer(u8);
#[derive(Clone, Debug, Serialize, Deserialize)] struct Inputs(u8);
#[derive(Clone, Debug, Serialize, Deserialize)] struct Running(u8);
#[derive(Clone, Debug, Serialize, Deserialize)] struct Service(u8);
#[placed(call)] static SERVICE: Placed<u8> = Placed::new(u8::default);
#[service] fn login(login: Login) -> String { login.user }
#[service] fn call(call: State, inputs: Inputs, result: Running, input: Answer) -> u8 {
    SERVICE.update(|seen| *seen += 1);
    call.0 + inputs.0 + result.0 + input.0 + SERVICE.get()
}
#[service] async fn output(output: u8, function: u8, self_: u8, nanos: u8) -> u8 { output + function + self_ + nanos }
#[service] fn read(r#type: Service, r#match: Option<u8>) -> Service { Service(r#type.0 + r#match.unwrap_or(1)) }
#[service] async fn asks(read: u8) -> Result<u8> { Ok(self::read(Service(read), None).await?.0) }
";

#[tokio::test]
async fn inputs_types_and_statics_may_have_any_name() {
    let house = House::new(APP);
    let (builder, app) = (house.builder(), house.app());
    let answers = [
        ("login", &[r#"{"user":"ann"}"#][..], json!("ann")),
        ("call", &["1", "2", "3", "4"], json!(11)),
        ("output", &["1", "2", "3", "4"], json!(10)),
        ("read", &["4", "null"], json!(5)),
    ];
    for (service, inputs, expected) in answers {
        let loaded = Loaded::open(&builder.build(&app, service).await.unwrap().path);
        assert_eq!(loaded.run(inputs), (Kind::Value, expected), "{service}");
    }
    builder.build(&app, "asks").await.unwrap();
}

#[tokio::test]
async fn a_keyword_is_an_input_under_the_name_that_requests_know() {
    let house = House::new(APP);
    let app = house.app();
    let names: Vec<_> = app.service("read").unwrap().inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["type", "match"]);
    let loaded = Loaded::open(&house.builder().build(&app, "read").await.unwrap().path);
    assert_eq!(loaded.describe().inputs, ["type", "match"]);
    let (kind, body) = loaded.run(&["4", "300"]);
    assert_eq!(kind, Kind::Rejected);
    assert!(body["path"].as_str().unwrap().starts_with("match"), "{body}");
}
