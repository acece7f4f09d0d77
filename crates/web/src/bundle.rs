//! A session as it is at one moment, in one HTML file that opens without a session and without a network.
//!
//! The page's own modules draw it. They stand in the file as `data:` URLs behind an import map, and `kept.js` takes the
//! place of `session.js`: it answers from the document. The file's policy allows no connection.
//!
//! The data are gzip in base64: requests say the same names again and again, and what is base64 ends no element.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Value, json};
use session_api::frame::FrameWriter;
use session_api::measured::LatencyHistory;
use session_api::requests::RequestDetail;
use session_api::snapshot::EditLine;
use session_api::verdict::{Changed, FunctionVerdict, Judgement};
use session_api::{Client, ClientError, LogLine, Snapshot};
use sha2::{Digest, Sha256};

use crate::assets;
use crate::layout::GraphLayout;

/// The parts of a session that are kept in a file. What recordings blank is blank in them already.
#[derive(Clone, Debug, Default)]
pub struct BundleParts {
    /// The session.
    pub snapshot: Snapshot,
    /// Latency by service, then by the seconds that it spans.
    pub histories: BTreeMap<String, BTreeMap<u32, LatencyHistory>>,
    /// Requests with their values, newest first.
    pub requests: Vec<RequestDetail>,
    /// Lines of services, oldest first.
    pub lines: Vec<LogLine>,
    /// The moment that it is kept at, in milliseconds since 1970.
    pub kept_at_ms: u64,
}

/// The data of the file, as its page reads them.
#[derive(Serialize)]
struct Kept<'a> {
    at_ms: u64,
    frame: Value,
    layout: GraphLayout,
    hops: Value,
    histories: &'a BTreeMap<String, BTreeMap<u32, LatencyHistory>>,
    requests: &'a [RequestDetail],
    lines: &'a [LogLine],
}

/// Seconds that latency is kept over.
const SPANS: [u32; 3] = [300, 3_600, 86_400];
/// Lines of services that are kept.
const LINES: usize = 2_000;
/// Requests asked for at once.
const PAGE: usize = 200;

impl BundleParts {
    /// Asks a session for all that is kept of it, and for its latest requests.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows.
    pub async fn of(client: &Client, last: usize) -> Result<Self, ClientError> {
        let snapshot = client.snapshot().await?;
        let mut histories = BTreeMap::new();
        for service in &snapshot.services {
            let mut spans = BTreeMap::new();
            for span in SPANS {
                spans.insert(span, client.history(&service.name, span).await?);
            }
            histories.insert(service.name.clone(), spans);
        }
        let mut requests = Vec::new();
        let mut before = None;
        while requests.len() < last {
            let list = client.requests("", before, PAGE.min(last - requests.len())).await?;
            let Some(oldest) = list.requests.last() else { break };
            before = Some(oldest.number);
            for line in &list.requests {
                match client.request(line.number).await {
                    Ok(detail) => requests.push(detail),
                    // It made room for new ones in the meantime.
                    Err(ClientError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if list.whole {
                break;
            }
        }
        let lines = client.logs(None, LINES).await?;
        Ok(Self { snapshot, histories, requests, lines, kept_at_ms: crate::page::now() * 1_000 })
    }

    /// Leaves out what travelled: inputs, outputs, answers, messages of errors, differences of verdicts, and lines.
    pub fn without_values(&mut self) {
        for RequestDetail { line, hops } in &mut self.requests {
            line.value = String::new();
            for hop in hops {
                hop.inputs.iter_mut().for_each(|input| *input = left_out());
                // The kind of an end stays where the list says it anyway: a value may look like one.
                let kind = hop.end.get("end").and_then(Value::as_str);
                hop.end = match kind.filter(|kind| *kind == "filtered" || *kind == line.end) {
                    Some(kind) => json!({ "end": kind }),
                    None => left_out(),
                };
            }
        }
        self.lines.clear();
        self.snapshot.notices.clear();
        self.snapshot.services.iter_mut().for_each(|service| service.why = None);
        self.snapshot.edits.iter_mut().for_each(without_differences);
        let spans = self.snapshot.traces.iter_mut().flat_map(|trace| &mut trace.spans);
        spans.for_each(|span| span.error = None);
    }

    /// The words for the content: `12 requests with values, 40 lines, 3 edits`.
    pub fn words(&self, has_values: bool) -> String {
        let many = session_api::units::many;
        let requests = many(self.requests.len(), "request");
        let edits = many(self.snapshot.edits.iter().filter(|edit| edit.edit > 0).count(), "edit");
        match has_values {
            true => format!("{requests} with values, {}, {edits}", many(self.lines.len(), "line")),
            false => format!("{requests} without values, no lines, {edits}"),
        }
    }

    /// The file.
    pub fn html(&self) -> String {
        let snapshot = Arc::new(self.snapshot.clone());
        let names: Vec<String> = snapshot.services.iter().map(|service| service.name.clone()).collect();
        let is_there = |name: &String| names.contains(name);
        let edges: Vec<_> =
            snapshot.edges.iter().filter(|edge| is_there(&edge.from) && is_there(&edge.to)).cloned().collect();
        let kept = Kept {
            at_ms: self.kept_at_ms,
            // The first frame of a writer has everything.
            frame: value(&FrameWriter::default().frame(&snapshot)),
            layout: GraphLayout::of(&names, &edges),
            hops: value(&snapshot.hops),
            histories: &self.histories,
            requests: &self.requests,
            lines: &self.lines,
        };
        page(&snapshot.app, &packed(&value(&kept)))
    }
}

fn left_out() -> Value {
    Value::String("left out".to_owned())
}

fn without_differences(edit: &mut EditLine) {
    let blank = |verdict: &mut FunctionVerdict| {
        verdict.changed.iter_mut().for_each(|changed: &mut Changed| {
            (changed.was, changed.now) = (Some(left_out()), Some(left_out()));
        });
    };
    if let Some(Judgement::Done { verdicts }) = &mut edit.judgement {
        for verdict in verdicts {
            blank(&mut verdict.findings);
            verdict.downstream.values_mut().for_each(blank);
        }
    }
}

/// Plain data always has a JSON form.
fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

fn packed(kept: &Value) -> String {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let bytes = packer.write_all(kept.to_string().as_bytes()).and_then(|()| packer.finish()).unwrap_or_default();
    BASE64.encode(bytes)
}

fn page(app: &str, kept: &str) -> String {
    let text = |path: &str| assets::text(path).unwrap_or_default();
    let module = |source: &str| data("text/javascript", &source.replace("from \"./", "from \"dyn/"));
    let mut imports = BTreeMap::new();
    for (path, source) in assets::scripts() {
        let source = if path == "/session.js" { text("/kept.js") } else { source };
        imports.insert(format!("dyn{path}"), module(source));
    }
    let map = json!({ "imports": imports }).to_string();
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}' data:; style-src data:; img-src data:; connect-src 'none'; \
         base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types lit-html",
        BASE64.encode(Sha256::digest(map.as_bytes()))
    );
    let title = escaped(app);
    let mut html = String::with_capacity(kept.len() + map.len() + 200_000);
    // Writing to a text cannot fail.
    let _written = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"icon\" href=\"{icon}\">\n\
         <link rel=\"stylesheet\" href=\"{style}\">\n<script type=\"importmap\">{map}</script>\n\
         <script src=\"{plot}\" defer></script>\n</head>\n<body>\n\
         <noscript>This file shows a session of dyn, and needs JavaScript for that.</noscript>\n\
         <div id=\"app\"></div>\n<script type=\"text/plain\" id=\"kept\">{kept}</script>\n\
         <script type=\"module\" src=\"{entry}\"></script>\n</body>\n</html>\n",
        icon = data("image/svg+xml", text("/icon.svg")),
        style = data("text/css", text("/page.css")),
        plot = data("text/javascript", text("/uPlot.iife.min.js")),
        entry = data("text/javascript", "import \"dyn/run.js\";\n"),
    );
    html
}

fn data(kind: &str, text: &str) -> String {
    format!("data:{kind};charset=utf-8;base64,{}", BASE64.encode(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use session_api::requests::{RequestHop, RequestLine};
    use session_api::snapshot::{EditOutcome, ServiceView};
    use session_api::verdict::Verdict;

    use super::*;

    fn parts(value: &str) -> BundleParts {
        let hop = |end| RequestHop {
            service: "map".into(),
            inputs: vec![json!({ "room": value })],
            end,
            ..RequestHop::default()
        };
        let failed = json!({ "end": "failed", "message": value });
        let line = RequestLine { number: 7, value: value.into(), end: "failed".into(), ..RequestLine::default() };
        let changed =
            Changed { at: 7, was: Some(json!(value)), now: Some(json!({ "is": value })), ..Changed::default() };
        let findings = FunctionVerdict { recorded: 1, differ: 1, changed: vec![changed], ..FunctionVerdict::default() };
        let judgement = Judgement::Done { verdicts: vec![Verdict { findings, ..Verdict::default() }] };
        let edit = EditLine {
            edit: 1,
            at_ms: 5,
            outcome: EditOutcome::Live,
            services: Vec::new(),
            flow: false,
            ms: None,
            judgement: Some(judgement),
        };
        let service = ServiceView { name: "map".into(), ..ServiceView::default() };
        BundleParts {
            snapshot: Snapshot {
                app: "plant".into(),
                services: vec![service],
                edits: vec![edit],
                ..Snapshot::default()
            },
            requests: vec![RequestDetail { line, hops: vec![hop(json!({ "end": value })), hop(failed)] }],
            lines: vec![LogLine { line: value.into(), ..LogLine::default() }],
            ..BundleParts::default()
        }
    }

    fn between<'a>(html: &'a str, from: &str, to: &str) -> &'a str {
        html.split(from).nth(1).unwrap().split(to).next().unwrap()
    }

    /// The data of a file, as the page reads them.
    fn unpacked(html: &str) -> String {
        let packed = BASE64.decode(between(html, "id=\"kept\">", "</script>")).unwrap();
        let mut text = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        text
    }

    fn read(html: &str) -> Value {
        serde_json::from_str(&unpacked(html)).unwrap()
    }

    #[test]
    fn every_module_is_in_the_file_and_the_policy_names_its_map_and_no_connection() {
        let html = parts("attic").html();
        let map = between(&html, "<script type=\"importmap\">", "</script>");
        let policy = between(&html, "Content-Security-Policy\" content=\"", "\"");
        assert!(policy.contains(&format!("'sha256-{}'", BASE64.encode(Sha256::digest(map)))), "{policy}");
        assert!(policy.contains("connect-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let imports: Value = serde_json::from_str(map).unwrap();
        let imports = imports["imports"].as_object().unwrap();
        for (name, url) in imports {
            let source = BASE64.decode(url.as_str().unwrap().split("base64,").nth(1).unwrap()).unwrap();
            let source = String::from_utf8(source).unwrap();
            assert!(!source.contains("from \"./"), "{name}");
            for import in source.split("from \"dyn/").skip(1) {
                let wanted = format!("dyn/{}", import.split('"').next().unwrap());
                assert!(imports.contains_key(&wanted), "{name} imports {wanted}");
            }
        }
        assert!(imports.contains_key("dyn/run.js"));
        for scheme in ["http://", "https://", "ws://"] {
            assert!(!html.contains(scheme), "the file names another origin");
        }
        assert!(html.len() < 400_000, "{}", html.len());
    }

    #[test]
    fn values_are_left_out_where_that_is_said() {
        let secret = "s3cret-of-attic";
        let mut parts = parts(secret);
        assert_eq!(parts.words(true), "1 request with values, 1 line, 1 edit");
        assert!(unpacked(&parts.html()).contains(secret));
        parts.without_values();
        let html = parts.html();
        assert!(!html.contains(secret) && !unpacked(&html).contains(secret));
        let kept = read(&html);
        assert_eq!(kept["requests"][0]["hops"][1]["end"], json!({ "end": "failed" }), "the kind of an end stays");
        assert_eq!(parts.words(false), "1 request without values, no lines, 1 edit");
    }

    #[test]
    fn requests_of_many_hops_take_few_bytes() {
        let mut parts = parts("attic");
        let [RequestDetail { line, hops }] = &parts.requests[..] else { panic!("one request") };
        let hop =
            |number: u64| RequestHop { number, start_us: number * 131 % 977, total_us: number, ..hops[0].clone() };
        let of = |request: u64| RequestDetail {
            line: RequestLine { number: request, trace: format!("{:032x}", request * 0x9e37_79b9), ..line.clone() },
            hops: (request..request + 200).map(hop).collect(),
        };
        parts.requests = (0..200).map(of).collect();
        let html = parts.html();
        assert_eq!(read(&html)["requests"][199]["hops"][7]["number"], 206);
        assert!(
            html.len() < 2_000_000 && unpacked(&html).len() > 5_000_000,
            "{} {}",
            html.len(),
            unpacked(&html).len()
        );
    }

    proptest! {
        #[test]
        fn any_value_reads_back_as_it_was(value in prop_oneof![
            "\\PC{0,40}", Just("</script><script>alert(1)</script>".to_owned()), Just("<!-- <script".to_owned()),
            Just("]]>\u{2028}\u{0}\u{202e}".to_owned()),
        ]) {
            let html = parts(&value).html();
            let kept = read(&html);
            prop_assert_eq!(&kept["requests"][0]["hops"][0]["inputs"][0]["room"], &json!(value));
            prop_assert_eq!(&kept["lines"][0]["line"], &json!(value));
            // Those of the page, whatever the values are: the map, the plot, the data and the entry.
            prop_assert_eq!(html.matches("<script").count(), 4);
            prop_assert_eq!(html.matches("</script").count(), 4);
        }
    }
}
