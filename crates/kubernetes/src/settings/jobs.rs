//! `[jobs]`: durable jobs beside the app, in sessions.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

/// Durable jobs beside the app, in sessions. Being there turns them on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobsTable {
    /// Port of 127.0.0.1 where jobs are accepted. Default: 8081, or a free one where that is taken.
    pub port: Option<u16>,
    /// Number of jobs that run at a time. Default: 32.
    #[schemars(range(min = 1))]
    pub workers: Option<usize>,
    /// Services that tenants may name besides the last of the flow. Default: none.
    pub open: BTreeSet<String>,
    /// File of the store, beside `dyn.toml`. Default: in the app's state folder.
    pub store: Option<String>,
    /// Whether tenants may register functions in JavaScript and run them as jobs. Default: false.
    pub functions: bool,
    /// Whether the API of the NodeJS FaaS answers under `/u` and `/j`, without a token. Needs `functions`. Default: false.
    pub kumori: bool,
    /// Where callbacks may go.
    pub callbacks: CallbacksTable,
}

/// Where callbacks of jobs may go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallbacksTable {
    /// Hosts that may have private addresses, such as "localhost". Default: none.
    pub allow: BTreeSet<String>,
    /// Whether callbacks may go by http. Default: false.
    pub insecure: bool,
}

/// The table alone, whatever else a text says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Alone {
    jobs: Option<JobsTable>,
}

/// The table of a `dyn.toml`; none where there is none, or where it has mistakes, which are reported with all others.
pub fn jobs(text: &str) -> Option<JobsTable> {
    toml::from_str::<Alone>(text).ok()?.jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_turns_jobs_on() {
        assert_eq!(jobs(""), None);
        assert_eq!(jobs("[jobs]\n"), Some(JobsTable::default()));
        let said = jobs("name = \"a\"\n[jobs]\nport = 9000\nworkers = 4\nopen = [\"map\"]\nstore = \"jobs.db\"\n");
        let said = said.unwrap_or_default();
        assert_eq!((said.port, said.workers, said.store.as_deref()), (Some(9000), Some(4), Some("jobs.db")));
        assert_eq!(jobs("[jobs]\nprot = 1\n"), None, "a mistake is reported with the others");
    }
}
