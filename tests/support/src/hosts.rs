//! The hosts of an app that runs: found, and ended, behind the session's back.

use std::path::Path;
use std::process::Command;

/// Pids of host processes, or ids of containers, of an app.
pub fn ours(on: &str, file: &Path) -> Vec<String> {
    let found = match on {
        "docker" => {
            let id = id(file);
            Command::new("docker").args(["ps", "-aq", "--filter", &format!("label=dyninka.id={id}")]).output()
        }
        _ => Command::new("pgrep").args(["-f", &format!(" host .*-{}/services/", id(file))]).output(),
    };
    let text = String::from_utf8(found.expect("docker and pgrep").stdout).expect("ids");
    text.lines().map(str::to_owned).collect()
}

/// The same without containers that replay: pids of host processes, or ids of services' containers.
pub fn serving(on: &str, file: &Path) -> Vec<String> {
    if on != "docker" {
        return ours(on, file);
    }
    let label = format!("label=dyninka.id={}", id(file));
    let found =
        Command::new("docker").args(["ps", "-aq", "--filter", &label, "--filter", "label=dyninka.service"]).output();
    let text = String::from_utf8(found.expect("docker").stdout).expect("ids");
    text.lines().map(str::to_owned).collect()
}

/// What tells the app in this file from others: it stands in the names of its folder, containers and network.
fn id(file: &Path) -> String {
    let home = crate::home().join("apps");
    let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
    let canonical = file.canonicalize().expect("the app");
    let named = home.read_dir().expect("apps").flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut ids = named.filter_map(|name| name.strip_prefix(&format!("{stem}-")).map(str::to_owned));
    let wanted = blake3::hash(canonical.as_os_str().as_encoded_bytes()).to_hex()[..8].to_owned();
    ids.find(|id| *id == wanted).expect("the app's folder")
}

/// Ends a service's host as SIGKILL does.
pub fn kill(on: &str, file: &Path, service: &str) {
    send(on, file, service, "KILL");
}

/// Stops a service's host as SIGSTOP does.
pub fn stop(on: &str, file: &Path, service: &str) {
    send(on, file, service, "STOP");
}

fn send(on: &str, file: &Path, service: &str, name: &str) {
    match on {
        "docker" => docker(file, service, &["kill", "--signal", name]),
        _ => signal(file, service, name),
    }
}

/// Has the engine do something to the container of a service.
pub fn docker(file: &Path, service: &str, verb: &[&str]) {
    let filters = [format!("label=dyninka.id={}", id(file)), format!("label=dyninka.service={service}")];
    let found = Command::new("docker").args(["ps", "-q", "--filter", &filters[0], "--filter", &filters[1]]).output();
    let container = String::from_utf8(found.expect("docker").stdout).expect("an id");
    let done = Command::new("docker").args(verb).arg(container.trim()).output().expect("docker");
    assert!(done.status.success(), "{verb:?} {service}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Sends a signal to the process of a service.
pub fn signal(file: &Path, service: &str, name: &str) {
    let pattern = format!(" host .*-{}/services/{service}( |$)", id(file));
    let status = Command::new("pkill").args([&format!("-{name}"), "-f", &pattern]).status();
    assert!(status.expect("pkill").success(), "{name} to {service}");
}
