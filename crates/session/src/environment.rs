//! What a service finds in its environment: the same as a process, in a container, and where its function runs again.
//!
//! That is what every container has (`PATH`, `HOME`, `HOSTNAME`), what `inherit` in `dyn.toml` takes from the shell, and
//! what `env` says there. Nothing else of the shell comes along: what works here by a variable that happens to be set
//! works nowhere else.

mod buckets;
mod local;
mod near;
mod resources;

use std::collections::{BTreeMap, BTreeSet};
use std::env::VarError;
use std::sync::Arc;

use app::{App, Diagnostic, JobTerms, LoadTerms, SourcePlace};
use kubernetes::settings::{AppSettings, ServiceSettings, SettingsMistake, Variable};
use kubernetes::settings_file::SettingsError;
use local_cluster::Environment;

pub(crate) use buckets::lead_to_buckets;
pub(crate) use local::files;
pub use local::{LocalMistakes, LocalValues, Shell};
pub(crate) use near::{NearPlan, settle};
pub(crate) use resources::{lead, refused, specs};

use crate::placement::Together;
use crate::store::home::explain;

/// Where programs are looked for in a container that is told nothing else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The home of a user that a container knows nothing of.
const HOME: &str = "/";

/// The environments of an app's services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environments {
    /// By Rust name.
    pub(crate) services: BTreeMap<String, Environment>,
    /// Places of instances and buckets; none where no instance has a place.
    pub(crate) near: Option<NearPlan>,
    /// Buckets are at stores that a data server may keep in step.
    pub(crate) has_stores: bool,
    /// What somebody might miss, in words.
    pub(crate) notices: Vec<String>,
    /// Who wants to live together.
    pub(crate) together: Together,
    /// Hosts of each service that has several, by Rust name.
    pub(crate) instances: BTreeMap<String, u32>,
    /// What is said of jobs and load, by Rust name.
    pub(crate) terms: BTreeMap<String, ServiceTerms>,
}

/// What attributes and `dyn.toml` say of a service's jobs and load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceTerms {
    pub jobs: JobTerms,
    pub load: LoadTerms,
}

/// A service's environment; `host` is its DNS name. `env` goes before `env_file`. Where a variable is inherited as well, the
/// shell's value goes before both, which are then for whoever has none there. Secrets, and all of an env file, are
/// hidden from the engine.
pub fn environment(host: &str, said: &ServiceSettings, local: &LocalValues<'_>) -> Environment {
    let mut all: BTreeMap<&str, (String, bool)> = BTreeMap::new();
    all.extend(
        [("PATH", PATH), ("HOME", HOME), ("HOSTNAME", host)].map(|(name, value)| (name, (value.to_owned(), false))),
    );
    let file = said.env_file.as_ref().and_then(|name| local.files.get(name));
    all.extend(file.into_iter().flatten().map(|(name, value)| (name.as_str(), (value.clone(), true))));
    for (name, variable) in &said.env {
        let value = match variable {
            Variable::Text(text) => Some((text.clone(), false)),
            Variable::Secret(key) => local.secrets.get(key).map(|value| (value.clone(), true)),
            Variable::Config(_) => None,
        };
        all.extend(value.map(|value| (name.as_str(), value)));
    }
    for name in &said.inherit {
        let is_secret = matches!(said.env.get(name), Some(Variable::Secret(_)));
        all.extend((local.shell)(name).ok().map(|value| (name.as_str(), (value, is_secret))));
    }
    let mut environment = Environment { here: said.reach.clone(), ..Environment::default() };
    for (name, (value, is_hidden)) in all {
        // Where a session leads is this machine's to say.
        if said.reach.contains_key(name) {
            continue;
        }
        let part = if is_hidden { &mut environment.hidden } else { &mut environment.open };
        part.insert(name.to_owned(), value);
    }
    environment
}

impl Environments {
    /// Those of an app with these settings. `texts` are its files: a variable that they ask for and do not get is told of.
    pub(crate) fn of<'a>(
        app: &App,
        settings: &AppSettings,
        texts: impl IntoIterator<Item = &'a Arc<str>>,
        local: &LocalValues<'_>,
    ) -> Self {
        let shell = local.shell;
        let said = |service: &app::Service| settings.services.get(&service.name).cloned().unwrap_or_default();
        let all: Vec<(&app::Service, ServiceSettings)> =
            app.services.iter().map(|service| (service, said(service))).collect();
        let services: BTreeMap<String, Environment> =
            all.iter().map(|(service, said)| (service.name.clone(), environment(&service.host, said, local))).collect();
        let mut notices = Vec::new();
        // Told once for all services that have it from the same place.
        let mut absent: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
        let mut unreadable = BTreeSet::new();
        for (service, said) in &all {
            let has = |name: &str| services.get(&service.name).is_some_and(|given| given.has(name));
            for (name, variable) in said.env.iter().filter(|(name, _)| !has(name)) {
                // That a secret is missing is a mistake, and told as such.
                let Variable::Config(of) = variable else { continue };
                let origin = format!("the key {} of the ConfigMap {}", of.key, of.config);
                absent.entry((name, origin)).or_default().push(&service.name);
            }
            unreadable.extend(
                said.inherit
                    .iter()
                    .filter(|name| matches!(shell(name), Err(VarError::NotUnicode(_))))
                    .map(String::as_str),
            );
        }
        for ((name, origin), services) in absent {
            notices.push(format!(
                "{name} of {} comes from {origin}, which is on clusters only, and is not set here; \
                 inherit = [\"{name}\"] in dyn.toml takes it from the shell",
                services.join(", ")
            ));
        }
        notices.extend(unreadable.into_iter().map(|name| format!("{name} is not inherited: its value is no UTF-8")));
        let asked: BTreeSet<&str> = texts.into_iter().flat_map(|text| asked_for(text)).collect();
        for name in asked {
            let is_given = services.values().any(|given| given.has(name));
            let is_said = all.iter().any(|(_, said)| said.env.contains_key(name) || said.inherit.contains(name));
            if !is_given && !is_said && shell(name).is_ok() {
                notices.push(format!(
                    "{name} is set in the shell and asked for by the app, and services do not get it; \
                     inherit = [\"{name}\"] below [defaults] in dyn.toml takes it along"
                ));
            }
        }
        let terms =
            all.iter().map(|(service, said)| (service.name.clone(), ServiceTerms { jobs: said.jobs, load: said.load }));
        let terms = terms.collect();
        Self { services, notices, terms, ..Self::default() }
    }

    pub(crate) fn get(&self, service: &str) -> Environment {
        self.services.get(service).cloned().unwrap_or_default()
    }
}

/// The variables a text asks for by `var("NAME")` or `var_os("NAME")`. What asks in another way goes without a hint.
fn asked_for(text: &str) -> BTreeSet<&str> {
    let calls =
        ["var(", "var_os("].into_iter().flat_map(|call| text.match_indices(call).map(|(at, call)| at + call.len()));
    let name = |at: usize| {
        let (name, _) = text.get(at..)?.trim_start().strip_prefix('"')?.split_once('"')?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
    };
    calls.filter_map(name).collect()
}

/// The names of variables that differ.
pub(crate) fn differing(before: &Environment, now: &Environment) -> String {
    let (before, now) = (before.all(), now.all());
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    changed.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What is wrong with an app's `dyn.toml`, as findings beside those of its files.
pub fn findings(error: &SettingsError) -> Vec<Diagnostic> {
    match error {
        SettingsError::Read { file, source } => vec![Diagnostic::unreadable(file, &explain(source))],
        SettingsError::Mistakes { mistakes } => mistakes.iter().map(finding).collect(),
    }
}

/// What this machine lacks of an app's environment, as findings beside those of its files.
pub(crate) fn lacking(mistakes: &LocalMistakes) -> Vec<Diagnostic> {
    mistakes.files.iter().chain(&mistakes.secrets).map(finding).collect()
}

fn finding(mistake: &SettingsMistake) -> Diagnostic {
    let place = SourcePlace {
        file: mistake.file.clone(),
        line: mistake.line,
        column: mistake.column,
        end_line: mistake.line,
        end_column: mistake.column + 1,
    };
    Diagnostic { help: Some(mistake.help.clone()), ..Diagnostic::error(mistake.message.clone(), place) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    const APP: &str = r#"
        use dyninka::prelude::*;
        #[service] fn one() -> String { std::env::var("MODE").unwrap_or_default() }
        #[service] fn two_b(v: String) -> bool { std::env::var_os( "GREETING").is_some() && env::var("PATH").is_ok() }
        fn main() { one().two_b() }
    "#;

    fn shell(name: &str) -> Result<String, VarError> {
        match name {
            "MODE" => Ok("loud".to_owned()),
            "GREETING" => Ok("hi".to_owned()),
            "PASSWORD" => Ok("x".to_owned()),
            "PATH" => Ok("/home/me/bin".to_owned()),
            "ODD" => Err(VarError::NotUnicode(OsString::from_vec(vec![0xff]))),
            _ => Err(VarError::NotPresent),
        }
    }

    fn environments(text: &str) -> Environments {
        let mut sources = app::Sources { root: "app.rs".into(), ..app::Sources::default() };
        sources.texts.insert("app.rs".into(), APP.into());
        let (app, findings) = app::parse(&sources);
        assert_eq!(findings, []);
        let file = kubernetes::settings::read("dyn.toml".as_ref(), text, &app).unwrap();
        let values = BTreeMap::from(
            [("MODE", "file"), ("TOKEN", "of the file")].map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let key = kubernetes::settings::SecretKey { secret: "database".to_owned(), key: "url".to_owned() };
        let local = LocalValues {
            shell: &shell,
            files: BTreeMap::from([(".env".to_owned(), values)]),
            secrets: BTreeMap::from([(key, "s3cret".to_owned())]),
        };
        Environments::of(&app, &AppSettings::of(&app, &file), sources.texts.values(), &local)
    }

    fn of(all: &Environments, service: &str) -> String {
        let all = all
            .get(service)
            .all()
            .into_iter()
            .filter(|(name, _)| !["PATH", "HOME", "HOSTNAME"].contains(&name.as_str()));
        all.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nothing_of_the_shell_comes_along_unless_it_is_asked_for() {
        let none = environments("");
        assert_eq!(
            none.get("two_b").all(),
            BTreeMap::from([
                ("HOME".to_owned(), "/".to_owned()),
                ("HOSTNAME".to_owned(), "two-b".to_owned()),
                ("PATH".to_owned(), PATH.to_owned()),
            ])
        );
        let hints: Vec<&str> = none.notices.iter().map(|words| words.split(' ').next().unwrap()).collect();
        assert_eq!(hints, ["GREETING", "MODE"], "{:?}", none.notices);
    }

    #[test]
    fn the_shell_goes_before_the_service_before_the_app_before_the_base() {
        let all = environments(
            "[defaults]\ninherit = [\"GREETING\", \"UNSET\"]\nenv.GREETING = \"hello\"\nenv.UNSET = \"said\"\nenv.A = \"1\"\n\
             [services.two_b]\nenv.A = \"2\"\nenv.HOME = \"/tmp\"\ninherit = [\"PATH\"]\n[services.one]\nenv.MODE = \"\"\n",
        );
        assert_eq!(of(&all, "one"), "A=1 GREETING=hi MODE= UNSET=said");
        assert_eq!(of(&all, "two_b"), "A=2 GREETING=hi UNSET=said");
        assert_eq!((&*all.get("two_b").all()["PATH"], &*all.get("two_b").all()["HOME"]), ("/home/me/bin", "/tmp"));
        assert_eq!(all.notices, Vec::<String>::new());
        assert_eq!(differing(&all.get("one"), &all.get("two_b")), "A, HOME, HOSTNAME, MODE, PATH");
    }

    #[test]
    fn what_only_a_cluster_has_is_told_once_and_may_come_from_the_shell() {
        let of_cluster = "env.REGION = { config = \"place\", key = \"region\" }\n\
                          env.PASSWORD = { config = \"place\", key = \"word\" }\nenv.MODE = \"x\"\nenv.GREETING = \"x\"\n";
        let all = environments(&format!("[defaults]\ninherit = [\"ODD\"]\n{of_cluster}"));
        assert_eq!(of(&all, "one"), "GREETING=x MODE=x");
        let told = |name: &str, key: &str| {
            format!(
                "{name} of one, two_b comes from the key {key} of the ConfigMap place, which is on clusters only, and is \
                 not set here; inherit = [\"{name}\"] in dyn.toml takes it from the shell"
            )
        };
        assert_eq!(
            all.notices,
            [
                told("PASSWORD", "word"),
                told("REGION", "region"),
                "ODD is not inherited: its value is no UTF-8".to_owned()
            ]
        );
        let all = environments(&format!("[defaults]\ninherit = [\"PASSWORD\"]\n{of_cluster}"));
        assert_eq!(of(&all, "two_b"), "GREETING=x MODE=x PASSWORD=x");
        assert_eq!(all.notices.len(), 1);
    }

    #[test]
    fn secrets_and_env_files_are_hidden_and_what_is_nearer_wins() {
        let all = environments(
            "[defaults]\nenv_file = \".env\"\nenv.URL = { secret = \"database\", key = \"url\" }\n\
             env.PASSWORD = { secret = \"database\", key = \"url\" }\n\
             [services.one]\nenv.MODE = \"said\"\n[services.two_b]\ninherit = [\"PASSWORD\", \"MODE\"]\n",
        );
        assert_eq!(of(&all, "one"), "MODE=said PASSWORD=s3cret TOKEN=of the file URL=s3cret");
        assert_eq!(of(&all, "two_b"), "MODE=loud PASSWORD=x TOKEN=of the file URL=s3cret");
        let hidden = |service: &str| all.get(service).hidden.into_keys().collect::<Vec<_>>().join(" ");
        assert_eq!((&*hidden("one"), &*hidden("two_b")), ("PASSWORD TOKEN URL", "PASSWORD TOKEN URL"));
        assert!(!format!("{all:?}").contains("s3cret") && !format!("{all:?}").contains("of the file"), "{all:?}");
    }

    #[test]
    fn variables_are_seen_where_a_text_asks_for_them() {
        let asked = |text| asked_for(text).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(asked("env::var(\"A\"), var_os(\n \"B_2\") var(name) var(\"\") var(\"a b\") var(\"no end"), "A B_2");
        assert_eq!(asked(""), "");
    }
}
