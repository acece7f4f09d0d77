//! Servers out of images that the engine of this machine has already, where none is installed. Docker's own command line
//! runs them: a process like any server, whose input, output and signals are the server's.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::ListImagesOptionsBuilder;
use tokio::process::Command;

use super::ResourceProgram;
use super::program::{find, major};
use crate::backend::BackendError;
use crate::engine::{self, Found};

/// Where a server finds its folder.
const INSIDE: &str = "/dyninka";
/// A container that says a version has begun and ended within this.
const PATIENCE: Duration = Duration::from_secs(30);

/// An image with a server in it.
#[derive(Clone, Debug)]
pub(super) struct Image {
    engine: Docker,
    /// Docker's own command line, and the engine that it is to ask.
    docker: PathBuf,
    host: String,
    id: String,
}

impl Image {
    /// The images of the engine that have a server, by its version. None where the engine is another machine's, or gives
    /// containers users of their own: a server could neither be reached nor use its data.
    pub(super) async fn all(program: ResourceProgram) -> Vec<(u32, Self)> {
        let Some(docker) = find("docker") else { return Vec::new() };
        let Ok(Found { engine, meant, .. }) = engine::connect().await else { return Vec::new() };
        if !meant.host.starts_with("unix://") || engine::no_sockets(&engine).await.is_some() {
            return Vec::new();
        }
        let filters = HashMap::from([("reference".to_owned(), vec![program.image().to_owned()])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        // An engine that lists none has none to run.
        let images = engine.list_images(Some(options)).await.unwrap_or_default();
        let mut found = Vec::new();
        for id in images.into_iter().map(|image| image.id) {
            let image = Self { engine: engine.clone(), docker: docker.clone(), host: meant.host.clone(), id };
            found.extend(image.version(program).await.map(|version| (version, image)));
        }
        found
    }

    async fn version(&self, program: ResourceProgram) -> Option<u32> {
        let mut command = Command::new(&self.docker);
        command.args(["--host", &self.host, "run", "--rm", "--pull=never", "--network=none", "--entrypoint"]);
        command.args([program.name(), &self.id, program.version_argument()]);
        command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
        major(&String::from_utf8_lossy(&output.stdout)).or_else(|| major(&String::from_utf8_lossy(&output.stderr)))
    }

    pub(super) fn docker(&self) -> &Path {
        &self.docker
    }

    /// The arguments of Docker's command line that come before those of a program of the image. It runs in the folder, as
    /// a user and with no right beyond that user's, writes nowhere else, and has the loopback of this machine.
    pub(super) fn arguments(&self, folder: &Path, (user, group): (u32, u32), program: &str) -> Vec<OsString> {
        let words = ["--host", &self.host, "run", "--rm", "--interactive", "--pull=never", "--log-driver=none"];
        let rights = ["--network=host", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"];
        let user = format!("--user={user}:{group}");
        let name = format!("--name={}", container(folder));
        let places = [format!("--workdir={INSIDE}"), format!("--env=HOME={INSIDE}"), "--tmpfs=/tmp".to_owned()];
        // PostgreSQL asks for the name of its user.
        let users = "--mount=type=bind,source=/etc/passwd,target=/etc/passwd,readonly".to_owned();
        let further = [user, name, users, "--env=LC_ALL=C".to_owned(), format!("--entrypoint={program}")];
        let all = words.into_iter().chain(rights).map(OsString::from);
        let all = all.chain(places.into_iter().chain(further).map(OsString::from));
        all.chain([mount(folder), OsString::from(&self.id)]).collect()
    }

    /// Removes the container of a folder, also one that runs.
    pub(super) async fn remove(&self, folder: &Path) -> Result<(), BackendError> {
        engine::remove(&self.engine, &container(folder)).await
    }
}

/// Removes the container of a folder that a killed session left, where the engine still answers.
pub(super) async fn remove_leftover(folder: &Path) -> bool {
    match engine::connect().await {
        Ok(found) => engine::remove(&found.engine, &container(folder)).await.is_ok(),
        Err(_) => false,
    }
}

/// The name of the container of a folder.
fn container(folder: &Path) -> String {
    let hash = blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex();
    format!("dyninka-resource-{}", hash.get(..16).unwrap_or_default())
}

/// The folder as a mount: a line of CSV, in which a field may be quoted.
fn mount(folder: &Path) -> OsString {
    let source = folder.display().to_string().replace('"', "\"\"");
    format!("--mount=type=bind,\"source={source}\",target={INSIDE}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_named_by_its_folder_which_may_have_any_name() {
        let (one, other) =
            (container(Path::new("/a/cache/redis-server")), container(Path::new("/b/cache/redis-server")));
        assert!(one != other && one.starts_with("dyninka-resource-") && one.len() == 33, "{one}");
        let mounted = mount(Path::new("/my, \"own\"/folder"));
        assert_eq!(mounted, "--mount=type=bind,\"source=/my, \"\"own\"\"/folder\",target=/dyninka");
    }
}
