//! What a node tells a neighbour of its load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of a report's form.
const FORM: u32 = 1;
/// More than this is no report.
const LONGEST: usize = 64 << 10;
const MOST_SERVICES: usize = 1_000;
const LONGEST_NAME: usize = 200;
const MOST: f64 = 1e15;

/// A report to one neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    pub v: u32,
    pub seq: u64,
    /// The percentage of this node's thresholds that the neighbour may use.
    pub margin: f64,
    /// CPU in use, in percent of one core.
    pub cpu: f64,
    /// CPU that services may use, in percent of one core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<f64>,
    /// Power in use, and the most, in µW, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<(f64, f64)>,
    /// By app and service.
    pub apps: BTreeMap<String, BTreeMap<String, ReportedService>>,
}

/// A service in a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedService {
    /// The schema of what it takes and gives.
    pub schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    pub users: f64,
    pub served: f64,
    /// The rate that does not fit.
    pub need: f64,
    /// The rate that is taken from this neighbour.
    pub offer: f64,
    pub p50_us: u64,
    pub replicas: u32,
}

/// Bytes that are no report.
#[derive(Debug, thiserror::Error)]
pub enum LoadReportError {
    #[error("the report has {0} bytes: {LONGEST} are the most")]
    Long(usize),
    #[error("the report does not read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the report is of form {0}: this node reads form {FORM}")]
    Form(u32),
    #[error("the report names {0} services: {MOST_SERVICES} are the most")]
    Services(usize),
    #[error("the report names something of {0} bytes: {LONGEST_NAME} are the most")]
    Name(usize),
    #[error("the report says that {what} is {value}")]
    Number { what: &'static str, value: f64 },
}

impl LoadReport {
    pub fn new(seq: u64) -> Self {
        Self { v: FORM, seq, margin: 0.0, cpu: 0.0, capacity: None, power: None, apps: BTreeMap::new() }
    }

    /// Reads a report of somebody who may say anything.
    pub fn read(bytes: &[u8]) -> Result<Self, LoadReportError> {
        if bytes.len() > LONGEST {
            return Err(LoadReportError::Long(bytes.len()));
        }
        let report: Self = serde_json::from_slice(bytes)?;
        report.check()?;
        Ok(report)
    }

    fn check(&self) -> Result<(), LoadReportError> {
        if self.v != FORM {
            return Err(LoadReportError::Form(self.v));
        }
        let services = self.apps.values().map(BTreeMap::len).sum();
        if services > MOST_SERVICES {
            return Err(LoadReportError::Services(services));
        }
        let names = self.apps.iter().flat_map(|(app, services)| services.keys().chain([app]));
        if let Some(name) = names.into_iter().find(|name| name.len() > LONGEST_NAME) {
            return Err(LoadReportError::Name(name.len()));
        }
        number("margin", self.margin)?;
        number("cpu", self.cpu)?;
        number("capacity", self.capacity.unwrap_or_default())?;
        let (power, most) = self.power.unwrap_or_default();
        number("power", power)?;
        number("most power", most)?;
        for service in self.apps.values().flat_map(BTreeMap::values) {
            number("limit", service.limit.unwrap_or_default())?;
            for (what, value) in
                [("users", service.users), ("served", service.served), ("need", service.need), ("offer", service.offer)]
            {
                number(what, value)?;
            }
        }
        Ok(())
    }
}

fn number(what: &'static str, value: f64) -> Result<(), LoadReportError> {
    if (0.0..=MOST).contains(&value) { Ok(()) } else { Err(LoadReportError::Number { what, value }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LoadReport, String> {
        LoadReport::read(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_report_reads_as_it_was_written_and_nonsense_is_refused() {
        let text = r#"{"v":1,"seq":412,"margin":20.0,"cpu":41.0,"apps":{"banner":{"banner":{"schema":"1a2b3c4d","limit":200.0,
            "users":350.2,"served":200.0,"need":150.2,"offer":0.0,"p50_us":140,"replicas":1}}}}"#;
        let report = read(text).expect("it reads");
        assert_eq!(read(&serde_json::to_string(&report).expect("JSON")), Ok(report));
        for (from, to, words) in [
            ("350.2", "-1", "users is -1"),
            ("150.2", "1e300", "need is 1"),
            ("\"v\":1", "\"v\":2", "form 2"),
            ("\"seq\":412,", "", "missing field `seq`"),
            ("20.0", "NaN", "does not read"),
            ("\"cpu\":41.0", "\"cpu\":41.0,\"capacity\":-1", "capacity is -1"),
            ("\"cpu\":41.0", "\"cpu\":41.0,\"power\":[1,-1]", "most power is -1"),
        ] {
            let said = read(&text.replace(from, to)).expect_err(from);
            assert!(said.contains(words), "{said}");
        }
        assert!(read(&" ".repeat(LONGEST + 1)).expect_err("long").contains("65537 bytes"));
        assert!(read(&"[".repeat(60_000)).is_err());
        let many: BTreeMap<String, ReportedService> = (0..1001).map(|at| (at.to_string(), report_of("s"))).collect();
        let report = LoadReport { apps: BTreeMap::from([("a".to_owned(), many)]), ..LoadReport::new(1) };
        assert!(report.check().expect_err("many").to_string().contains("1001 services"));
    }

    fn report_of(schema: &str) -> ReportedService {
        ReportedService {
            schema: schema.to_owned(),
            limit: None,
            users: 0.0,
            served: 0.0,
            need: 0.0,
            offer: 0.0,
            p50_us: 0,
            replicas: 1,
        }
    }
}
