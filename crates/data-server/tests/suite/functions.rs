//! Functions that are no services of ours: each answers which server it is, and what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

/// A server of functions, as FaDO has them for its tests. It ends with the process.
pub(crate) struct Functions {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    requests: AtomicU64,
    /// It closes connections once it has read a head.
    hangs_up: AtomicBool,
}

impl Functions {
    pub(crate) fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let state = shared.clone();
                // A caller who is gone is no failure of the test.
                std::thread::spawn(move || drop(serve(name, &caller, &state)));
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Requests whose head came.
    pub(crate) fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn hang_up(&self) {
        self.state.hangs_up.store(true, Ordering::SeqCst);
    }
}

/// Answers `{SERVER_NAME, timestamp, method, path, headers}`, and the length of the body. `/echo` sends the body back,
/// `/odd` an answer with headers of its connection.
fn serve(name: &str, stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        state.requests.fetch_add(1, Ordering::SeqCst);
        if state.hangs_up.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut words = lines[0].split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers: Vec<(String, String)> = lines[1..]
            .iter()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let chunked = header("transfer-encoding") == Some("chunked");
        if path.ends_with("/echo") && chunked {
            // Each piece goes back as it comes.
            write!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            while let Some(piece) = chunk(&mut reader)? {
                write!(out, "{:x}\r\n", piece.len())?;
                out.write_all(&piece)?;
                write!(out, "\r\n")?;
            }
            write!(out, "0\r\n\r\n")?;
            continue;
        }
        let mut body = 0;
        if chunked {
            while let Some(piece) = chunk(&mut reader)? {
                body += piece.len();
            }
        } else {
            let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut bytes = vec![0; length];
            reader.read_exact(&mut bytes)?;
            body = length;
        }
        let told: Vec<Value> = headers.iter().map(|(name, value)| json!([name, value])).collect();
        let answer = json!({ "SERVER_NAME": name, "timestamp": 0, "method": method, "path": path, "headers": told, "body": body });
        let answer = answer.to_string();
        let odd = "connection: x-secret\r\nx-secret: 1\r\nkeep-alive: timeout=9\r\nproxy-authenticate: Basic\r\n\
                   dyninka-place: forged@mars\r\n";
        let odd = if path.ends_with("/odd") { odd } else { "" };
        let answer_body = if method == "HEAD" { "" } else { answer.as_str() };
        write!(out, "HTTP/1.1 200 OK\r\n{odd}content-length: {}\r\n\r\n{answer_body}", answer.len())?;
    }
}

/// The next piece of a body in chunks.
fn chunk(reader: &mut impl std::io::BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let size = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
    let mut piece = vec![0; size + 2];
    reader.read_exact(&mut piece)?;
    piece.truncate(size);
    Ok((size > 0).then_some(piece))
}
