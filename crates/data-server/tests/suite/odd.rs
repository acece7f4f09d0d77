//! A store that does as no store should: S3 in memory, with moods. It looks at no signature but at its time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use storage::Md5Sum;

/// The name space of S3's documents.
const SPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// What it does otherwise than S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// Listings are no XML.
    Garbage,
    /// Listings end midway, with the connection.
    HalfList,
    /// Each page of a listing begins at the start.
    Endless,
    /// All leads elsewhere.
    Elsewhere,
    /// No answer says what is missing.
    Nothing,
    /// An object's body ends before its length.
    Short,
    /// Uploads in parts end with 200 and an error.
    NoEnd,
    /// Nothing can be written.
    Full,
    /// Objects below `locked/` that are there stay as they are.
    Locked,
}

/// A store; it ends with the process.
#[derive(Clone)]
pub(crate) struct Odd {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    mood: Mood,
    /// Seconds that its clock is ahead.
    ahead: i64,
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    uploads: BTreeMap<String, BTreeMap<u16, Vec<u8>>>,
    /// Bytes of the bucket's objects that were read.
    read: u64,
    /// Requests whose time was not its own.
    skewed: u64,
}

#[derive(Clone)]
struct Object {
    bytes: Vec<u8>,
    tag: String,
}

struct Request {
    method: String,
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Bytes of the body that are not sent.
    cut: usize,
}

impl Odd {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let odd = Self { port: listener.local_addr().expect("an address").port(), state: Arc::default() };
        let served = odd.clone();
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let odd = served.clone();
                std::thread::spawn(move || odd.serve(caller));
            }
        });
        odd
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panicked with it")
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Puts its clock ahead by so many seconds.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        self.state().ahead = seconds;
    }

    /// Puts an object there, under a tag of its own.
    pub(crate) fn put(&self, key: &str, bytes: &[u8], tag: &str) {
        let object = Object { bytes: bytes.to_vec(), tag: tag.to_owned() };
        self.state().buckets.entry("images".to_owned()).or_default().insert(key.to_owned(), object);
    }

    /// Every object of the bucket, with the hash of its bytes.
    pub(crate) fn hashes(&self) -> crate::server::Hashes {
        let state = self.state();
        let objects = state.buckets.get("images").into_iter().flatten();
        objects.map(|(key, object)| (key.clone(), blake3::hash(&object.bytes).to_string())).collect()
    }

    /// Bytes of the bucket's objects that were read so far, and requests that were signed by another clock.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.read, state.skewed)
    }

    /// Whether an upload is under way.
    pub(crate) fn has_uploads(&self) -> bool {
        !self.state().uploads.is_empty()
    }

    fn serve(&self, caller: TcpStream) {
        let mut reader = BufReader::new(caller.try_clone().expect("a socket"));
        let mut writer = caller;
        while let Some(request) = Request::read(&mut reader) {
            let answer = self.state().answer(&request);
            let ahead = self.state().ahead;
            let head = answer.head(ahead, request.method == "HEAD");
            let body = if request.method == "HEAD" { &[][..] } else { &answer.body[..answer.body.len() - answer.cut] };
            // The caller may be gone.
            if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body)).is_err() || answer.cut > 0 {
                break;
            }
        }
        drop(writer.shutdown(Shutdown::Both));
    }
}

impl Request {
    fn read(from: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        from.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query = query.map(|(name, value)| (plain(name), plain(value))).collect();
        Some(Self { method, bucket: plain(bucket), key: plain(key), query, headers, body })
    }

    fn asks(&self, name: &str) -> bool {
        self.query.contains_key(name)
    }

    fn is_list(&self) -> bool {
        self.method == "GET" && self.key.is_empty()
    }
}

/// A part of a URL without its escapes.
fn plain(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.filter(|_| first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).expect("keys of these tests are UTF-8")
}

impl Answer {
    fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: 0 }
    }

    fn error(status: u16, code: &str) -> Self {
        Self::of(
            status,
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>so it is</Message></Error>"),
        )
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn head(&self, ahead: i64, is_head: bool) -> String {
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT");
        let mut text = format!("HTTP/1.1 {} So\r\ndate: {date}\r\n", self.status);
        if !(is_head && self.headers.iter().any(|(name, _)| *name == "content-length")) {
            let _written = write!(text, "content-length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            let _written = write!(text, "{name}: {value}\r\n");
        }
        text + "\r\n"
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        if !self.is_of_its_time(request) {
            self.skewed += 1;
            return Answer::error(403, "RequestTimeTooSkewed");
        }
        let own = request.bucket == "images";
        match self.mood {
            Mood::Elsewhere => return Answer::error(301, "PermanentRedirect").with("location", "http://127.0.0.1:1/"),
            Mood::Nothing if own => return Answer::of(404, ""),
            Mood::Garbage if own && request.is_list() => return Answer::of(200, "<html>welcome, half a li"),
            Mood::Locked
                if own
                    && request.method != "GET"
                    && request.method != "HEAD"
                    && request.key.starts_with("locked/")
                    && self.buckets.get("images").is_some_and(|bucket| bucket.contains_key(&request.key)) =>
            {
                return Answer::error(403, "AccessDenied");
            }
            Mood::Full if own && request.method == "PUT" => return Answer::error(500, "InternalError"),
            _ => {}
        }
        if request.key.is_empty() {
            return self.of_bucket(request);
        }
        if !self.buckets.contains_key(&request.bucket) {
            return Answer::error(404, "NoSuchBucket");
        }
        match request.query.get("uploadId").cloned() {
            Some(id) => self.of_upload(request, &id),
            None if request.asks("uploads") => {
                let id = format!("upload-{}", self.uploads.len() + 1);
                self.uploads.insert(id.clone(), BTreeMap::new());
                Answer::of(
                    200,
                    format!(
                        "<InitiateMultipartUploadResult xmlns=\"{SPACE}\"><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            None => self.of_object(request),
        }
    }

    /// Whether a URL was signed within fifteen minutes of this clock.
    fn is_of_its_time(&self, request: &Request) -> bool {
        let Some(signed) = request.query.get("X-Amz-Date") else { return true };
        let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).expect("a time");
        let signed = signed.to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp().as_second();
        (signed - jiff::Timestamp::now().as_second() - self.ahead).abs() < 900
    }

    fn of_bucket(&mut self, request: &Request) -> Answer {
        match (request.method.as_str(), self.buckets.contains_key(&request.bucket)) {
            ("PUT", _) => {
                self.buckets.entry(request.bucket.clone()).or_default();
                Answer::of(200, "")
            }
            (_, false) => Answer::error(404, "NoSuchBucket"),
            ("GET", true) => self.list(request),
            _ => Answer::error(405, "MethodNotAllowed"),
        }
    }

    fn list(&self, request: &Request) -> Answer {
        let most = request.query.get("max-keys").and_then(|most| most.parse().ok()).unwrap_or(100_usize);
        let after = request.query.get("start-after").cloned().unwrap_or_default();
        let is_endless = self.mood == Mood::Endless && most > 1;
        let objects = self.buckets[&request.bucket].iter().filter(|(key, _)| is_endless || **key > after);
        let all: Vec<_> = objects.collect();
        let mut text = format!("<ListBucketResult xmlns=\"{SPACE}\">");
        if all.len() > most || is_endless {
            text.push_str("<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>");
        }
        for (key, object) in all.iter().take(most) {
            let (tag, size) = (&object.tag, object.bytes.len());
            let _written =
                write!(text, "<Contents><Key>{key}</Key><ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size></Contents>");
        }
        text.push_str("</ListBucketResult>");
        let mut answer = Answer::of(200, text);
        if self.mood == Mood::HalfList && request.bucket == "images" && most > 1 {
            answer.cut = answer.body.len() / 2;
        }
        answer
    }

    fn of_object(&mut self, request: &Request) -> Answer {
        let mood = self.mood;
        let bucket = self.buckets.get_mut(&request.bucket).expect("it is there");
        match request.method.as_str() {
            "PUT" => {
                let tag = Md5Sum::of(&request.body).hex();
                bucket.insert(request.key.clone(), Object { bytes: request.body.clone(), tag: tag.clone() });
                Answer::of(200, "").with("etag", format!("\"{tag}\""))
            }
            "DELETE" => {
                bucket.remove(&request.key);
                Answer::of(204, "")
            }
            _ => {
                let Some(object) = bucket.get(&request.key).cloned() else { return Answer::error(404, "NoSuchKey") };
                if request.headers.get("if-match").is_some_and(|tag| tag.trim_matches('"') != object.tag) {
                    return Answer::error(412, "PreconditionFailed");
                }
                let tag = format!("\"{}\"", object.tag);
                if request.method == "HEAD" {
                    let length = object.bytes.len().to_string();
                    return Answer::of(200, "").with("etag", tag).with("content-length", length);
                }
                let range =
                    request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
                let mut answer = match range {
                    Some((from, to)) => {
                        let (from, to): (usize, usize) =
                            (from.parse().expect("a number"), to.parse().expect("a number"));
                        let to = to.min(object.bytes.len() - 1);
                        let range = format!("bytes {from}-{to}/{}", object.bytes.len());
                        Answer::of(206, &object.bytes[from..=to]).with("content-range", range)
                    }
                    None => Answer::of(200, object.bytes),
                };
                self.read += if request.bucket == "images" { answer.body.len() as u64 } else { 0 };
                if mood == Mood::Short && request.bucket == "images" {
                    answer.cut = answer.body.len() / 2;
                }
                answer.with("etag", tag)
            }
        }
    }

    fn of_upload(&mut self, request: &Request, id: &str) -> Answer {
        let Some(parts) = self.uploads.get_mut(id) else { return Answer::error(404, "NoSuchUpload") };
        match request.method.as_str() {
            "PUT" => {
                let number = request.query["partNumber"].parse().expect("a number");
                parts.insert(number, request.body.clone());
                Answer::of(200, "").with("etag", format!("\"{}\"", Md5Sum::of(&request.body).hex()))
            }
            "DELETE" => {
                self.uploads.remove(id);
                Answer::of(204, "")
            }
            "GET" => {
                let mut text = format!(
                    "<ListPartsResult xmlns=\"{SPACE}\"><MaxParts>1000</MaxParts><IsTruncated>false</IsTruncated>"
                );
                for (number, bytes) in parts.iter() {
                    let (tag, size) = (Md5Sum::of(bytes).hex(), bytes.len());
                    let _written = write!(
                        text,
                        "<Part><PartNumber>{number}</PartNumber><LastModified>now</LastModified><ETag>\"{tag}\"</ETag><Size>{size}</Size></Part>"
                    );
                }
                Answer::of(200, text + "</ListPartsResult>")
            }
            // The status was sent before it was known how it ends.
            _ if self.mood == Mood::NoEnd => Answer { status: 200, ..Answer::error(500, "InternalError") },
            _ => {
                let tags: Vec<String> = parts.values().map(|bytes| Md5Sum::of(bytes).hex()).collect();
                let tag = storage::parts_tag(&tags).expect("digests");
                let bytes: Vec<u8> = parts.values().flatten().copied().collect();
                self.uploads.remove(id);
                let bucket = self.buckets.get_mut(&request.bucket).expect("it is there");
                bucket.insert(request.key.clone(), Object { bytes, tag: tag.clone() });
                Answer::of(
                    200,
                    format!(
                        "<CompleteMultipartUploadResult xmlns=\"{SPACE}\"><ETag>\"{tag}\"</ETag></CompleteMultipartUploadResult>"
                    ),
                )
            }
        }
    }
}
