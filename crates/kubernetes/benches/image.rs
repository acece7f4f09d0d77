//! What a push of one edit of `examples/building.rs` builds and sends: `cargo bench -p kubernetes`.
//!
//! The host is the `dyn` that DYN names, else the one of this target folder. Times are over 15 edits, none of them
//! built before; bytes are those of the last. A registry of Debian's is the other end.
#![expect(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use app::{App, Sources};
use compiler::{Builder, Profile};
use images::ship::{Owner, Programs, Registry, RegistryAddress, Ship};
use images::{Base, BuiltLibrary, Image};

const EDITS: u128 = 15;
/// The line of `map` that is edited.
const BODY: &str = "(reading.value - 32.0) / 1.8";

/// Median and 95th percentile of what each run took.
fn print(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!("{what:<52} p50 {:>7.1} ms  p95 {:>7.1} ms", at(0.5), at(0.95));
}

fn bytes(what: &str, bytes: u64) {
    println!("{what:<52} {bytes:>11} bytes");
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

fn host() -> PathBuf {
    let named = std::env::var_os("DYN").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug/dyn").canonicalize().unwrap())
}

struct House {
    folder: tempfile::TempDir,
    text: String,
}

impl House {
    fn root(&self) -> PathBuf {
        self.folder.path().join("building.rs")
    }

    /// The app with something else where the body stands.
    fn edited(&self, body: &str) -> App {
        let text = self.text.replace(BODY, body);
        let included = BTreeMap::from([(self.folder.path().join("data/readings.csv"), "readings".to_owned())]);
        let texts = BTreeMap::from([(self.root(), text.into())]);
        app::parse(&Sources { root: self.root(), texts, included, ..Sources::default() }).0
    }
}

/// A registry, ended with the bench.
struct Other(std::process::Child);

impl Drop for Other {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn registry(folder: &Path) -> (Other, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        folder.display()
    );
    fs::write(folder.join("config.yml"), config).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(folder.join("config.yml")).stderr(Stdio::null()).stdout(Stdio::null());
    let other = Other(command.spawn().unwrap());
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::yield_now();
    }
    (other, format!("localhost:{port}"))
}

fn image(base: &Base, app: &App, artifact: &compiler::Artifact) -> Image {
    let library =
        BuiltLibrary { app: &app.name, service: &artifact.service, version: &artifact.version, path: &artifact.path };
    images::build(base, &library).unwrap()
}

#[tokio::main]
async fn main() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::copy(example.join("data/readings.csv"), folder.path().join("data/readings.csv")).unwrap();
    let house = House { text: fs::read_to_string(example.join("building.rs")).unwrap(), folder };
    fs::write(house.root(), &house.text).unwrap();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let builder = Builder::open(&house.root(), &cache, |progress| eprintln!("{progress:?}")).unwrap();
    let builder = builder.profile(Profile::Optimised);

    let host = host();
    bytes("the host program", fs::metadata(&host).unwrap().len());
    let layers = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let base = Base::prepare(&host, layers.path()).unwrap();
    print("the host's layer, made", vec![ms(begun)]);
    let kept = (0..EDITS).map(|_| {
        let begun = Instant::now();
        Base::prepare(&host, layers.path()).unwrap();
        ms(begun)
    });
    print("the host's layer, kept", kept.collect());
    bytes("the host's layer, unpacked", base.layer.unpacked);
    bytes("the host's layer, as it travels", base.layer.compressed());

    let (_registry, address) = registry(layers.path());
    let app = house.edited(BODY);
    let address = RegistryAddress::read(&address).unwrap();
    let owner = Owner::new(&app.name, "bench");
    let ship = Registry::open(address, None, owner, &Programs::default()).await.unwrap();
    let mut all = Vec::new();
    for service in &app.services {
        let artifact = builder.build(&app, &service.name).await.unwrap();
        let image = image(&base, &app, &artifact);
        bytes(&format!("{}: its library", service.name), artifact.bytes);
        bytes(&format!("{}: its layer, as it travels", service.name), image.layers[1].compressed());
        all.push(image);
    }
    let all: Vec<&Image> = all.iter().collect();
    let begun = Instant::now();
    let sent = ship.put(&all).await.unwrap();
    print(&format!("{} services sent for the first time", all.len()), vec![ms(begun)]);
    bytes("sent for that", sent.bytes);

    let (mut compiled, mut made, mut shipped, mut unchanged) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut sent = 0;
    for edit in 0..EDITS {
        let app = house.edited(&format!("(reading.value - 32.0) / 1.8 + {}.0", seed + edit));
        let begun = Instant::now();
        let artifact = builder.build(&app, "map").await.unwrap();
        compiled.push(ms(begun));
        assert!(artifact.built);
        let begun = Instant::now();
        let image = image(&base, &app, &artifact);
        made.push(ms(begun));
        let begun = Instant::now();
        sent = ship.put(&[&image]).await.unwrap().bytes;
        shipped.push(ms(begun));
        let begun = Instant::now();
        assert_eq!(ship.put(&[&image]).await.unwrap().bytes, 0);
        unchanged.push(ms(begun));
    }
    print("one edit: the optimised library", compiled);
    print("one edit: its image", made);
    print("one edit: sent", shipped);
    bytes("one edit: sent", sent);
    print("nothing changed: sent", unchanged);
}
