//! Programs that are started for a test and ended with it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A program, ended when this is dropped.
pub(crate) struct Started {
    child: Child,
    pub(crate) folder: TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        let process = self.child.id().to_string();
        // Asked first: containerd has to let go of what it has mounted.
        let asked = Command::new("kill").args(["-TERM", &process]).status();
        if asked.is_ok_and(|status| status.success()) {
            self.child.wait().unwrap();
        }
    }
}

impl Started {
    /// Starts a program and waits until a line it writes to its standard error has these words.
    fn when_it_says(mut command: Command, folder: TempDir, words: &str) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            match lines.next() {
                Some(line) => said.push(line.unwrap()),
                None => panic!("it ended: {}", said.join("\n")),
            }
            if said.last().unwrap().contains(words) {
                break;
            }
        }
        // What it says from now on is read by nobody, and must be by somebody.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, folder }
    }
}

/// Debian's docker-registry with `more` in its configuration; answers where it is.
pub(crate) fn registry(more: &str) -> (Started, String) {
    let folder = tempfile::tempdir().unwrap();
    // Free a moment ago: nobody else is given it as long as there are others.
    let port = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap().local_addr().unwrap().port();
    let address = format!("localhost:{port}");
    let config = format!(
        "version: 0.1\nlog:\n  level: info\n  formatter: text\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: {}\n\
         http:\n  addr: 127.0.0.1:{port}\n{}",
        folder.path().join("data").display(),
        !more.contains("no-removal"),
        more.replace("no-removal", "").replace("FOLDER", &folder.path().display().to_string())
    );
    std::fs::write(folder.path().join("config.yml"), config).unwrap();
    // User "me", password "secret".
    write(&folder.path().join("users"), "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n");
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(folder.path().join("config.yml"));
    (Started::when_it_says(command, folder, "listening on"), address)
}

/// A containerd with everything of its own; answers its socket.
pub(crate) fn containerd() -> (Started, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let socket = path("containerd.sock");
    let config = format!(
        "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {socket:?}\n",
        path("root"),
        path("state")
    );
    write(&folder.path().join("config.toml"), &config);
    let mut command = Command::new("containerd");
    command.arg("--config").arg(folder.path().join("config.toml"));
    (Started::when_it_says(command, folder, "containerd successfully booted"), socket)
}

fn write(file: &Path, text: &str) {
    std::fs::File::create(file).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Writes a program. A process of its own does: a child that another test starts meanwhile inherits what is open for
/// writing here, and until it has become its own program nobody can run the file ("Text file busy").
pub(crate) fn executable(file: &Path, text: &str) {
    let plain = file.with_added_extension("text");
    write(&plain, text);
    run("install", &["-m", "755", &plain.display().to_string(), &file.display().to_string()]);
}

/// Runs a command and answers what it wrote.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program of an image as a pod does: as nobody, with nothing to write to. It lists these tests.
pub(crate) fn run_dyn(reference: &str) -> String {
    let isolated = ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL"];
    run("docker", &[&isolated[..], &["--entrypoint", "/dyn", reference, "--list"]].concat())
}

/// An image of the engine's that is gone when this is dropped.
pub(crate) struct Removed(pub(crate) String);

impl Drop for Removed {
    fn drop(&mut self) {
        let removed = Command::new("docker").args(["image", "rm", "-f", &self.0]).output();
        assert!(removed.is_ok(), "docker is there");
    }
}
