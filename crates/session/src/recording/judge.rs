//! Recorded inputs, run on the code before an edit and on the code now.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use local_cluster::Backend;
use recordings::replay::{Question, ReplayLimits, Subject};
use recordings::{Rules, Worker};
use session_api::verdict::Verdict;

use crate::effect::{Judge, Libraries};
use crate::event::Event;
use crate::recording::recorder::Recorder;
use crate::recording::work::AtHome;
use crate::store::home::AppPlace;

/// Answers what an edit changed. The process it runs functions in ends with it, however it ends.
pub(crate) async fn judge(backend: Arc<dyn Backend>, place: &AppPlace, recorder: &Recorder, judge: Judge) -> Event {
    let Judge { edit, services, subjects, libraries } = judge;
    let verdicts = run(backend, files(place, libraries), recorder, &services, subjects).await;
    Event::Judged { edit, verdicts }
}

/// A library's place in the folder of its service, by service and version.
pub(crate) fn files(place: &AppPlace, libraries: Libraries) -> BTreeMap<(String, String), PathBuf> {
    libraries.into_iter().map(|(key, (host, library))| (key, place.service(&host).join(library))).collect()
}

async fn run(
    backend: Arc<dyn Backend>,
    libraries: BTreeMap<(String, String), PathBuf>,
    recorder: &Recorder,
    services: &[String],
    subjects: BTreeMap<String, Subject>,
) -> Result<Vec<Verdict>, String> {
    let material = recorder.material();
    let question = Question {
        subjects,
        requests: material.requests,
        keyframes: material.keyframes,
        rules: Rules { ignore: recorder.ignore.clone(), ..Rules::default() },
        limits: ReplayLimits::default(),
        redacted: recorder.redacts(),
        known: recorder.known.clone(),
    };
    let mut worker = Worker::at(Arc::new(AtHome(backend)), libraries);
    let mut verdicts = Vec::new();
    for service in services {
        let verdict = question.judge(service, &mut worker).await.map_err(|error| error.to_string())?;
        verdicts.push(crate::recording::verdict::verdict(verdict));
    }
    Ok(verdicts)
}
