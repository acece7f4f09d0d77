//! A namespace of the testbed for one test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Once;

use kubernetes::cluster::{Access, ClusterTarget, connect};

/// The testbed's kubeconfig.
fn kubeconfig() -> PathBuf {
    let run = std::env::var_os("DYN_TESTBED_RUN").unwrap_or_else(|| "/run/dyn-testbed".into());
    let file = PathBuf::from(run).join("kubeconfig");
    assert!(file.exists(), "no {}: start the cluster for tests with `tests/testbed/kubernetes up 2`", file.display());
    file
}

/// The testbed, whatever this process was started with.
pub(crate) fn target() -> ClusterTarget {
    static SET: Once = Once::new();
    SET.call_once(|| {
        // SAFETY: every test of this program comes through here before it reads the environment, and nothing else
        // writes to it.
        unsafe { std::env::set_var("KUBECONFIG", kubeconfig()) };
    });
    ClusterTarget { context: Some("dyn-testbed".to_owned()), namespace: None }
}

/// A namespace of its own, gone with it.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) async fn new(purpose: &str) -> Self {
        target();
        let name = format!("t-{purpose}-{}", std::process::id());
        let made = Self { name: name.clone() };
        made.run(&["create", "namespace", &name]);
        made
    }

    pub(crate) async fn access(&self) -> Access {
        connect(&ClusterTarget { namespace: Some(self.name.clone()), ..target() }).await.unwrap()
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let arguments = [&["--namespace", &self.name], arguments].concat();
        self.run(&arguments)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let ran = Command::new("kubectl").arg("--kubeconfig").arg(kubeconfig()).args(arguments).output().unwrap();
        assert!(ran.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.run(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
