//! An API server that comes and goes: plain HTTP here, `kubectl proxy` behind, and a door between that is shut at the
//! request it is told. The testbed's own server stays as it is: others use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::cluster::kubeconfig;

/// A way to the testbed's API server that can be shut.
pub(crate) struct Api {
    behind: Child,
    door: Arc<Mutex<Door>>,
    folder: tempfile::TempDir,
}

/// How it is with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It goes through.
    Open,
    /// Every connection is closed at once.
    Gone,
    /// Questions are taken, and nothing answers.
    Silent,
}

/// When it is shut: at a request whose first line holds all of these words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trip {
    pub(crate) words: &'static [&'static str],
    /// The server gets the request, and only its answer is lost.
    pub(crate) is_done: bool,
    pub(crate) then: Way,
}

struct Door {
    way: Way,
    trip: Option<Trip>,
    open: Vec<TcpStream>,
}

impl Api {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(kubeconfig()).args(["proxy", "--port=0"]);
        let mut behind = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(behind.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let server: SocketAddr = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "dyn-testbed",
            "clusters": [{ "name": "it", "cluster": { "server": format!("http://{}", listener.local_addr().unwrap()) } }],
            "contexts": [{ "name": "dyn-testbed", "context": { "cluster": "it", "user": "nobody" } }],
            "users": [{ "name": "nobody", "user": {} }],
        });
        std::fs::write(folder.path().join("config"), config.to_string()).unwrap();
        let door = Arc::new(Mutex::new(Door { way: Way::Open, trip: None, open: Vec::new() }));
        let shared = door.clone();
        std::thread::spawn(move || {
            while let Ok((caller, _)) = listener.accept() {
                let shared = shared.clone();
                std::thread::spawn(move || pass(caller, server, &shared));
            }
        });
        Self { behind, door, folder }
    }

    /// The kubeconfig that leads there.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// From now on it is so with everything, what is open as well.
    pub(crate) fn be(&self, way: Way) {
        self.door.lock().unwrap().be(way);
    }

    /// It is shut at a request that is still to come.
    pub(crate) fn shut_at(&self, trip: Trip) {
        self.door.lock().unwrap().trip = Some(trip);
    }

    /// Whether that request has come.
    pub(crate) fn is_shut(&self) -> bool {
        let door = self.door.lock().unwrap();
        door.trip.is_none() && door.way != Way::Open
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.be(Way::Gone);
        drop(self.behind.kill());
        drop(self.behind.wait());
    }
}

impl Door {
    fn be(&mut self, way: Way) {
        self.way = way;
        if way == Way::Gone {
            for connection in self.open.drain(..) {
                // One that is closed already is as it should be.
                drop(connection.shutdown(Shutdown::Both));
            }
        }
    }

    /// Whether this is the request at which it is shut.
    fn trips(&mut self, bytes: &[u8]) -> Option<Trip> {
        let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        self.trip.take_if(|trip| line.ends_with("HTTP/1.1") && trip.words.iter().all(|word| line.contains(word)))
    }
}

/// What a caller says to the server, and what the server answers to the caller, until one of them is gone.
fn pass(mut caller: TcpStream, server: SocketAddr, door: &Arc<Mutex<Door>>) {
    let Ok(mut behind) = TcpStream::connect(server) else { return };
    {
        let mut door = door.lock().unwrap();
        if door.way == Way::Gone {
            return;
        }
        door.open.extend([caller.try_clone().unwrap(), behind.try_clone().unwrap()]);
    }
    // Set once an answer is to be lost, to what comes then.
    let lost = Arc::new(Mutex::new(None));
    let answers = {
        let (mut from, mut to) = (behind.try_clone().unwrap(), caller.try_clone().unwrap());
        let (door, lost) = (door.clone(), lost.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 16 << 10];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                let shut: Option<Way> = lost.lock().unwrap().take();
                if let Some(way) = shut {
                    door.lock().unwrap().be(way);
                }
                let way = door.lock().unwrap().way;
                if way == Way::Open && to.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            drop(to.shutdown(Shutdown::Both));
        })
    };
    let mut bytes = [0; 64 << 10];
    while let Ok(read @ 1..) = caller.read(&mut bytes) {
        let way = {
            let mut door = door.lock().unwrap();
            match door.trips(&bytes[..read]) {
                Some(trip) if trip.is_done => *lost.lock().unwrap() = Some(trip.then),
                Some(trip) => door.be(trip.then),
                None => {}
            }
            door.way
        };
        if way == Way::Open && behind.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    drop(behind.shutdown(Shutdown::Both));
    drop(answers.join());
}
