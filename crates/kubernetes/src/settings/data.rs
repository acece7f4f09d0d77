//! `[data]`: stores of the app's buckets.

use protocol::near::{POLICIES, PickPolicy};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{File, MOST_INSTANCES};

/// Stores of the app's buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataTable {
    /// File beside `dyn.toml` with places, stores and buckets, such as "data.toml": the one that `dyn data serve` takes.
    pub settings: Option<String>,
    /// The same for clusters, whose pods see no folder and no loopback of this machine. Default: `settings`.
    pub cluster: Option<String>,
    /// Whether a push runs a data server beside the app, which keeps the copies in step and tells pods where data is. Its catalog
    /// is in a claim. Default: false.
    pub server: bool,
    /// Place whose copies the app reads, such as "hpc". Default: the master of each bucket is read.
    pub place: Option<String>,
    /// Choice among the instances that hold the data of a request: "near", "round_robin", "random", "first", "least_conn",
    /// "data_hash" or "latency". Default: "near", which prefers the caller's place.
    pub policy: Option<String>,
}

impl DataTable {
    /// The file with the stores that pods use.
    pub fn on_clusters(&self) -> Option<&str> {
        self.cluster.as_deref().or(self.settings.as_deref())
    }

    /// The policy that is named; one that is not known was told of.
    pub fn pick_policy(&self) -> PickPolicy {
        let named = |policy: &PickPolicy| self.policy.as_deref() == Some(policy.name());
        POLICIES.into_iter().find(named).unwrap_or_default()
    }
}

/// What makes no sense of `[data]` and of places: in words, how to mend it, and its keys.
pub(super) fn faults(file: &File) -> Vec<(String, String, Vec<&str>)> {
    let mut faults = Vec::new();
    let DataTable { settings, cluster, server, place, policy } = &file.data;
    let mend = "name the file with settings = \"data.toml\", or take the line out";
    let has_none = settings.is_none() && cluster.is_none();
    if *server && has_none {
        faults.push((
            "a data server has nothing to do without stores".to_owned(),
            mend.to_owned(),
            vec!["data", "server"],
        ));
    }
    if place.is_some() && has_none {
        faults.push(("a place says nothing without stores".to_owned(), mend.to_owned(), vec!["data", "place"]));
    }
    for (key, name) in [("settings", settings), ("cluster", cluster)] {
        if name.as_ref().is_some_and(String::is_empty) {
            let help = format!("write {key} = \"data.toml\"");
            faults.push((format!("{key} is the name of a file"), help, vec!["data", key]));
        }
    }
    let names = || POLICIES.iter().map(|policy| policy.name());
    if let Some(policy) = policy.as_deref().filter(|policy| names().all(|name| name != *policy)) {
        let help = app::suggest(policy, names(), "policies");
        faults.push((format!("{policy} is no policy"), help, vec!["data", "policy"]));
    }
    if !file.defaults.places.is_empty() {
        let help = "write them below [services.NAME], for a service that works on data".to_owned();
        faults.push(("not every service can have places".to_owned(), help, vec!["defaults", "places"]));
    }
    for (name, said) in file.services.iter().filter(|(_, said)| !said.places.is_empty()) {
        let count = said.places.len();
        let wrong = if has_none {
            Some(("places say nothing without stores".to_owned(), format!("[data]: {mend}")))
        } else if said.instances.is_some() {
            let help = "take instances out: there is one in each place".to_owned();
            Some((format!("{name} has places, and instances beside them"), help))
        } else if count > MOST_INSTANCES as usize {
            Some((format!("{count} is no number of instances"), format!("name 1 to {MOST_INSTANCES} places")))
        } else {
            None
        };
        faults.extend(wrong.map(|(message, help)| (message, help, vec!["services", name.as_str(), "places"])));
    }
    faults
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::POLICIES;
    use crate::settings::{AppSettings, read};

    #[test]
    fn policies_go_by_their_names_and_a_wrong_one_has_the_nearest() {
        let sources = app::Sources { root: "app.rs".into(), ..app::Sources::default() };
        let (app, _) = app::parse(&sources);
        let policy = |text: &str| read("dyn.toml".as_ref(), &format!("[data]\npolicy = \"{text}\"\n"), &app);
        for known in POLICIES {
            assert_eq!(policy(known.name()).unwrap().data.pick_policy(), known);
        }
        assert_eq!(policy("least_con").unwrap_err()[0].help, "did you mean least_conn?");
    }

    const APP: &str = "use dyninka::prelude::*;\nstatic A: Bucket = Bucket::named(\"images\");\n\
                       #[service] fn one() -> u8 { 1 } fn main() { one() }";

    #[test]
    fn stores_are_a_file_and_a_place_in_it_and_a_push_says_that_a_cluster_has_no_folder() {
        let mut sources = app::Sources { root: "app.rs".into(), ..app::Sources::default() };
        sources.texts.insert("app.rs".into(), APP.into());
        let (app, findings) = app::parse(&sources);
        assert_eq!(findings, []);
        let text = "[data]\nsettings = \"data.toml\"\nplace = \"hpc\"\n";
        let settings = AppSettings::of(&app, &read("dyn.toml".as_ref(), text, &app).unwrap());
        assert_eq!(
            (settings.data.settings.as_deref(), settings.data.place.as_deref()),
            (Some("data.toml"), Some("hpc"))
        );
        assert_eq!(settings.only_here(), [""; 0]);
        let only_here = AppSettings::of(&app, &read("dyn.toml".as_ref(), "", &app).unwrap()).only_here();
        assert!(only_here.len() == 1 && only_here[0].contains("(images), a cluster does not: name"), "{only_here:?}");
        for (text, wanted) in [
            ("[data]\nserver = true\n", "dyn.toml:2:1: a data server has nothing to do without stores"),
            ("[data]\nplace = \"hpc\"\n", "dyn.toml:2:1: a place says nothing without stores"),
            ("[data]\ncluster = \"\"\n", "dyn.toml:2:1: cluster is the name of a file"),
            ("[data]\nsettings = \"\"\n", "dyn.toml:2:1: settings is the name of a file"),
            ("[data]\nsetting = \"data.toml\"\n", "dyn.toml:2:1: "),
            ("[data]\npolicy = \"nearest\"\n", "dyn.toml:2:1: nearest is no policy"),
            ("[services.one]\nplaces = [\"hpc\"]\n", "dyn.toml:2:1: places say nothing without stores"),
            (
                "[data]\nsettings = \"d\"\n[services.one]\nplaces = [\"hpc\"]\ninstances = 2\n",
                "dyn.toml:4:1: one has places, and instances beside them",
            ),
            ("[defaults]\nplaces = [\"hpc\"]\n", "dyn.toml:2:1: not every service can have places"),
        ] {
            let mistakes = read("dyn.toml".as_ref(), text, &app).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].to_string().starts_with(wanted), "{mistakes:?}");
        }
    }
}
