//! Inputs whose names mean something to what the attributes expand to.

use dyninka::prelude::*;

#[service]
fn login(login: String) -> String {
    format!("{login} is in")
}

#[service]
async fn there(context: u8, there: u8, branch0: u8, r#type: u8) -> u8 {
    context + there + branch0 + r#type
}

#[service]
async fn both(login: String) -> Result<String> {
    // The service, which the input of the name hides.
    self::login(login).await
}

#[test]
fn an_input_may_have_any_name() {
    assert_eq!(__flow_login("ann".to_owned()).wait().unwrap(), Some("ann is in".to_owned()));
    assert_eq!(__flow_there(1_u8, 2_u8, 3_u8, 4_u8).wait().unwrap(), Some(10));
    assert_eq!(__flow_both("bob".to_owned()).wait().unwrap(), Some("bob is in".to_owned()));
}
