//! What is on this machine that brings images to nodes.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::tool::Tool;

/// Programs images are brought by, by name or path.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Docker's command.
    pub docker: OsString,
    pub kind: OsString,
    pub k3d: OsString,
    /// k3s', which brings containerd's.
    pub k3s: OsString,
    /// containerd's.
    pub ctr: OsString,
    /// containerd's socket.
    pub containerd: OsString,
    /// The folder of Docker's configuration, which names credentials.
    pub docker_config: Option<PathBuf>,
}

impl Default for Programs {
    fn default() -> Self {
        let [docker, kind, k3d, k3s, ctr] = ["docker", "kind", "k3d", "k3s", "ctr"].map(OsString::from);
        // What containerd's own commands heed.
        let containerd = std::env::var_os("CONTAINERD_ADDRESS").filter(|address| !address.is_empty());
        let containerd = containerd.unwrap_or_else(|| "/run/containerd/containerd.sock".into());
        let config = std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let docker_config = config.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
        Self { docker, kind, k3d, k3s, ctr, containerd, docker_config }
    }
}

/// k3s' containerd listens here.
const K3S: &str = "/run/k3s/containerd/containerd.sock";

/// What is on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// The machine's name.
    pub host: String,
    /// The name of the machine Docker's engine runs on, where one answers.
    pub engine: Option<String>,
    /// kind can be run.
    pub kind: bool,
    /// k3d can be run.
    pub k3d: bool,
    /// k3s is here and its containerd takes orders from us.
    pub k3s: bool,
    /// containerd is here and takes orders from us.
    pub containerd: bool,
}

impl Local {
    /// Looks around. What is not there is no error: it is a way that is not taken.
    pub async fn look(programs: &Programs) -> Self {
        let docker = Tool::new(&programs.docker, &[]);
        let engine = docker.glance(&["info", "--format", "{{.Name}}"], "ask Docker's engine for its name").await;
        let engine = match engine {
            Ok(name) => Some(name.trim().to_owned()).filter(|name| !name.is_empty()),
            Err(error) => {
                tracing::debug!(%error, "no engine");
                None
            }
        };
        let takes = |socket: &OsStr| rustix::fs::access(Path::new(socket), rustix::fs::Access::WRITE_OK).is_ok();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            engine,
            kind: is_there(&programs.kind),
            k3d: is_there(&programs.k3d),
            k3s: is_there(&programs.k3s) && takes(OsStr::new(K3S)),
            containerd: is_there(&programs.ctr) && takes(&programs.containerd),
        }
    }
}

/// Whether a program can be found: by its path, or on PATH.
fn is_there(program: &OsStr) -> bool {
    let path = Path::new(program);
    let runs = |path: &Path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file();
    if path.components().count() > 1 {
        return runs(path);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| runs(&folder.join(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_there_is_not_found() {
        let nothing = OsString::from("/nowhere/at-all");
        let programs = Programs {
            docker: nothing.clone(),
            kind: nothing.clone(),
            k3d: nothing.clone(),
            k3s: nothing.clone(),
            ctr: nothing.clone(),
            containerd: nothing,
            docker_config: None,
        };
        let local = Local::look(&programs).await;
        assert!(!local.host.is_empty());
        assert_eq!(local, Local { host: local.host.clone(), ..Local::default() });
        assert!(is_there(OsStr::new("sh")) && is_there(OsStr::new("/bin/sh")) && !is_there(OsStr::new("/bin")));
    }
}
