//! What a browser gets of the servers of this machine beside the session.

use crate::Played;

#[tokio::test]
async fn servers_of_this_machine_are_asked_for_what_the_page_shows_alone() {
    let played = Played::start().await;
    let cookie = played.enter().await;
    let headers = [("host", played.host.clone()), ("origin", played.origin()), ("cookie", cookie)];
    let listed = played.ask("GET", "/beside/data/objects/a%20b?prefix=c%26d", &headers, None).await;
    assert!(listed.text.contains(r#"["Data","/v1/objects/a%20b?prefix=c%26d",false]"#), "{}", listed.text);
    let nodes = played.ask("GET", "/beside/node/nodes", &headers, None).await;
    assert!(nodes.text.contains(r#"["Node","/v1/nodes",false]"#), "{}", nodes.text);
    let planned = played.ask("POST", "/beside/data/plan", &headers, Some("{}")).await;
    assert!(planned.text.contains(r#"["Data","/v1/plan",true]"#), "{}", planned.text);
    // Bytes of objects, tokens of events, invitations to a fleet: none of them comes to a browser.
    for (method, path) in [
        ("GET", "/beside/data/objects/images/cat.html"),
        ("GET", "/beside/data/objects/images%2Fcat.html"),
        ("GET", "/beside/data/stores/aws/hook"),
        ("POST", "/beside/node/commands"),
        ("GET", "/beside/jobs/summary"),
    ] {
        let body = (method == "POST").then_some("{}");
        assert_eq!(played.ask(method, path, &headers, body).await.status, 404, "{method} {path}");
    }
    let strange = [("host", played.host.clone()), ("origin", played.origin())];
    assert_eq!(played.ask("GET", "/beside/node/nodes", &strange, None).await.status, 401);
}
