//! Lines that containers wrote.

use futures_util::stream::iter;
use futures_util::{AsyncBufReadExt, Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};
use protocol::voice::{Spoken, Voices};

use super::access::Access;
use super::error::ClusterError;
use super::roster::services;
use super::tail::split;

/// The pods with labels, `key=value,…`, by name; those that run a service, where one is named by its Rust name.
///
/// # Errors
/// What the API server says.
pub async fn pods(access: &Access, labels: &str, service: Option<&str>) -> Result<Vec<String>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let found = access.ask("look for pods", pods.list_metadata(&ListParams::default().labels(labels))).await?;
    let runs = |name: &str, pod: &dyn Fn() -> Vec<crate::model::Member>| pod().iter().any(|it| it.service == name);
    let is_meant = found
        .items
        .iter()
        .filter(|pod| service.is_none_or(|service| runs(service, &|| services(pod.annotations(), pod.labels()))));
    Ok(is_meant.map(ResourceExt::name_any).collect())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodLine {
    pub pod: String,
    /// The service that wrote it, by its Rust name, where the pod runs several.
    pub service: Option<String>,
    /// Without its end.
    pub text: String,
}

impl PodLine {
    /// Whether it is to be shown where one service is asked for: what no service wrote concerns all.
    pub fn is_of(&self, service: Option<&str>) -> bool {
        self.service.is_none() || service.is_none() || self.service.as_deref() == service
    }
}

/// Tells the lines of one pod's services from each other.
#[derive(Default)]
pub(super) struct Marks(Voices);

impl Marks {
    /// A line as it was written: one, or more where services wrote at the same time.
    pub(super) fn part(&mut self, pod: &str, text: &str) -> Vec<PodLine> {
        let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
        let mut take = |bytes: &[u8]| {
            self.0.take(bytes, |spoken| match spoken {
                Spoken::Bytes(name, bytes) => match parts.last_mut().filter(|(last, _)| last == name) {
                    Some((_, before)) => before.extend_from_slice(bytes),
                    None => parts.push((name.to_owned(), bytes.to_vec())),
                },
                Spoken::Undone(name) => parts.push((name.to_owned(), b"(it ended its host)".to_vec())),
            });
        };
        take(text.as_bytes());
        take(b"\n");
        let is_one = parts.len() == 1;
        let line = |(service, bytes): (String, Vec<u8>)| {
            let text = String::from_utf8_lossy(&bytes);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let service = Some(service).filter(|name| !name.is_empty());
            // The end of a line that another service began.
            (is_one || !text.is_empty()).then(|| PodLine { pod: pod.to_owned(), service, text: text.to_owned() })
        };
        parts.into_iter().filter_map(line).collect()
    }
}

/// What there is of a container's last lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LastLines {
    pub(crate) lines: Vec<String>,
    /// What its node says in place of lines: of a container that is gone it has none, and says so in the answer's body.
    pub(crate) instead: Option<String>,
}

/// The last lines of a pod's container, or of the run before the one that is there now.
pub(crate) async fn tail(access: &Access, pod: &str, previous: bool, lines: i64) -> Result<LastLines, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let parameters = LogParams { tail_lines: Some(lines), previous, timestamps: true, ..LogParams::default() };
    let text = access.ask(&format!("read the log of {pod}"), pods.logs(pod, &parameters)).await?;
    Ok(last_lines(pod, &text))
}

/// Lines have the time before them; what a node says itself has none.
fn last_lines(pod: &str, text: &str) -> LastLines {
    let (mut marks, mut found) = (Marks::default(), LastLines::default());
    for line in text.lines() {
        let Some((_, line)) = split(line) else {
            found.instead = Some(line.to_owned());
            continue;
        };
        found.lines.extend(marks.part(pod, line).into_iter().map(|line| match line.service {
            Some(service) => format!("{service} | {}", line.text),
            None => line.text,
        }));
    }
    found
}

/// The last lines of a pod, and with `follow` those to come, until the pod or the connection ends.
///
/// # Errors
/// The pod's log cannot be read.
pub async fn lines(
    access: &Access,
    pod: &str,
    last: i64,
    follow: bool,
) -> Result<impl Stream<Item = Result<PodLine, ClusterError>> + use<>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let parameters = LogParams { tail_lines: Some(last), follow, ..LogParams::default() };
    let doing = format!("read the log of {pod}");
    let reader = access.ask(&doing, pods.log_stream(pod, &parameters)).await?;
    let (pod, server) = (pod.to_owned(), access.server.clone());
    let mut marks = Marks::default();
    let lines = reader.lines().map_ok(move |text| iter(marks.part(&pod, &text).into_iter().map(Ok))).try_flatten();
    Ok(lines.map(move |line| line.map_err(|error| ClusterError::of(&server, &doing, kube::Error::ReadEvents(error)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(lines: &[&str]) -> Vec<(Option<String>, String)> {
        let mut marks = Marks::default();
        let parts = lines.iter().flat_map(|line| marks.part("ends-1", line));
        parts.map(|line| (line.service, line.text)).collect()
    }

    #[test]
    fn what_a_node_says_is_no_line_of_a_container() {
        let at = "2026-11-30T19:41:02.120000001Z";
        let none =
            "failed to try resolving symlinks in path \"/var/log/pods/a/service/1.log\": no such file or directory";
        let found = last_lines("plus-1", &format!("{at} no way\n{at} \n{none}\n"));
        assert_eq!((found.lines, found.instead.as_deref()), (vec!["no way".to_owned(), String::new()], Some(none)));
        assert_eq!(last_lines("plus-1", none), LastLines { lines: Vec::new(), instead: Some(none.to_owned()) });
        assert_eq!(last_lines("plus-1", ""), LastLines::default());
    }

    #[test]
    fn lines_of_a_pod_of_several_services_are_told_apart() {
        let own = |service: &str, text: &str| (Some(service.to_owned()), text.to_owned());
        let host = |text: &str| (None, text.to_owned());
        assert_eq!(parted(&["ready", "", "  to go"]), [host("ready"), host(""), host("  to go")]);
        let lines = ["\x1eget\x1fone", "two", "\x1emap\x1ffirst \x1emap\x1fsecond\x1emap\x1f", "\x1e\x1fthe host's"];
        assert_eq!(
            parted(&lines),
            [own("get", "one"), own("get", "two"), own("map", "first second"), host("the host's")]
        );
        assert_eq!(parted(&["\x1eget\x1fone\x1emap\x1f"]), [own("get", "one")], "the end of a line is no line");
        assert_eq!(parted(&["\x1e!map"]), [own("map", "(it ended its host)"),].to_vec());
    }

    #[test]
    fn what_no_service_wrote_is_shown_with_each() {
        let line = |service: Option<&str>| PodLine {
            pod: "ends-1".to_owned(),
            service: service.map(str::to_owned),
            text: String::new(),
        };
        for (service, asked, is_shown) in [
            (None, Some("map"), true),
            (Some("map"), Some("map"), true),
            (Some("get"), Some("map"), false),
            (Some("get"), None, true),
        ] {
            assert_eq!(line(service).is_of(asked), is_shown, "{service:?} {asked:?}");
        }
    }
}
