//! `dyn debug`: the debugger's command line for the host of one service.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use session_api::snapshot::Snapshot;

use crate::arguments::{Debug, Debugger};
use crate::command::status;
use crate::fault::{Fault, Kind};
use crate::{quoted, speech, start};

/// 1: a process may be attached to by those it names, and by root (ptrace(2)).
const PTRACE_SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";

pub(crate) fn run(debug: &Debug) -> Result<(), Fault> {
    let snapshot =
        start::runtime()?.block_on(async { Ok::<_, Fault>(status::attached(&debug.file)?.snapshot().await?) })?;
    let pid = process(&snapshot, &debug.file, &debug.service)?;
    let program = find(debug.with)?;
    let line = line(&program, pid, needs_root(pid), &debug.arguments);
    if !debug.attach {
        let words: Vec<String> = line.iter().map(|word| quoted::word(Path::new(word))).collect();
        drop(speech::out(words.join(" ")));
        return Ok(());
    }
    let Some((first, rest)) = line.split_first() else { return Ok(()) };
    // It takes the place of this process: keys and Ctrl-C are the debugger's.
    let error = Command::new(first).args(rest).exec();
    Err(Fault::new(Kind::Machine, format!("cannot start {}: {error}", first.display())))
}

/// The process of a service's host, where a debugger finds something in it.
fn process(snapshot: &Snapshot, file: &Path, service: &str) -> Result<u32, Fault> {
    if !snapshot.debug {
        return Err(Fault::new(Kind::App, "this session's services are built without debug information")
            .hint(format!("stop it, and start it anew: dyn dev {} --debug", quoted::word(file))));
    }
    let known = snapshot.services.iter().find(|known| known.name == service).ok_or_else(|| {
        let names: Vec<&str> = snapshot.services.iter().map(|service| service.name.as_str()).collect();
        Fault::new(Kind::Usage, format!("{service} is no service of {}", snapshot.app))
            .hint(format!("its services are {}", names.join(", ")))
    })?;
    known.pid.ok_or_else(|| {
        let why = known.why.as_deref().unwrap_or("its host does not run on this machine");
        Fault::new(Kind::App, format!("{service} has no process to attach to: {why}"))
    })
}

/// The debugger that was asked for, or the first there is, with Rust's own printers where they are.
fn find(with: Option<Debugger>) -> Result<PathBuf, Fault> {
    let wanted = match with {
        Some(Debugger::Gdb) => &["gdb"][..],
        Some(Debugger::Lldb) => &["lldb"],
        None => &["lldb", "gdb"],
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let on_path = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    let found = wanted.iter().find_map(|name| Some((name, on_path(name)?)));
    let (name, plain) = found.ok_or_else(|| {
        Fault::new(Kind::Machine, format!("cannot find a debugger: {} is not on PATH", wanted.join(" or ")))
            .hint("install one: apt-get install gdb")
    })?;
    // rustup has a stand-in for every toolchain, whether that brings the script or not.
    let ours = on_path(&format!("rust-{name}"))
        .filter(|script| Command::new(script).arg("--version").output().is_ok_and(|output| output.status.success()));
    Ok(ours.unwrap_or(plain))
}

/// Whether only root may attach: the process is another user's, as in a container, or the system says so.
fn needs_root(pid: u32) -> bool {
    let own = std::fs::metadata("/proc/self").map(|data| data.uid());
    let Ok(own) = own else { return false };
    let is_other = std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|data| data.uid() != own);
    let scope = std::fs::read_to_string(PTRACE_SCOPE).unwrap_or_default();
    own != 0 && (is_other || scope.trim().parse().is_ok_and(|scope: u8| scope > 1))
}

fn line(program: &Path, pid: u32, needs_root: bool, arguments: &[OsString]) -> Vec<OsString> {
    let mut line = Vec::new();
    if needs_root {
        line.push("sudo".into());
    }
    line.extend([program.into(), "-p".into(), pid.to_string().into()]);
    line.extend(arguments.iter().cloned());
    line
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use session_api::snapshot::ServiceView;

    use super::*;

    fn snapshot(debug: bool, pid: Option<u32>) -> Snapshot {
        let service = ServiceView { name: "map".to_owned(), pid, ..ServiceView::default() };
        Snapshot { app: "plant".to_owned(), debug, services: vec![service], ..Snapshot::default() }
    }

    #[test]
    fn what_cannot_be_attached_to_is_said_with_why() {
        let file = Path::new("app.rs");
        let words = |snapshot: &Snapshot, service: &str| process(snapshot, file, service).unwrap_err().words();
        assert!(words(&snapshot(false, Some(1)), "map").contains("dyn dev app.rs --debug"));
        assert!(words(&snapshot(true, Some(1)), "mop").contains("its services are map"));
        assert!(words(&snapshot(true, None), "map").contains("does not run on this machine"));
        assert_eq!(process(&snapshot(true, Some(7)), file, "map").unwrap(), 7);
    }

    #[test]
    fn line_asks_for_root_where_it_takes_root() {
        let words = |needs_root| line(Path::new("gdb"), 7, needs_root, &["-batch".into()]);
        assert_eq!(words(false), ["gdb", "-p", "7", "-batch"]);
        assert_eq!(words(true)[0], "sudo");
    }
}
