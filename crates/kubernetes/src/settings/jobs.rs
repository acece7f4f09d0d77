//! `[jobs]`: durable jobs beside the app, in sessions.

use std::collections::BTreeSet;

use app::Memory;
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
    /// Whether tenants may register functions in JavaScript and run them as jobs, and what these get. Default: false.
    pub functions: FunctionsSaid,
    /// Whether the API of the NodeJS FaaS answers under `/u` and `/j`: true without a token, on this machine alone; "token" to
    /// those who have one. Needs `functions`. Default: false.
    pub kumori: KumoriSaid,
    /// Whether metrics have a series for each tenant, too. Default: false.
    pub tenant_metrics: bool,
    /// Where callbacks may go.
    pub callbacks: CallbacksTable,
}

/// What is said of functions of tenants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false or { max = 64, memory = \"64Mi\", policy = \"target\" }")]
pub enum FunctionsSaid {
    /// On or off.
    Flag(bool),
    /// On, with bounds.
    Table(FunctionsTable),
}

impl Default for FunctionsSaid {
    fn default() -> Self {
        Self::Flag(false)
    }
}

impl FunctionsSaid {
    /// The bounds; none where functions are off.
    pub fn table(&self) -> Option<FunctionsTable> {
        match self {
            Self::Flag(false) => None,
            Self::Flag(true) => Some(FunctionsTable::default()),
            Self::Table(table) => Some(table.clone()),
        }
    }
}

/// Bounds of functions of tenants. Being there turns them on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FunctionsTable {
    /// Number of processes that run functions. Default: 64.
    #[schemars(range(min = 1))]
    pub max: Option<usize>,
    /// Memory of one run, such as "64Mi". Default: "64Mi".
    #[schemars(with = "Option<String>")]
    pub memory: Option<Memory>,
    /// Rule by which the number of processes follows the load. Default: "target".
    pub policy: Option<FunctionPolicy>,
}

/// A rule by which the number of processes follows the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FunctionPolicy {
    /// As many as the load needs.
    Target,
    /// Each 5 seconds twice as many while more than 32 runs wait, half as many while fewer than 2 do.
    Doubling,
}

/// Who may use the API of the NodeJS FaaS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false or \"token\"")]
pub enum KumoriSaid {
    /// Everybody on this machine, or nobody.
    Flag(bool),
    /// Those who have a token.
    Word(KumoriWord),
}

/// A word for who may use the API of the NodeJS FaaS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KumoriWord {
    /// Those who have a token.
    Token,
}

impl Default for KumoriSaid {
    fn default() -> Self {
        Self::Flag(false)
    }
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
        let functions = |text: &str| jobs(&format!("[jobs]\nfunctions = {text}\n")).map(|said| said.functions.table());
        assert_eq!(functions("false"), Some(None));
        assert_eq!(functions("true"), Some(Some(FunctionsTable::default())));
        let bounded = functions("{ max = 8, memory = \"32Mi\", policy = \"doubling\" }").flatten().unwrap_or_default();
        assert_eq!((bounded.max, bounded.policy), (Some(8), Some(FunctionPolicy::Doubling)));
        assert_eq!(bounded.memory, Some(Memory::bytes(32 << 20)));
        assert_eq!(functions("{ maximum = 8 }"), None);
        let kumori = |text: &str| jobs(&format!("[jobs]\nkumori = {text}\n")).map(|said| said.kumori);
        assert_eq!(kumori("\"token\""), Some(KumoriSaid::Word(KumoriWord::Token)));
        assert_eq!((kumori("true"), kumori("\"yes\"")), (Some(KumoriSaid::Flag(true)), None));
        assert_eq!(jobs("[jobs]\nprot = 1\n"), None, "a mistake is reported with the others");
    }
}
