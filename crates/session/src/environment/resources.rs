//! Servers that a session starts for an app, in the environment of its services.

use std::collections::BTreeMap;
use std::path::Path;

use app::Diagnostic;
use kubernetes::settings::{AppSettings, ResourcePart, ResourceServer};
use kubernetes::settings_file;
use local_cluster::{ResourceAccess, ResourceError, ResourceProgram, ResourceSpec};

use super::{Environments, finding};

/// The servers that an app asks for.
pub(crate) fn specs(settings: &AppSettings) -> BTreeMap<String, ResourceSpec> {
    let program = |server| match server {
        ResourceServer::Postgres => ResourceProgram::Postgres,
        ResourceServer::Redis => ResourceProgram::Redis,
        ResourceServer::Mosquitto => ResourceProgram::Mosquitto,
    };
    let all = settings.resources.iter();
    all.map(|(name, said)| (name.clone(), ResourceSpec { program: program(said.server), port: said.port })).collect()
}

/// Has services find the servers that run. What they are told of them goes before everything else.
pub(crate) fn lead(
    environments: &mut Environments,
    settings: &AppSettings,
    running: &BTreeMap<String, ResourceAccess>,
) {
    for (service, environment) in &mut environments.services {
        let Some(said) = settings.services.get(service) else { continue };
        for (variable, (resource, part)) in &said.resources {
            let Some(access) = running.get(resource) else { continue };
            environment.open.remove(variable);
            environment.hidden.remove(variable);
            let variable = variable.clone();
            match part {
                ResourcePart::Url => drop(environment.urls.insert(variable, access.url.clone())),
                ResourcePart::Address => drop(environment.here.insert(variable, access.url.at)),
                ResourcePart::User => drop(environment.hidden.insert(variable, access.user.clone())),
                ResourcePart::Password => drop(environment.hidden.insert(variable, access.password.clone())),
            }
        }
    }
}

/// Why servers do not run, as findings at their lines of `dyn.toml`.
pub(crate) fn refused(file: &Path, errors: &[(String, ResourceError)]) -> Vec<Diagnostic> {
    let told = |(name, error): &(String, ResourceError)| {
        let place = vec!["resources", name.as_str()];
        finding(&settings_file::mistake(file, &[place], format!("cannot start {name}: {error}"), error.hint()))
    };
    errors.iter().map(told).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::net::SocketAddr;

    use local_cluster::LocalUrl;

    use super::*;
    use crate::environment::LocalValues;

    const APP: &str = "use dyninka::prelude::*; #[service] fn one() -> u8 { 1 } fn main() { one() }";

    #[test]
    fn services_find_servers_that_run_before_anything_else_and_no_password_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.rs");
        let text = "[defaults]\nenv.DB_URL = \"of.the.cluster\"\n[resources]\ndb = \"postgres\"\n\
                    cache = { server = \"redis\", port = 6379 }\n";
        std::fs::write(file.with_file_name("dyn.toml"), text).unwrap();
        let mut sources = app::Sources { root: file.clone(), ..app::Sources::default() };
        sources.texts.insert(file.clone(), APP.into());
        let (app, _) = app::parse(&sources);
        let settings = settings_file::load(&file, &app).unwrap();
        let wanted = specs(&settings);
        assert_eq!(wanted["db"], ResourceSpec { program: ResourceProgram::Postgres, port: None });
        assert_eq!(wanted["cache"], ResourceSpec { program: ResourceProgram::Redis, port: Some(6379) });

        let shell = |_: &str| Err(std::env::VarError::NotPresent);
        let (local, mistakes) = LocalValues::read(&file, &settings, &["one"].into(), &shell);
        assert_eq!(mistakes, crate::environment::LocalMistakes::default(), "no secret is looked up for them");
        assert!(crate::environment::files(&file, &settings).is_empty());
        let mut all = Environments::of(&app, &settings, sources.texts.values(), &local);
        let at = SocketAddr::from(([127, 0, 0, 1], 5000));
        let url = LocalUrl { head: "postgres://app:s3cret@".to_owned(), at, tail: "/postgres".to_owned() };
        let db = ResourceAccess { url, user: "app".to_owned(), password: "s3cret".to_owned() };
        lead(&mut all, &settings, &BTreeMap::from([("db".to_owned(), db)]));
        let found = all.get("one").all();
        assert_eq!(found["DB_URL"], "postgres://app:s3cret@127.0.0.1:5000/postgres");
        assert_eq!(
            (&*found["DB_ADDRESS"], &*found["DB_USER"], &*found["DB_PASSWORD"]),
            ("127.0.0.1:5000", "app", "s3cret")
        );
        assert!(!found.contains_key("CACHE_URL"), "it does not run");
        assert!(!format!("{all:?}").contains("s3cret"), "{all:?}");

        let missing = ResourceError::NotInstalled { program: ResourceProgram::Redis };
        let told = refused(&file, &[("cache".to_owned(), missing)]);
        let place = told[0].place.clone();
        assert_eq!((told[0].message.as_str(), place.line), ("cannot start cache: redis-server is not installed", 5));
        assert!(told[0].help.as_ref().unwrap().contains("apt install redis-server"));
    }
}
