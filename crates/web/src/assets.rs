//! The page's files, all of them inside this program.

use std::io::Write;
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::page::Shared;

macro_rules! files {
    ($($path:literal, $kind:ident, $file:literal;)*) => {
        &[$(($path, $kind, include_bytes!($file))),*]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const DOCUMENT: &str = "text/html; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Path, type, bytes.
type File = (&'static str, &'static str, &'static [u8]);

/// Every file. A test holds that none in the folder is left out.
const FILES: &[File] = files! {
    "/", DOCUMENT, "../page/index.html";
    "/page.css", STYLE, "../page/page.css";
    "/icon.svg", PICTURE, "../page/icon.svg";
    "/anew.js", SCRIPT, "../page/anew.js";
    "/run.js", SCRIPT, "../page/run.js";
    "/state.js", SCRIPT, "../page/state.js";
    "/session.js", SCRIPT, "../page/session.js";
    "/kept.js", SCRIPT, "../page/kept.js";
    "/words.js", SCRIPT, "../page/words.js";
    "/frame.js", SCRIPT, "../page/frame.js";
    "/flow.js", SCRIPT, "../page/flow.js";
    "/graph.js", SCRIPT, "../page/graph.js";
    "/long.js", SCRIPT, "../page/long.js";
    "/plot.js", SCRIPT, "../page/plot.js";
    "/requests.js", SCRIPT, "../page/requests.js";
    "/tree.js", SCRIPT, "../page/tree.js";
    "/call.js", SCRIPT, "../page/call.js";
    "/form.js", SCRIPT, "../page/form.js";
    "/logs.js", SCRIPT, "../page/logs.js";
    "/edits.js", SCRIPT, "../page/edits.js";
    "/cluster.js", SCRIPT, "../page/cluster.js";
    "/jobs.js", SCRIPT, "../page/jobs.js";
    "/beside.js", SCRIPT, "../page/beside.js";
    "/nodes.js", SCRIPT, "../page/nodes.js";
    "/dataplan.js", SCRIPT, "../page/dataplan.js";
    "/data.js", SCRIPT, "../page/data.js";
    "/lit-html.js", SCRIPT, "../vendor/lit-html.js";
    "/uPlot.iife.min.js", SCRIPT, "../vendor/uPlot.iife.min.js";
};

/// A file as it travels.
struct Asset {
    path: &'static str,
    kind: &'static str,
    plain: Bytes,
    packed: Bytes,
    tag: String,
}

/// Made at the first visit: a session that nobody looks at in a browser packs nothing.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| FILES.iter().map(asset).collect());

/// Stands for all files: a page that came from others loads itself anew.
pub(crate) static BUILD: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (_, _, bytes) in FILES {
        hasher.update(bytes);
    }
    hasher.finalize().to_hex()[..16].to_owned()
});

fn asset((path, kind, bytes): &File) -> Asset {
    let plain = match *path {
        "/" => Bytes::from(String::from_utf8_lossy(bytes).replace("BUILD", &BUILD)),
        path if OF_OTHERS.contains(&path) => Bytes::from_static(bytes),
        _ => Bytes::from(lean(&String::from_utf8_lossy(bytes))),
    };
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let packed = packer.write_all(&plain).and_then(|()| packer.finish()).unwrap_or_default();
    let tag = format!("\"{}\"", &blake3::hash(&plain).to_hex()[..16]);
    Asset { path, kind, plain, packed: packed.into(), tag }
}

/// A script or style without indentation and lines of comment, which no browser reads: a fifteenth of the bytes.
fn lean(text: &str) -> String {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A file as text.
pub(crate) fn text(path: &str) -> Option<&'static str> {
    let (.., bytes) = FILES.iter().find(|(known, ..)| *known == path)?;
    std::str::from_utf8(bytes).ok()
}

/// Taken from elsewhere, and handed on as they are.
const OF_OTHERS: [&str; 2] = ["/lit-html.js", "/uPlot.iife.min.js"];
/// No modules, or not of the page of a session.
const APART: [&str; 3] = ["/uPlot.iife.min.js", "/kept.js", "/anew.js"];

/// Modules of the page, by path.
pub(crate) fn scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let scripts = FILES.iter().filter(|(path, kind, _)| *kind == SCRIPT && !APART.contains(path));
    scripts.filter_map(|(path, ..)| Some((*path, text(path)?)))
}

/// Whether a path is one of the page's files.
pub(crate) fn is_file(path: &str) -> bool {
    FILES.iter().any(|(known, ..)| *known == path)
}

/// One of the page's files.
pub(crate) async fn file(State(_): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == uri.path()) else {
        return (StatusCode::NOT_FOUND, "the page has no such file\n").into_response();
    };
    let says = |name: header::HeaderName, wanted: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(wanted))
    };
    let common = [
        (header::ETAG, asset.tag.clone()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::VARY, "Accept-Encoding".to_owned()),
    ];
    if says(header::IF_NONE_MATCH, &asset.tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(header::CONTENT_TYPE, asset.kind)];
    match says(header::ACCEPT_ENCODING, "gzip") {
        true => (common, kind, [(header::CONTENT_ENCODING, "gzip")], asset.packed.clone()).into_response(),
        false => (common, kind, asset.plain.clone()).into_response(),
    }
}

/// Nothing from elsewhere, nothing inline, nothing framed, and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types lit-html";

/// Headers of every answer.
pub(crate) fn secure(headers: &mut HeaderMap) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_served_and_names_no_other_origin() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut there = BTreeSet::new();
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&file).unwrap();
            for scheme in ["http://", "https://", "ws://", "wss://"] {
                for rest in text.split(scheme).skip(1) {
                    let is_own = rest.starts_with("www.w3.org/2000/svg") || rest.starts_with("${location.host}");
                    assert!(is_own, "{name} names another origin: {scheme}{rest:.40}");
                }
            }
            assert!(text.lines().count() <= 500, "{name} is more than one noun");
            there.insert(if name == "index.html" { "/".to_owned() } else { format!("/{name}") });
        }
        let served: BTreeSet<String> = FILES.iter().map(|(path, ..)| (*path).to_owned()).collect();
        assert_eq!(served, there.into_iter().chain(OF_OTHERS.map(str::to_owned)).collect());
    }

    #[test]
    fn files_are_few_and_small() {
        let plain: usize = ASSETS.iter().map(|asset| asset.plain.len()).sum();
        let packed: usize = ASSETS.iter().map(|asset| asset.packed.len()).sum();
        assert!(plain <= 220_000 && packed <= 83_000 && ASSETS.len() <= 30, "{plain} {packed} {}", ASSETS.len());
    }

    #[test]
    fn what_no_browser_reads_does_not_travel() {
        assert_eq!(
            lean("// Why.\nexport const a = 1;\n\n  // And why.\n  b(`\n    <p>// c</p>`);\n"),
            "export const a = 1;\nb(`\n<p>// c</p>`);\n"
        );
        let lean = ASSETS.iter().find(|asset| asset.path == "/state.js").map(|asset| &asset.plain).unwrap();
        assert!(!lean.is_empty() && !lean.windows(3).any(|three| three == b"\n  " || three == b"\n//"));
        let vendored = ASSETS.iter().find(|asset| asset.path == "/lit-html.js").map(|asset| &asset.plain[..]).unwrap();
        assert_eq!(vendored, text("/lit-html.js").unwrap().as_bytes());
    }
}
