//! Exported files, by the tools they are for.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use support::{app, run};

const APP: &str = r#"use dyninka::prelude::*;

#[derive(Serialize, Deserialize)]
struct Price { cents: u32, note: String }

#[service]
fn price(of: String) -> Price {
    Price { cents: of.len() as u32, note: std::env::var("NOTE").unwrap_or_default() }
}

#[service]
fn bill_it(price: Price) -> String { format!("{} cents, {}", price.cents, price.note) }

#[dyninka::main]
fn main() { price("$5 {tea}").bill_it() }
"#;

/// A Compose project and its images, gone when dropped.
struct Project {
    file: PathBuf,
    name: String,
}

impl Project {
    fn compose(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("docker-compose");
        command.args(["-p", &self.name, "-f"]).arg(&self.file).args(arguments);
        command.env_remove("NOTE").output().expect("docker-compose runs: tests/run installs it")
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // What was not begun cannot be ended; the test has failed then already.
        drop(self.compose(&["down", "--rmi", "all", "--timeout", "1"]));
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn export(app: &Path, format: &str, more: &[&str]) -> Output {
    let app = app.to_str().unwrap();
    run(&[&["export", app, "--format", format], more].concat())
}

/// Asks until somebody answers.
fn ask(port: u16) -> String {
    let asked = Instant::now();
    loop {
        let answer = reqwest::blocking::get(format!("http://127.0.0.1:{port}/"));
        match answer.and_then(reqwest::blocking::Response::error_for_status) {
            Ok(answer) => return answer.text().unwrap(),
            Err(error) if asked.elapsed() > Duration::from_secs(60) => panic!("nobody answers: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[test]
fn a_compose_file_runs() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (folder, file) = app(APP);
    // Images are told apart by the app's name: this one is of this test alone.
    let own = folder.path().join(format!("export_{}.rs", std::process::id()));
    std::fs::rename(file, &own).unwrap();
    let said_of = format!("[services.price]\nenv.NOTE = \"$HOME stays\"\n[entry]\nnode_port = {port}\n");
    std::fs::write(folder.path().join("dyn.toml"), &said_of).unwrap();
    let both = "[together]\nall = [\"price\", \"bill_it\"]\n[services.bill_it]\nenv.NOTE = \"$HOME stays\"\n";
    let together = format!("{both}{said_of}");
    let project = Project { file: folder.path().join("compose.yaml"), name: format!("dyninka-export-{port}") };
    let done = export(&own, "compose", &["--output", project.file.to_str().unwrap()]);
    assert!(done.status.success(), "{}", said(&done));
    let up = project.compose(&["up", "--detach"]);
    assert!(up.status.success(), "{}", said(&up));
    assert_eq!(ask(port), "\"8 cents, $HOME stays\"");
    // Both in one container, it answers the same, and each of them finds the other in its own process.
    std::fs::write(folder.path().join("dyn.toml"), together).unwrap();
    let done = export(&own, "compose", &["--output", project.file.to_str().unwrap()]);
    assert!(done.status.success(), "{}", said(&done));
    let up = project.compose(&["up", "--detach", "--remove-orphans"]);
    assert!(up.status.success(), "{}", said(&up));
    assert_eq!(ask(port), "\"8 cents, $HOME stays\"");
    let ran = project.compose(&["ps", "--services"]);
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "price");
    // Nobody is let in at a host's inner doors.
    let inner = reqwest::blocking::get(format!("http://127.0.0.1:{port}/_dyninka/hops")).unwrap();
    assert_eq!(inner.status(), 401);
}

#[test]
fn images_need_a_place_that_is_in_reach() {
    let (_folder, file) = app(APP);
    for format in ["kubernetes", "marathon"] {
        let refused = export(&file, format, &[]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(said(&refused).contains("hint: name one: --registry"), "{}", said(&refused));
    }
}

#[test]
fn a_mistake_in_the_settings_has_its_line_and_its_mend() {
    let (folder, file) = app(APP);
    std::fs::write(folder.path().join("dyn.toml"), "[services.prices]\ncpu = \"1\"\n").unwrap();
    let refused = export(&file, "compose", &[]);
    assert_eq!(refused.status.code(), Some(1));
    let words = said(&refused);
    assert!(words.contains("dyn.toml:1:11: prices is no service of app"), "{words}");
    assert!(words.contains("did you mean price?"), "{words}");
}
