//! What callers from outside may do and are told, where a host leads in from outside on a cluster.

use bytes::Bytes;
use http::HeaderMap;
use protocol::Config;
use serde_json::{Map, Value};

use crate::control;
use crate::problem::Problem;

/// Members of a problem document that tell of the source: a stranger has no use for them but one.
const OF_THE_SOURCE: [&str; 3] = ["file", "line", "column"];

/// Whether a caller is none of the app's own: it does not know the app's secret.
pub(crate) fn is_stranger(config: &Config, headers: &HeaderMap) -> bool {
    config.outside.is_some() && !knows(config, headers)
}

/// Whether a request says the secret.
pub(crate) fn knows(config: &Config, headers: &HeaderMap) -> bool {
    let given = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    control::same_secret(given, &config.token)
}

/// Why a stranger's request is not answered, which may choose a flow of its own; none where it is.
pub(crate) fn refuses(config: &Config, stranger: bool, chooses: bool) -> Option<&'static str> {
    let outside = config.outside.filter(|_| stranger)?;
    (chooses && !outside.routes).then_some(
        "callers from outside do not choose the flow here (Dyninka-Route); [entry] routes = true in dyn.toml lets them",
    )
}

/// A problem as a stranger is told of it: what went wrong and in which service, and nothing of the source.
pub(crate) fn discreet(problem: Problem) -> Problem {
    let Ok(mut document) = serde_json::from_slice::<Map<String, Value>>(&problem.body) else {
        // Whatever it is, it is not ours: its status stays.
        return Problem { body: Bytes::from_static(b"{\"title\":\"A service failed\"}"), ..problem };
    };
    for member in OF_THE_SOURCE {
        document.remove(member);
    }
    if document.get("type").and_then(Value::as_str) == Some("urn:dyninka:problem:panicked") {
        document.insert("detail".to_owned(), "its words are in the service's log".into());
    }
    Problem { body: Value::Object(document).to_string().into(), ..problem }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use http::StatusCode;
    use protocol::{Outside, header};
    use serde_json::json;

    use super::*;

    fn config(outside: Option<Outside>) -> Config {
        let text = r#"{ "app": "a", "service": "s", "listen": "0.0.0.0:80", "peers": {}, "token": "key" }"#;
        Config { outside, ..serde_json::from_str(text).unwrap() }
    }

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn answers(config: &Config, of: &[(&'static str, &'static str)]) -> bool {
        let headers = headers(of);
        refuses(config, is_stranger(config, &headers), headers.contains_key(header::ROUTE)).is_none()
    }

    #[test]
    fn strangers_choose_no_flow_unless_they_are_let() {
        let (route, key) = (("dyninka-route", "get"), ("authorization", "Bearer key"));
        let closed = config(Some(Outside::default()));
        assert!(answers(&closed, &[]) && !answers(&closed, &[route]));
        assert!(answers(&closed, &[route, key]));
        for wrong in ["Bearer", "Bearer ", "Bearer other", "key", "Basic key"] {
            assert!(!answers(&closed, &[route, ("authorization", wrong)]), "{wrong}");
        }
        let keyless = Config { token: String::new(), ..config(Some(Outside::default())) };
        assert!(!answers(&keyless, &[route, ("authorization", "Bearer ")]), "no secret lets nobody in");
        assert!(answers(&config(Some(Outside { routes: true, metrics: false })), &[route]));
        assert!(answers(&config(None), &[route]));
    }

    #[test]
    fn strangers_are_told_nothing_of_the_source() {
        let told = |kind: &str| {
            let body = json!({
                "type": format!("urn:dyninka:problem:{kind}"), "title": "t", "status": 500, "service": "s", "path": ["s"],
                "detail": "index out of bounds: the key is 7", "file": "app.rs", "line": 3, "column": 5,
            });
            let body = Bytes::from(body.to_string());
            let problem = discreet(Problem { status: StatusCode::INTERNAL_SERVER_ERROR, body, kind: "upstream" });
            String::from_utf8(problem.body.to_vec()).unwrap()
        };
        let panicked = told("panicked");
        assert!(!panicked.contains("app.rs") && !panicked.contains("key is 7") && !panicked.contains("line"));
        assert!(panicked.contains("\"service\":\"s\""), "{panicked}");
        // What a function says on purpose is said.
        let failed = told("failed");
        assert!(failed.contains("key is 7") && !failed.contains("app.rs"), "{failed}");
        let foreign =
            Problem { status: StatusCode::BAD_GATEWAY, body: Bytes::from_static(b"at app.rs:3"), kind: "upstream" };
        assert!(!String::from_utf8_lossy(&discreet(foreign).body).contains("app.rs"));
    }
}
