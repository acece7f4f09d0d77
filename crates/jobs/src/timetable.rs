//! When a schedule is due: cron expressions, in a time zone.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What becomes of times that passed while no server ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// Nothing.
    Skip,
    /// One job for all of them.
    #[default]
    Once,
    /// A job for each, a hundred at most.
    All,
}

/// Most jobs for times that were missed.
const MOST_MISSED: usize = 100;

/// A cron expression in a zone.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
}

impl Timetable {
    /// Reads an expression of five or six fields, or a word such as `@hourly`, and the name of a zone.
    pub fn read(cron: &str, zone: &str) -> Result<Self, String> {
        if cron.len() > LONGEST {
            return Err(format!("the cron expression is longer than {LONGEST} bytes"));
        }
        // The parser takes an empty element for a field that never matches, and then looks for thousands of years.
        if cron.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
            return Err(format!("{cron:?} is no cron expression: a list has an empty element"));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser.parse(cron).map_err(|error| format!("{cron:?} is no cron expression: {error}"))?;
        let zone = TimeZone::get(zone).map_err(|_| format!("{zone:?} is no time zone, such as Europe/Paris or UTC"))?;
        Ok(Self { cron, zone })
    }

    /// The first time after a time, both in milliseconds since 1970; none where there is none within bounds.
    pub fn after(&self, millis: i64) -> Option<i64> {
        let from = Timestamp::from_millisecond(millis).ok()?;
        let from: Zoned = from.to_zoned(self.zone.clone());
        self.cron.find_next_occurrence(&from, false).ok().map(|next| next.timestamp().as_millisecond())
    }

    /// The times that are due at `now` since the last one that was seen to, and the next one after them.
    pub fn due(&self, last: i64, now: i64, missed: Missed) -> (Vec<i64>, Option<i64>) {
        let mut due = Vec::new();
        let mut next = self.after(last);
        let mut passed = 0;
        while let Some(at) = next.filter(|at| *at <= now) {
            passed += 1;
            if passed > MOST_LOOKED_AT {
                // Years of minutes: what is skipped is not worth walking through.
                next = self.after(now);
                break;
            }
            due.push(at);
            if due.len() > MOST_MISSED {
                due.remove(0);
            }
            next = self.after(at);
        }
        // One that is late by a moment was not missed.
        let is_on_time = |at: &i64| now - at < ON_TIME_MS;
        match missed {
            Missed::All => {}
            Missed::Once => due.drain(..due.len().saturating_sub(1)).for_each(drop),
            Missed::Skip => due.retain(is_on_time),
        }
        (due, next)
    }
}

const LONGEST: usize = 200;
const ON_TIME_MS: i64 = 5_000;
const MOST_LOOKED_AT: usize = 100_000;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn times_follow_the_zone_over_changes_of_its_clock() {
        let daily = Timetable::read("30 2 * * *", "UTC").unwrap();
        assert_eq!(daily.after(at("2026-03-28T02:30:00Z")), Some(at("2026-03-29T02:30:00Z")));
        let hourly = Timetable::read("@hourly", "UTC").unwrap();
        assert_eq!(hourly.after(at("2026-12-31T23:00:00Z")), Some(at("2027-01-01T00:00:00Z")));
        let seconds = Timetable::read("*/10 * * * * *", "UTC").unwrap();
        assert_eq!(seconds.after(at("2026-01-01T00:00:01Z")), Some(at("2026-01-01T00:00:10Z")));
    }

    #[test]
    fn what_never_comes_is_refused_or_has_no_time() {
        for empty in ["*/5 , * * *", "*/5 1, * * *", ",1 * * * *", "* * * * 1,,2"] {
            assert!(Timetable::read(empty, "UTC").unwrap_err().contains("empty element"), "{empty}");
        }
        let never = Timetable::read("0 0 30 2 *", "UTC").unwrap();
        assert_eq!(never.after(at("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn missed_times_are_skipped_made_up_for_once_or_all() {
        let table = Timetable::read("*/5 * * * *", "UTC").unwrap();
        let (last, now) = (at("2026-01-01T09:00:00Z"), at("2026-01-01T12:02:00Z"));
        let next = Some(at("2026-01-01T12:05:00Z"));
        assert_eq!(table.due(last, now, Missed::Skip), (vec![], next));
        assert_eq!(table.due(last, now, Missed::Once), (vec![at("2026-01-01T12:00:00Z")], next));
        assert_eq!(table.due(last, now, Missed::All).0.len(), 36);
        let on_time = at("2026-01-01T09:05:00.020Z");
        for missed in [Missed::Skip, Missed::Once, Missed::All] {
            assert_eq!(table.due(last, on_time, missed).0, [at("2026-01-01T09:05:00Z")], "{missed:?}");
        }
        assert_eq!(table.due(at("2020-01-01T00:00:00Z"), now, Missed::All).0.len(), 100);
    }

    #[test]
    fn wrong_expressions_and_zones_are_told_apart() {
        for wrong in ["", "* * *", "61 * * * *", "a b c d e", &"* ".repeat(500)] {
            assert!(Timetable::read(wrong, "UTC").unwrap_err().contains("cron"), "{wrong}");
        }
        assert!(Timetable::read("@daily", "Mars/Olympus").unwrap_err().contains("time zone"));
        let never = Timetable::read("0 0 30 2 *", "UTC");
        assert!(never.is_err() || never.unwrap().after(0).is_none(), "there is no 30th of February");
    }
}
