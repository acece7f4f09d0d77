//! A service with an instance in each of two places: requests go where their data is, and follow it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::header::{DATA, DATA_VERSION, NEEDS, PLACE, ZONE};
use protocol::near::{
    HostNear, NearBucket, NearCopy, NearPlace, NearRule, NearService, NearSettings, NearTable, PickPolicy,
};
use protocol::{Config, Limits};
use reqwest::{Client, StatusCode};

use crate::chain::{Host, TOKEN, host, host_of};

const PLACES: [&str; 2] = ["hpc", "cc1"];

/// `images` at these places, with what each has; the first is the master's.
fn table(number: u64, images: &[(&str, u64)]) -> NearTable {
    let copy = |(place, through): &(&str, u64)| {
        ((*place).to_owned(), NearCopy { store: (*place).to_owned(), through: *through, is_away: false })
    };
    let images = NearBucket { master: images[0].0.to_owned(), at: images.iter().map(copy).collect() };
    let place = |name: &str, zone: &str, label: &str| {
        let of = NearPlace { zones: [zone.to_owned()].into(), labels: [label.to_owned()].into() };
        (name.to_owned(), of)
    };
    let places = [place("hpc", "germany", "gpu"), place("cc1", "us", "spot")].into();
    let buckets = BTreeMap::from([("images".to_owned(), images)]);
    NearTable { epoch: "e".to_owned(), number, buckets, places, rules: Vec::new() }
}

/// Two instances of `first`, one in each place, and `last`, which is in none.
struct Places {
    client: Client,
    firsts: Vec<Host>,
    last: Host,
}

impl Places {
    async fn start() -> Self {
        Self::start_in(None).await
    }

    /// With `last` in a place.
    async fn start_in(place: Option<&str>) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut firsts = Vec::new();
        for _ in PLACES {
            firsts.push(host("first", nowhere, Limits::default(), TOKEN, false).await);
        }
        let addresses: Vec<SocketAddr> = firsts.iter().map(|first| first.address).collect();
        let last = host_of("last", &addresses, Limits::default(), TOKEN, false).await;
        let client = Client::builder().no_proxy().build().expect("a client");
        let places = Self { client, firsts, last };
        places.lead(&places.last, place).await;
        for (first, place) in places.firsts.iter().zip(PLACES) {
            places.lead(first, Some(place)).await;
        }
        places
    }

    /// Tells a host where it is, and where the instances of `first` are.
    async fn lead(&self, host: &Host, place: Option<&str>) {
        let file = host.folder.path().join("config.json");
        let config: Config = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
        let service = NearService { places: PLACES.map(str::to_owned).to_vec(), bucket: Some("images".to_owned()) };
        let settings = NearSettings {
            policy: PickPolicy::Near,
            services: BTreeMap::from([("first".to_owned(), service)]),
            table: table(0, &[("hpc", 0)]),
        };
        let near = Some(HostNear { place: place.map(str::to_owned), settings: settings.into() });
        std::fs::write(&file, serde_json::to_vec(&Config { near, ..config }).expect("JSON")).expect("written");
        let reload = self.client.post(host.door("reload")).bearer_auth(TOKEN);
        assert_eq!(reload.send().await.expect("an answer").status(), 200);
    }

    async fn tell(&self, table: &NearTable) -> (StatusCode, String) {
        let told = self.client.put(self.last.door("near")).bearer_auth(TOKEN).json(table).send().await;
        let told = told.expect("an answer");
        (told.status(), told.text().await.expect("text"))
    }

    async fn ask(&self, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let answer = self.answer(&self.last, headers).await;
        (answer.status(), answer.text().await.expect("text"))
    }

    async fn answer(&self, host: &Host, headers: &[(&str, &str)]) -> reqwest::Response {
        let asked = self.client.get(format!("http://{}/", host.address));
        let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value));
        asked.send().await.expect("an answer")
    }

    /// Where an answer says that its services ran.
    async fn ran(&self, headers: &[(&str, &str)]) -> String {
        let answer = self.answer(&self.last, headers).await;
        assert_eq!(answer.status(), 200, "{headers:?}");
        answer.headers().get(PLACE).map(|said| said.to_str().expect("text").to_owned()).unwrap_or_default()
    }

    /// Requests that each instance answered.
    async fn answered(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for first in &self.firsts {
            let text = self.client.get(format!("http://{}/metrics", first.address)).send().await.expect("metrics");
            let text = text.text().await.expect("text");
            let values = text.lines().filter(|line| line.contains("requests_total") && line.contains("value"));
            all.push(values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum());
        }
        all
    }

    /// The share of ten requests that each instance answers.
    async fn shares(&self, headers: &[(&str, &str)]) -> Vec<u64> {
        let before = self.answered().await;
        for _ in 0..10 {
            let (status, body) = self.ask(headers).await;
            assert_eq!(status, 200, "{body}");
        }
        self.answered().await.iter().zip(before).map(|(after, before)| after - before).collect()
    }

    async fn end(self) {
        self.last.end().await;
        for first in self.firsts {
            first.end().await;
        }
    }
}

#[tokio::test]
async fn requests_go_where_their_data_is_and_follow_the_table() {
    let places = Places::start().await;
    assert_eq!(places.shares(&[]).await, [10, 0], "the bucket that the service works on, by its settings");
    assert_eq!(places.tell(&table(1, &[("cc1", 9)])).await, (StatusCode::OK, "{\"number\":1}".to_owned()));
    assert_eq!(places.shares(&[]).await, [0, 10]);
    assert_eq!(places.shares(&[(DATA, "images/cats/1.jpg")]).await, [0, 10]);
    // A table that comes late changes nothing.
    assert_eq!(places.tell(&table(0, &[("hpc", 9)])).await, (StatusCode::OK, "{\"number\":1}".to_owned()));
    assert_eq!(places.shares(&[]).await, [0, 10]);
    // What was written is read where it is.
    places.tell(&table(2, &[("hpc", 9), ("cc1", 7)])).await;
    for version in ["images=8", "images=*"] {
        assert_eq!(places.shares(&[(DATA_VERSION, version)]).await, [10, 0], "{version}");
    }
    let both = places.shares(&[(DATA_VERSION, "images=7")]).await;
    assert_eq!(both[0] + both[1], 10);
    // In no place of an instance: one of them is asked all the same.
    places.tell(&table(3, &[("aws", 9)])).await;
    let both = places.shares(&[]).await;
    assert_eq!(both[0] + both[1], 10);
    places.end().await;
}

#[tokio::test]
async fn headers_and_tables_that_do_not_read_are_refused() {
    let places = Places::start().await;
    let (status, body) = places.ask(&[(DATA, "imagse/1")]).await;
    assert!(status == 404 && body.contains("there is no bucket imagse") && body.contains("no-such-bucket"), "{body}");
    let (status, body) = places.ask(&[(DATA, "images/a b")]).await;
    assert!(status == 400 && body.contains("Dyninka-Data does not read at character 9"), "{body}");
    let (status, body) = places.ask(&[(DATA_VERSION, "images=x")]).await;
    assert!(status == 400 && body.contains("a version is a number or *"), "{body}");
    let near = places.last.door("near");
    let told = places.client.put(&near).bearer_auth(TOKEN).json(&serde_json::json!({ "number": 1 })).send().await;
    assert_eq!(told.expect("an answer").status(), 422);
    let told = places.client.put(&near).bearer_auth("another").json(&table(1, &[("cc1", 1)])).send().await;
    assert_eq!(told.expect("an answer").status(), 401);
    let huge = serde_json::json!({ "epoch": "e", "number": 9, "buckets": {}, "more": "x".repeat(10 << 20) });
    let told = places.client.put(&near).bearer_auth(TOKEN).json(&huge).send().await;
    // It may be told before it has said all.
    assert!(told.is_err() || told.is_ok_and(|answer| answer.status().is_client_error()));
    let many = (0..1_000).map(|number| format!("bucket-{number}")).collect::<Vec<_>>().join(",");
    let last = "images=18446744073709551616";
    for (name, value, status) in
        [(DATA, many.as_str(), 400), (DATA, "of-another-app", 404), (DATA_VERSION, last, 400), (DATA, "", 400)]
    {
        let (answered, body) = places.ask(&[(name, value)]).await;
        assert_eq!(answered, status, "{name}: {value:.40}: {body}");
    }
    assert_eq!(places.shares(&[("dyninka-forwarded", "1")]).await, [10, 0], "all is as it was");
    // A table of another life counts, whatever its number.
    places.tell(&NearTable { epoch: "f".to_owned(), ..table(0, &[("cc1", 1)]) }).await;
    assert_eq!(places.shares(&[]).await, [0, 10]);
    places.end().await;
}

#[tokio::test]
async fn requests_with_bounds_run_inside_of_them_and_their_answers_say_where() {
    let places = Places::start_in(Some("hpc")).await;
    assert_eq!(places.ran(&[]).await, "first@hpc, last@hpc");
    places.tell(&table(1, &[("cc1", 9)])).await;
    assert_eq!(places.ran(&[]).await, "first@cc1, last@hpc", "the copy is there");
    assert_eq!(places.ran(&[(PLACE, "mine@nowhere")]).await, "first@cc1, last@hpc", "a caller says nothing");
    // A label binds services that have a choice, a zone each of them.
    for (header, value) in
        [(NEEDS, "gpu"), (NEEDS, "zone=germany, !spot"), (ZONE, "germany"), (ZONE, "france, !us, germany")]
    {
        assert_eq!(places.ran(&[(header, value)]).await, "first@hpc, last@hpc", "{header}: {value}");
    }
    assert_eq!(places.ran(&[(NEEDS, "spot")]).await, "first@cc1, last@hpc");
    for (header, value, status, words) in [
        (ZONE, "us", 503, "last is in hpc, which is not in us"),
        (ZONE, "!germany", 503, "last is in hpc, which is in germany"),
        (
            NEEDS,
            "gpu, spot",
            503,
            "no instance of first may serve the request: cc1 does not have gpu; hpc does not have spot",
        ),
        (NEEDS, "gpu, !gpu", 400, "Dyninka-Needs does not read at character 6"),
        (ZONE, "a=b", 400, "Dyninka-Zone does not read at character 2"),
        (ZONE, "", 400, "a word is missing"),
    ] {
        let (answered, body) = places.ask(&[(header, value)]).await;
        assert!(answered == status && body.contains(words), "{header}: {value}: {answered} {body}");
    }
    let many = vec!["gpu"; 65].join(",");
    let (answered, body) = places.ask(&[(NEEDS, many.as_str())]).await;
    assert!(answered == 400 && body.contains("more than 64 words"), "{body}");
    let (answered, body) = places.ask(&[(ZONE, "us"), (ZONE, "germany")]).await;
    assert!(answered == 400 && body.contains("is there twice"), "{body}");
    // A host that is asked by itself keeps bounds as well.
    let answer = places.answer(&places.firsts[1], &[(NEEDS, "gpu")]).await;
    assert_eq!(answer.status(), 503);
    let said = answer.text().await.expect("text");
    assert!(said.contains("first is in cc1, which does not have gpu") && said.contains("no-place"), "{said}");
    // The end of the only instance inside fails the request, and leads it nowhere else.
    let mut places = places;
    places.firsts.remove(0).end().await;
    let (answered, body) = places.ask(&[(ZONE, "germany")]).await;
    assert!(answered == 502 && body.contains("unreachable"), "{answered} {body}");
    places.end().await;
}

#[tokio::test]
async fn zones_are_of_no_use_to_a_host_without_a_place_and_rules_of_a_table_count_at_once() {
    let places = Places::start().await;
    let (answered, body) = places.ask(&[(ZONE, "germany")]).await;
    assert!(answered == 503 && body.contains("last has no place, and the request has the zones germany"), "{body}");
    assert_eq!(places.ran(&[]).await, "first@hpc");
    let rule = NearRule { service: Some("first".to_owned()), places: vec!["cc1".to_owned()], ..NearRule::default() };
    places.tell(&NearTable { rules: vec![rule], ..table(1, &[("hpc", 9)]) }).await;
    assert_eq!(places.shares(&[]).await, [0, 10]);
    places.tell(&table(2, &[("hpc", 9)])).await;
    assert_eq!(places.shares(&[]).await, [10, 0]);
    let unknown = serde_json::json!({ "epoch": "e", "number": 3, "buckets": {}, "rules": [{ "polices": "first" }] });
    let told = places.client.put(places.last.door("near")).bearer_auth(TOKEN).json(&unknown).send().await;
    assert_eq!(told.expect("an answer").status(), 422);
    places.end().await;
}

#[tokio::test]
async fn the_end_of_an_instance_near_the_data_loses_no_request() {
    let mut places = Places::start().await;
    assert_eq!(places.shares(&[]).await, [10, 0]);
    places.firsts.remove(0).end().await;
    assert_eq!(places.shares(&[]).await, [10], "the other place answers");
    places.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_change_under_load_fail_no_request() {
    let places = Arc::new(Places::start().await);
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (places, stop) = (places.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut answers, mut failures) = (0, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    match places.ask(&[(DATA, "images/1")]).await {
                        (StatusCode::OK, _) => answers += 1,
                        (status, body) => failures.push(format!("{status}: {body}")),
                    }
                }
                (answers, failures)
            })
        })
        .collect();
    for number in 1..=100 {
        let place = PLACES[usize::from(number % 2 == 1)];
        assert_eq!(places.tell(&table(number, &[(place, number)])).await.0, 200);
        // Another one only once requests were answered by this one.
        let begun = places.answered().await;
        while places.answered().await[usize::from(number % 2 == 1)] == begun[usize::from(number % 2 == 1)] {}
    }
    stop.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for caller in callers {
        let (answers, failures) = caller.await.expect("a caller");
        assert_eq!(failures, Vec::<String>::new());
        answered += answers;
    }
    assert!(answered >= 100, "{answered}");
    assert_eq!(places.shares(&[]).await, [10, 0]);
    Arc::into_inner(places).expect("nobody else asks").end().await;
}
