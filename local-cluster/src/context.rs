//! Which Docker engine is meant: the one that `docker ps` shows.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The engine of this machine, where nothing names another.
const USUAL: &str = "unix:///var/run/docker.sock";

/// An engine that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    /// As `DOCKER_HOST` has it: `unix://PATH` or `tcp://HOST:PORT`.
    pub(crate) host: String,
    /// What names it; none where it is the usual one of this machine.
    pub(crate) by: Option<String>,
    /// Whether it may be another machine's, which is only so where the user names it.
    pub(crate) is_named: bool,
}

/// What the user's environment and configuration say.
pub(crate) struct Surroundings {
    pub(crate) host: Option<String>,
    pub(crate) context: Option<String>,
    /// Docker's folder of this user.
    pub(crate) config: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`, where engines without root listen.
    pub(crate) runtime: Option<PathBuf>,
}

impl Surroundings {
    pub(crate) fn read() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let config = set("DOCKER_CONFIG").map(PathBuf::from);
        Self {
            host: set("DOCKER_HOST"),
            context: set("DOCKER_CONTEXT"),
            config: config.or_else(|| Some(std::env::home_dir()?.join(".docker"))),
            runtime: set("XDG_RUNTIME_DIR").map(PathBuf::from),
        }
    }

    /// The engine that is meant, by the rules of Docker's own command line: `DOCKER_HOST`, then `DOCKER_CONTEXT`, then
    /// the context that `docker context use` chose, then the one of this machine. Where that has no socket, one that
    /// runs without root is taken. Why there is none, in words.
    pub(crate) fn meant(&self) -> Result<Meant, String> {
        if let Some(host) = &self.host {
            return Ok(Meant { host: host.clone(), by: Some("DOCKER_HOST".to_owned()), is_named: true });
        }
        let chosen = match &self.context {
            Some(name) => Some((name.clone(), "DOCKER_CONTEXT")),
            None => self.current()?.map(|name| (name, "`docker context use`")),
        };
        match chosen.filter(|(name, _)| name != "default") {
            Some((name, by)) => {
                let host = self.host_of(&name).map_err(|why| format!("{by} chose the Docker context {name}: {why}"))?;
                Ok(Meant { host, by: Some(format!("the Docker context {name}, chosen by {by}")), is_named: true })
            }
            None => Ok(self.own(Path::new("/var/run/docker.sock"))),
        }
    }

    /// The engine of this machine.
    fn own(&self, usual: &Path) -> Meant {
        let is_socket = |path: &Path| fs::metadata(path).is_ok_and(|data| data.file_type().is_socket());
        let rootless = self.runtime.as_ref().map(|folder| folder.join("docker.sock"));
        match rootless.filter(|path| !is_socket(usual) && is_socket(path)) {
            Some(path) => Meant {
                host: format!("unix://{}", path.display()),
                by: Some(format!("nothing listens at {}, and an engine without root does", usual.display())),
                is_named: false,
            },
            None => Meant { host: USUAL.to_owned(), by: None, is_named: false },
        }
    }

    /// The context that the configuration names.
    fn current(&self) -> Result<Option<String>, String> {
        let Some(file) = self.config.as_ref().map(|folder| folder.join("config.json")) else { return Ok(None) };
        let Some(config) = json(&file)? else { return Ok(None) };
        Ok(config["currentContext"].as_str().filter(|name| !name.is_empty()).map(str::to_owned))
    }

    /// Where a context's engine is.
    fn host_of(&self, name: &str) -> Result<String, String> {
        let folder = self.config.as_ref().map(|folder| folder.join("contexts/meta"));
        let known = folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        for entry in known.into_iter().flatten().flatten() {
            // One that does not read is another's trouble.
            let Ok(Some(meta)) = json(&entry.path().join("meta.json")) else { continue };
            if meta["Name"].as_str() != Some(name) {
                continue;
            }
            let endpoint = &meta["Endpoints"]["docker"];
            let host = endpoint["Host"].as_str().filter(|host| !host.is_empty());
            let tls = self.config.as_ref().map(|folder| folder.join("contexts/tls").join(entry.file_name()));
            if tls.is_some_and(|tls| tls.exists()) {
                return Err("its engine is reached by TLS, which is not spoken".to_owned());
            }
            return host.map(str::to_owned).ok_or_else(|| "it names no engine of Docker's".to_owned());
        }
        Err("there is no such context; `docker context ls` shows those there are".to_owned())
    }
}

/// A file of JSON; none where there is no such file.
fn json(file: &Path) -> Result<Option<Value>, String> {
    match fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| format!("{}: {error}", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A folder with the contexts `remote` and `own`, the second of which is current.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), r#"{"auths":{},"currentContext":"own"}"#).unwrap();
        for (id, name, host) in
            [("a1", "remote", "tcp://there:2375"), ("b2", "own", "unix:///run/own.sock"), ("c3", "k8s", "")]
        {
            let meta = folder.path().join("contexts/meta").join(id);
            fs::create_dir_all(&meta).unwrap();
            let text = format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
            fs::write(meta.join("meta.json"), text).unwrap();
        }
        folder
    }

    fn surroundings(folder: &Path, host: Option<&str>, context: Option<&str>) -> Surroundings {
        Surroundings {
            host: host.map(str::to_owned),
            context: context.map(str::to_owned),
            config: Some(folder.to_owned()),
            runtime: None,
        }
    }

    #[test]
    fn the_engine_is_the_one_that_docker_itself_would_ask() {
        let folder = folder();
        let meant = |host, context| surroundings(folder.path(), host, context).meant();
        let named = |host, context| meant(host, context).map(|meant| (meant.host, meant.by.unwrap_or_default()));
        let (host, by) = named(Some("tcp://x:1"), Some("remote")).unwrap();
        assert_eq!((&*host, &*by), ("tcp://x:1", "DOCKER_HOST"));
        let (host, by) = named(None, Some("remote")).unwrap();
        assert_eq!((&*host, &*by), ("tcp://there:2375", "the Docker context remote, chosen by DOCKER_CONTEXT"));
        let (host, by) = named(None, None).unwrap();
        assert_eq!((&*host, &*by), ("unix:///run/own.sock", "the Docker context own, chosen by `docker context use`"));
        assert!(!meant(None, Some("default")).unwrap().is_named);
        for (context, why) in [("none", "no such context"), ("k8s", "names no engine")] {
            assert!(meant(None, Some(context)).is_err_and(|words| words.contains(why) && words.contains(context)));
        }
        fs::create_dir_all(folder.path().join("contexts/tls/a1/docker")).unwrap();
        assert!(meant(None, Some("remote")).is_err_and(|words| words.contains("TLS")));
        fs::write(folder.path().join("config.json"), "{").unwrap();
        assert!(meant(None, None).is_err_and(|words| words.contains("config.json")));
    }

    #[test]
    fn without_a_configuration_it_is_the_one_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let meant = surroundings(folder.path(), None, None).meant().unwrap();
        assert_eq!(meant, Meant { host: USUAL.to_owned(), by: None, is_named: false });
    }

    #[test]
    fn an_engine_without_root_is_found_where_there_is_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (usual, rootless) = (folder.path().join("usual.sock"), folder.path().join("docker.sock"));
        let own =
            || Surroundings { runtime: Some(folder.path().to_owned()), ..surroundings(folder.path(), None, None) };
        assert_eq!(own().own(&usual).host, USUAL);
        let _listener = UnixListener::bind(&rootless).unwrap();
        let found = own().own(&usual);
        assert_eq!(found.host, format!("unix://{}", rootless.display()));
        assert!(found.by.is_some_and(|by| by.contains("without root")) && !found.is_named);
        let _usual = UnixListener::bind(&usual).unwrap();
        assert_eq!(own().own(&usual).host, USUAL);
    }
}
