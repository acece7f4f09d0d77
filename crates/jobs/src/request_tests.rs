use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(text: &str) -> Result<JobRequest, RequestMistake> {
    JobRequest::read(text.as_bytes())
}

fn record(text: &str) -> Result<JobRecord, RequestMistake> {
    let inputs = ["value".to_owned()];
    let target = JobTarget { service: "map", inputs: &inputs, terms: TargetTerms::default() };
    read(text)?.record(("id".to_owned(), "alice"), &target, &JobLimits::default(), 1_000_000)
}

#[test]
fn a_job_has_defaults_and_says_otherwise() {
    let plain = record("{}").expect("a job");
    assert_eq!((plain.attempts, plain.timeout_ms, plain.run_at, plain.priority), (5, 30_000, 1_000_000, 0));
    assert!(plain.repeat_lost);
    let full = json!({
        "service": "map", "inputs": {"value": 21.5}, "route": "map(get)", "priority": 5, "delay": "10s", "ttl": "24h",
        "timeout": "2m", "attempts": 8, "backoff": {"first": "1s", "factor": 3, "most": "1m"}, "lost": "fail",
        "serial": "user-42", "tags": ["import"], "callback": {"url": "https://example.org/", "on": ["done"]}, "keep": "2d",
    });
    let full = record(&full.to_string()).expect("a job");
    assert_eq!((full.attempts, full.timeout_ms, full.run_at), (8, 120_000, 1_010_000));
    assert_eq!(full.ttl_at, Some(1_010_000 + 86_400_000));
    assert_eq!(full.backoff, Backoff { first_ms: 1_000, factor: 3.0, most_ms: 60_000 });
    assert_eq!(full.rank(), 1_010_000 - 300_000);
    assert!(!full.repeat_lost);
}

#[test]
fn a_wrong_job_is_refused_at_its_place() {
    for (text, at) in [
        ("", "body"),
        ("[]", "body"),
        ("{\"servce\":\"map\"}", "body"),
        ("{\"tags\":[],\"tags\":[]}", "body"),
        ("{\"inputs\":{\"value\":1,\"value\":2}}", "body"),
        ("{\"inputs\":{\"vlue\":1}}", "inputs.vlue"),
        ("{\"priority\":10}", "priority"),
        ("{\"priority\":-1}", "body"),
        ("{\"delay\":\"10\"}", "delay"),
        ("{\"delay\":\"1s\",\"run_at\":\"2026-12-01T06:00:00Z\"}", "delay"),
        ("{\"run_at\":\"tomorrow\"}", "run_at"),
        ("{\"timeout\":\"0s\"}", "timeout"),
        ("{\"timeout\":\"16m\"}", "timeout"),
        ("{\"ttl\":\"8d\"}", "ttl"),
        ("{\"keep\":\"31d\"}", "keep"),
        ("{\"attempts\":0}", "attempts"),
        ("{\"attempts\":26}", "attempts"),
        ("{\"backoff\":{\"factor\":0.5}}", "backoff.factor"),
        ("{\"backoff\":{\"first\":\"2h\"}}", "backoff.first"),
        ("{\"serial\":\"\"}", "serial"),
        ("{\"tags\":[\"\"]}", "tags"),
        ("{\"lost\":\"maybe\"}", "body"),
    ] {
        let mistake = record(text).expect_err(text);
        assert_eq!(mistake.at, at, "{text}: {mistake}");
    }
    let deep = format!("{{\"inputs\":{{\"value\":{}{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(record(&deep).expect_err("too deep").at, "body");
    assert!(JobRequest::read(b"{\"service\":\"\xff\"}").is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _any = JobRequest::read(&bytes);
    }
}
