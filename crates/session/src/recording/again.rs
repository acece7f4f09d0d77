//! A recorded request, sent once more.

use recordings::Request;
use recordings::send::Outgoing;
use reqwest::Client;
use session_api::command::Answer;
use session_api::snapshot::Snapshot;

use crate::api::caller;
use crate::recording::recall::unknown;
use crate::recording::recorder::Recorder;

/// Sends a request in memory to the service it came to, with its route, its headers, and the inputs that came from outside.
pub(crate) async fn again(client: &Client, recorder: &Recorder, snapshot: &Snapshot, number: u64) -> Answer {
    let Some(request) = recorder.request(number) else { return unknown(recorder, number) };
    match outgoing(&request, snapshot) {
        Ok((url, outgoing)) => caller::resend(client, &url, outgoing).await,
        Err(why) => caller::refused(format!("request {number} cannot be sent again: {why}")),
    }
}

fn outgoing(request: &Request, snapshot: &Snapshot) -> Result<(String, Outgoing), String> {
    let service = entry(request, snapshot).ok_or("the service it came to is not known")?;
    let known = snapshot.service(service).ok_or_else(|| format!("{service} is no service of this app any more"))?;
    let url = known.url.clone().ok_or_else(|| format!("{service} does not serve yet"))?;
    let names: Vec<String> = known.inputs.iter().map(|input| input.name.clone()).collect();
    let outgoing = Outgoing::new(request, &names);
    let outgoing = outgoing.ok_or_else(|| format!("{service} did not run, so its inputs were not recorded"))?;
    Ok((url, outgoing))
}

/// The service that a request came to: the one whose function ran for it, else the one at the address that was asked.
fn entry<'a>(request: &'a Request, snapshot: &'a Snapshot) -> Option<&'a str> {
    if let Some(entry) = request.hops.iter().rev().find(|hop| hop.parent.is_none()) {
        return Some(&entry.service);
    }
    let (_, host) = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"))?;
    let url = format!("http://{host}/");
    let at_address = snapshot.services.iter().find(|service| service.url.as_ref() == Some(&url));
    match at_address {
        Some(service) => Some(&service.name),
        None if snapshot.url.as_ref() == Some(&url) => snapshot.flow.as_deref()?.split('(').next(),
        None => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use recordings::{Body, Outcome, RecordedHop};
    use session_api::snapshot::{ServiceView, StateField};

    use super::*;

    fn snapshot() -> Snapshot {
        let service = |name: &str, port: u16, input: Option<&str>| ServiceView {
            name: name.to_owned(),
            url: Some(format!("http://127.0.0.1:{port}/")),
            inputs: input
                .map(|input| StateField { name: input.to_owned(), ty: "f64".to_owned() })
                .into_iter()
                .collect(),
            ..ServiceView::default()
        };
        Snapshot {
            url: Some("http://127.0.0.1:8080/".to_owned()),
            flow: Some("map(get)".to_owned()),
            services: vec![service("get", 1, None), service("map", 2, Some("value"))],
            ..Snapshot::default()
        }
    }

    fn hop(service: &str, parent: Option<&str>, input: Option<&str>, end: Outcome) -> RecordedHop {
        RecordedHop {
            span: format!("span of {service}"),
            parent: parent.map(str::to_owned),
            service: service.to_owned(),
            version: format!("{service}@1"),
            inputs: input.map(|input| Body::new(input.as_bytes())).into_iter().collect(),
            end,
            function_ns: 1,
            at_ns: 0,
            took_ns: 0,
            sequence: 0,
            life: 0,
            calls: Vec::new(),
        }
    }

    fn request(host: &str, hops: Vec<RecordedHop>) -> Request {
        let headers = vec![("Host".to_owned(), host.to_owned())];
        Request { id: "1".to_owned(), at: 1, route: None, headers, hops }
    }

    #[test]
    fn a_request_goes_to_the_service_it_came_to_with_what_came_from_outside() {
        let given = request("127.0.0.1:2", vec![hop("map", None, Some("2.5"), Outcome::Value(Body::new(b"5.0")))]);
        let (url, outgoing) = outgoing(&given, &snapshot()).unwrap();
        assert_eq!(url, "http://127.0.0.1:2/");
        assert_eq!(outgoing.body.as_deref(), Some(&br#"{"value":2.5}"#[..]));

        let fed = vec![
            hop("get", Some("span of map"), None, Outcome::Value(Body::new(b"2.5"))),
            hop("map", None, Some("2.5"), Outcome::Value(Body::new(b"5.0"))),
        ];
        let (_, outgoing) = super::outgoing(&request("127.0.0.1:8080", fed), &snapshot()).unwrap();
        assert_eq!(outgoing.body, None, "its flow feeds it");
    }

    #[test]
    fn a_request_whose_last_function_did_not_run_is_known_by_the_address_it_asked() {
        let filtered = |host| request(host, vec![hop("get", Some("span of map"), None, Outcome::Filtered)]);
        let at = |host| outgoing(&filtered(host), &snapshot()).map(|(url, _)| url);
        assert_eq!(at("127.0.0.1:8080").unwrap(), "http://127.0.0.1:2/");
        assert_eq!(at("127.0.0.1:1").unwrap(), "http://127.0.0.1:1/");
        assert_eq!(at("example.org").unwrap_err(), "the service it came to is not known");
    }
}
