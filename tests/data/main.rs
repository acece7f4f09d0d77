//! `dyn data` as a person drives it: the eight lines of the guide, a plan, a mistake, and an end.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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
        fs::write(home.path().join("data.toml"), text.replace("/tmp/places", &places)).expect("written");
        let mut command = dyn_command(home.path());
        command.args(["data", "serve", "--config", "data.toml", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("dyn runs");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
        Self { home, process }
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
