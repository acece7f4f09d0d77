//! `[data]`: stores of the app's buckets, in sessions.

use schemars::JsonSchema;
use serde::Deserialize;

/// Stores of the app's buckets, in sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataTable {
    /// File beside `dyn.toml` with places, stores and buckets, such as "data.toml": the one that `dyn data serve` takes.
    pub settings: Option<String>,
    /// Place whose copies the app reads, such as "hpc". Default: the master of each bucket is read.
    pub place: Option<String>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use crate::settings::{AppSettings, read};

    const APP: &str = "use dyninka::prelude::*;\nstatic A: Bucket = Bucket::named(\"images\");\n\
                       #[service] fn one() -> u8 { 1 } fn main() { one() }";

    #[test]
    fn stores_are_a_file_and_a_place_in_it_and_a_push_says_that_a_cluster_has_no_buckets() {
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
        let only_here = settings.only_here();
        assert!(only_here.len() == 1 && only_here[0].contains("(images), a cluster does not yet"), "{only_here:?}");
        for (text, wanted) in [
            ("[data]\nplace = \"hpc\"\n", "dyn.toml:2:1: a place says nothing without stores"),
            ("[data]\nsettings = \"\"\n", "dyn.toml:2:1: settings is the name of a file"),
            ("[data]\nsetting = \"data.toml\"\n", "dyn.toml:2:1: "),
        ] {
            let mistakes = read("dyn.toml".as_ref(), text, &app).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].to_string().starts_with(wanted), "{mistakes:?}");
        }
    }
}
