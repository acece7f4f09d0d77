//! Schedules: each second, those that are due ask for their jobs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jobs::JobRequest;
use jobs::record::FUNCTION;
use jobs::request::JobTarget;
use jobs::timetable::Timetable;
use tokio::time::MissedTickBehavior;

use crate::books::{NewJob, ScheduleRow, schedule_key};
use crate::core::Core;

const LOOKS: Duration = Duration::from_millis(250);

/// Fires schedules until the server ends. A quota keeps no schedule from its job: it was checked where it was made.
pub(crate) async fn fire(core: Arc<Core>) {
    let mut ticks = tokio::time::interval(LOOKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look(&core).await;
    }
}

/// Fires some of the schedules that are due; how many.
pub(crate) async fn look(core: &Core) -> usize {
    // What the store does not do now is due at the next look.
    let due = core.books.due_schedules(core.clock.now()).await.unwrap_or_default();
    let some = due.len();
    // At once: their changes share commits.
    futures_util::future::join_all(due.into_iter().map(|schedule| one(core, schedule))).await;
    some
}

async fn one(core: &Core, schedule: ScheduleRow) {
    let now = core.clock.now();
    let Ok(table) = Timetable::read(&schedule.body.cron, &schedule.body.zone) else { return };
    let (due, next) = table.due(schedule.last_at, now, schedule.body.missed);
    let mut jobs = Vec::new();
    for at in due {
        match job(core, &schedule, at) {
            Ok(job) => jobs.push(job),
            Err(why) => {
                eprintln!("dyninka: the schedule {} of {} asks for no job: {why}", schedule.name, schedule.tenant)
            }
        }
    }
    if let Ok(moved) = core.books.fire(schedule, jobs, next, now).await {
        core.counted(&moved);
        core.moved(&moved);
    }
}

/// The job of a time.
pub(crate) fn job(core: &Core, schedule: &ScheduleRow, at: i64) -> Result<NewJob, String> {
    let config = core.config();
    let request: JobRequest =
        JobRequest::read(schedule.body.job.to_string().as_bytes()).map_err(|mistake| mistake.to_string())?;
    let function = request.function.as_ref().map(|name| format!("{FUNCTION}{name}"));
    let target = match &function {
        Some(service) => {
            let name = request.function.as_deref().unwrap_or_default();
            // One that is not there is told when its job runs.
            let terms = core.functions.terms(&schedule.tenant, name).unwrap_or_default();
            JobTarget { service, inputs: &[], terms: terms.of_jobs() }
        }
        None => {
            let name = request.service.as_ref().or(config.last.as_ref()).ok_or("the app has no service")?;
            let target = config.targets.get(name).ok_or_else(|| format!("there is no service {name}"))?;
            JobTarget { service: name, inputs: &target.inputs, terms: target.terms }
        }
    };
    let id = uuid::Uuid::now_v7().to_string();
    let limits = &config.settings.limits;
    let mut record = request
        .record((id, &schedule.tenant), &target, limits, core.clock.now())
        .map_err(|mistake| mistake.to_string())?;
    record.key = Some(schedule_key(&schedule.name, at));
    Ok(NewJob { record, input: Bytes::from(request.input()), hash: "schedule".to_owned() })
}
