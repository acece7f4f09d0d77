//! `dyn data` as a person drives it: the eight lines of the guide, a plan, a mistake, and an end; and a real S3.

#![cfg(feature = "data")]

mod bucket;
mod fado;
#[expect(dead_code, reason = "other tests have them hang up")]
#[path = "../../crates/data-server/tests/suite/functions.rs"]
mod functions;
mod juice;
#[expect(dead_code, reason = "other tests have them flip bytes")]
#[path = "../../crates/data-server/tests/suite/link.rs"]
mod link;
mod near;
mod rough;
#[expect(dead_code, reason = "other tests use its shell")]
#[path = "../../crates/data-server/tests/suite/weed.rs"]
mod weed;

/// What SeaweedFS is started and looked at with.
mod server {
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// Reached only by a hang.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
    /// Between two looks.
    pub(crate) const LOOK: Duration = Duration::from_millis(20);
    /// Objects of a store: key to the hash of its bytes.
    pub(crate) type Hashes = BTreeMap<String, String>;
}

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Instant;

use crate::server::{Hashes, LOOK, PATIENCE};
use crate::weed::{KEY, Weed};

/// A server that runs, in a home of its own.
struct Server {
    home: tempfile::TempDir,
    process: Child,
}

fn dyn_command(home: &Path) -> Command {
    let mut command = support::dyn_command();
    command.env("DYNINKA_HOME", home).current_dir(home);
    command
}

impl Server {
    /// The guide's settings, with folders of this test's own.
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let guide = fs::read_to_string(support::repository().join("docs/guide/src/data.md")).expect("the guide");
        let text = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("settings");
        assert_eq!(text.lines().count(), 8);
        for store in ["hpc", "cc1", "cc2"] {
            fs::create_dir_all(home.path().join("places").join(store)).expect("a store");
        }
        let places = home.path().join("places").display().to_string();
        Self::start_with(home, &text.replace("/tmp/places", &places))
    }

    /// A server with settings of its own.
    fn start_with(home: tempfile::TempDir, settings: &str) -> Self {
        Self::start_as(home, settings, &[], &[]).0
    }

    /// A server with options and variables of its own, and what it says after its address.
    fn start_as(
        home: tempfile::TempDir,
        settings: &str,
        options: &[&str],
        variables: &[(&str, &str)],
    ) -> (Self, Lines<BufReader<ChildStdout>>) {
        fs::write(home.path().join("data.toml"), settings).expect("written");
        let (process, lines) = Self::spawn(home.path(), options, variables);
        (Self { home, process }, lines)
    }

    fn spawn(home: &Path, options: &[&str], variables: &[(&str, &str)]) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut command = dyn_command(home);
        command.args(["data", "serve", "--config", "data.toml", "--listen", "127.0.0.1:0"]).args(options);
        command.envs(variables.iter().copied()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("dyn runs");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let line = lines.next().expect("a line").expect("text");
        assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
        (process, lines)
    }

    /// Starts it once more in the same home. The one before has ended.
    fn restart(&mut self) {
        self.process = Self::spawn(self.home.path(), &[], &[]).0;
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "{signal}");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        dyn_command(self.home.path()).arg("data").args(arguments).output().expect("dyn runs")
    }

    /// What a command that succeeds prints.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn three_places_on_one_machine_hold_what_is_put() {
    let mut server = Server::start();
    let home = server.home.path().to_owned();
    let large: Vec<u8> =
        (0..9_000_000_u32).flat_map(|number| [(number.wrapping_mul(2_654_435_761) >> 24) as u8]).collect();
    fs::write(home.join("cat.jpg"), &large).expect("written");
    assert!(server.says(&["put", "images/cats/a b.jpg", "cat.jpg"]).contains("version 1"));
    fs::write(home.join("places/hpc/images/by-hand"), "by hand").expect("written");
    server.says(&["wait", "images"]);
    for store in ["cc1", "cc2"] {
        let images = home.join("places").join(store).join("images");
        assert!(fs::read(images.join("cats/a b.jpg")).expect("a copy") == large, "{store}");
        assert_eq!(fs::read(images.join("by-hand")).expect("a copy"), b"by hand", "{store}");
    }
    let status = server.says(&["status"]);
    assert!(
        status.contains("bucket images  following  master hpc  2 objects") && status.contains("cc2  whole"),
        "{status}"
    );
    assert!(server.says(&["ls", "images/cats"]).contains("cats/a b.jpg"));
    assert_eq!(server.says(&["where", "images", "--zone", "us"]).trim(), "cc2  whole");
    server.says(&["get", "images/cats/a b.jpg", "copy.jpg", "--store", "cc2"]);
    assert!(fs::read(home.join("copy.jpg")).expect("a file") == large);
    assert!(server.says(&["verify", "images"]).starts_with("4 copies"));
    // A change: exported, edited, planned, refused without a yes, applied.
    let settings = server.says(&["export"]).replace("replicas = 2", "replicas = 1");
    fs::write(home.join("data.toml"), &settings).expect("written");
    assert!(server.says(&["plan", "data.toml"]).starts_with("remove images from "));
    let refused = server.run(&["apply", "data.toml"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    server.says(&["apply", "data.toml", "--yes"]);
    // A mistake: its place and its mend.
    fs::write(home.join("wrong.toml"), settings.replace("master = \"hpc\"", "master = \"hpd\"")).expect("written");
    let refused = server.run(&["plan", "wrong.toml"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && words.contains("buckets.images") && words.contains("there are cc1, cc2, hpc"),
        "{words}"
    );
    // A second server does not start, and the first one goes on as before.
    let address = fs::read_to_string(home.join("data/address")).expect("an address");
    let second = server.run(&["serve", "--listen", address.trim()]);
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && words.contains("dyn data status"), "{words}");
    server.says(&["status"]);
    let none = server.run(&["get", "images/nothing", "nothing"]);
    let words = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(!none.status.success() && words.contains("there is no object nothing in the bucket images"), "{words}");
    let folder = server.run(&["put", "images/places", "places"]);
    assert!(!folder.status.success() && String::from_utf8_lossy(&folder.stderr).contains("is a folder"));
    let nowhere = server.run(&["where", "images", "--zone", "mars"]);
    let words = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(!nowhere.status.success() && words.contains("no store in the zone mars has images"), "{words}");
    server.says(&["rm", "images/by-hand"]);
    server.says(&["wait", "images"]);
    assert!(!home.join("places/hpc/images/by-hand").exists());
    assert!(server.says(&["events"]).contains("replica-whole"));
    // A signal ends it, and then nobody is there.
    let pid = server.process.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    assert!(server.process.wait().expect("an end").success());
    let gone = server.run(&["status"]);
    assert!(!gone.status.success() && String::from_utf8_lossy(&gone.stderr).contains("dyn data serve"));
}

/// Bytes that no two numbers share.
fn noise(number: u32, size: u32) -> Vec<u8> {
    (0..size).map(|at| ((at ^ number).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn folder_is_copied_to_a_real_s3_and_on_after_its_end() {
    let mut weed = Weed::start();
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("s3.key"), KEY.0).expect("written");
    fs::write(home.path().join("s3.secret"), KEY.1).expect("written");
    let folder = home.path().join("hpc");
    let text = format!(
        "[places.hpc]\n[stores.hpc]\nplace = \"hpc\"\nfolder = \"{}\"\n{}[server]\nplace = \"hpc\"\n\
         [buckets.images]\nmaster = \"hpc\"\nreplicas = 1\naudit = \"1s\"\n",
        folder.display(),
        Weed::settings("s3", weed.port()).replace("FOLDER", &home.path().display().to_string())
    );
    fs::create_dir_all(&folder).expect("a store");
    let server = Server::start_with(home, &text);
    let home = server.home.path();
    let probed = server.says(&["probe", "s3"]);
    assert!(probed.lines().count() > 5 && probed.contains("yes"), "{probed}");
    let mut wanted = Hashes::new();
    for (number, key) in ["a", "deep/er/b c", "ümlaut"].into_iter().enumerate() {
        let bytes = noise(number as u32, 300_000);
        fs::write(home.join("file"), &bytes).expect("written");
        server.says(&["put", &format!("images/{key}"), "file"]);
        wanted.insert(key.to_owned(), blake3::hash(&bytes).to_string());
    }
    server.says(&["wait", "images"]);
    assert_eq!(weed.hashes("images"), wanted);
    server.says(&["get", "images/ümlaut", "copy", "--store", "s3"]);
    assert_eq!(fs::read(home.join("copy")).expect("a file"), noise(2, 300_000));
    assert!(server.says(&["verify", "images"]).starts_with("3 copies"));
    // It ends, which is told; what is written in the meantime comes to it once it is back.
    weed.kill();
    server.says(&["put", "images/later", "file"]);
    let begun = Instant::now();
    while !server.says(&["status"]).contains("s3  away") {
        assert!(begun.elapsed() < PATIENCE, "{}", server.says(&["status"]));
        std::thread::sleep(LOOK);
    }
    weed.run();
    wanted.insert("later".to_owned(), wanted["ümlaut"].clone());
    server.says(&["wait", "images"]);
    assert_eq!(weed.hashes("images"), wanted);
}
