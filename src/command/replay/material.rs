//! What `dyn replay` needs: the recording, the app, and every service's library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use app::App;
use compiler::{Builder, Progress};
use kubernetes::settings_file::SettingsError;
use recordings::replay::{Environments, Known, Question, ReplayLimits, Subject, stand_in};
use recordings::{Pattern, Reader, Request, Rules, saved};
use session::Home;

use crate::arguments::Replay;
use crate::fault::{Fault, Kind};
use crate::{finding, speech};

/// Requests of a recording that are read: many more than are run of each function.
const MOST_READ: usize = 20_000;

/// How long one run of a function may take: nobody waits at a view, and a busy machine of CI is no finding.
const LONGEST_RUN: Duration = Duration::from_secs(20);

/// What is asked, and of what.
pub(super) struct Material {
    /// The recording, as the user named it.
    pub(super) name: String,
    /// The app it is asked of.
    pub(super) question_of: String,
    pub(super) question: Question,
    /// Services that took part, in the order of the file.
    pub(super) services: Vec<String>,
    /// Services that took part and are none any more.
    pub(super) gone: Vec<String>,
    pub(super) libraries: BTreeMap<(String, String), PathBuf>,
    /// What services find in their environment.
    pub(super) environments: Environments,
    /// What is to be known of the recording.
    pub(super) notices: Vec<String>,
}

/// Reads the recording, and has every service built.
pub(super) async fn gather(replay: &Replay) -> Result<Material, Fault> {
    let app = load(&replay.file)?;
    let environments = environments(&replay.file, &app)?;
    let reader = open(&replay.file, &replay.recording)?;
    let mut notices = notices(&reader, &app)?;
    let mut requests = read(&reader)?;
    let keyframes = reader.keyframes().map_err(wrong)?.into_iter().map(Arc::new).collect();
    let against = replay.against.as_deref().map(|name| Against::read(&replay.file, name)).transpose()?;
    if let Some(Against::Recording(other)) = &against {
        // Oldest first, as calls are matched in their order.
        let (numbers, mut own): (Vec<_>, Vec<_>) = requests.into_iter().rev().unzip();
        let gone = stand_in(&mut own, other);
        if gone > 0 {
            notices.push(format!("{gone} calls have no like in the other recording and are left out"));
        }
        requests = numbers.into_iter().zip(own).rev().collect();
    }
    let took_part: BTreeSet<String> =
        requests.iter().flat_map(|(_, request)| &request.hops).map(|hop| hop.service.clone()).collect();
    let (services, gone) = divide(&app, &took_part, replay)?;
    let (mut subjects, libraries) = build(replay, &app, against.as_ref()).await?;
    if let Some(Against::Recording(_)) = against {
        // Values of two recordings do not lead from one to the next.
        subjects.values_mut().for_each(|subject| subject.feeds.clear());
    }
    for notice in &notices {
        drop(speech::err(format_args!("notice: {notice}")));
    }
    let header = reader.header();
    let paths = header.ignore.iter().chain(&replay.ignore);
    let rules =
        Rules { ignore: patterns(paths)?, tolerance: replay.tolerance, unordered: patterns(&replay.unordered)? };
    let question = Question {
        subjects,
        requests: requests.into_iter().map(|(number, request)| (number, Arc::new(request))).collect(),
        keyframes,
        rules,
        limits: ReplayLimits {
            calls: replay.calls,
            shown: replay.shown,
            timeout: LONGEST_RUN,
            ..ReplayLimits::default()
        },
        redacted: !header.redactions.is_empty(),
        known: Known::default(),
    };
    let (name, question_of) = (replay.recording.clone(), app.name);
    Ok(Material { name, question_of, question, services, gone, libraries, environments, notices })
}

/// Those that `dyn dev` would give the services.
fn environments(file: &Path, app: &App) -> Result<Environments, Fault> {
    let settings = kubernetes::settings_file::load(file, app).map_err(|error| {
        finding::print(&session::findings(&error));
        Fault::said(Kind::App)
    })?;
    let names = app.services.iter().map(|service| service.name.as_str()).collect();
    let shell = |name: &str| std::env::var(name);
    let (local, mistakes) = session::LocalValues::read(file, &settings, &names, &shell);
    if !mistakes.files.is_empty() {
        finding::print(&session::findings(&SettingsError::Mistakes { mistakes: mistakes.files }));
        return Err(Fault::said(Kind::App));
    }
    // Recorded answers stand in for what a function asks others: it may well do without.
    for missing in &mistakes.secrets {
        drop(speech::err(format_args!("notice: {missing}; its variable is not set")));
    }
    for name in settings.resources.keys() {
        drop(speech::err(format_args!("notice: {name} of dyn.toml is not started; its variables are not set")));
    }
    let of = |service: &app::Service| {
        let said = settings.services.get(&service.name).cloned().unwrap_or_default();
        (service.name.clone(), session::environment(&service.host, &said, &local).all())
    };
    Ok(app.services.iter().map(of).collect())
}

/// Calls of a recording for tests of the app, so many of each function, and the recording's folder.
pub(crate) fn cases(file: &Path, name: &str, calls: usize) -> Result<(Question, PathBuf), Fault> {
    let app = load(file)?;
    let reader = open(file, name)?;
    let requests = read(&reader)?;
    let keyframes = reader.keyframes().map_err(wrong)?.into_iter().map(Arc::new).collect();
    let subject = |service: &app::Service| (service.name.clone(), session::subject(&app, service, None, String::new()));
    let question = Question {
        subjects: app.services.iter().map(subject).collect(),
        requests: requests.into_iter().map(|(number, request)| (number, Arc::new(request))).collect(),
        keyframes,
        rules: Rules::default(),
        limits: ReplayLimits { calls, ..ReplayLimits::default() },
        redacted: !reader.header().redactions.is_empty(),
        known: Known::default(),
    };
    Ok((question, reader.folder().to_owned()))
}

/// What stands for the code before.
enum Against {
    /// A library that is still kept of one service.
    Version(String),
    /// What another recording says.
    Recording(Vec<Request>),
}

impl Against {
    fn read(file: &Path, name: &str) -> Result<Self, Fault> {
        if name.contains('@') {
            return Ok(Self::Version(name.to_owned()));
        }
        let mut requests: Vec<_> = read(&open(file, name)?)?.into_iter().map(|(_, request)| request).collect();
        requests.reverse();
        Ok(Self::Recording(requests))
    }
}

/// The app, or what is wrong with it.
pub(super) fn load(file: &Path) -> Result<App, Fault> {
    let (app, diagnostics, _) = session::load(file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    Ok(app)
}

/// The recording of that name.
pub(super) fn open(file: &Path, name: &str) -> Result<Reader, Fault> {
    let folder = saved::find(file, name).map_err(|error| {
        Fault::new(Kind::App, error.to_string())
            .hint(format!("`dyn recordings {}` lists what there is", file.display()))
    })?;
    Reader::open(&folder).map_err(wrong)
}

/// The newest requests, newest first; one that does not read is said and left out.
pub(super) fn read(reader: &Reader) -> Result<Vec<(u64, Request)>, Fault> {
    let mut requests = Vec::new();
    for request in reader.newest(MOST_READ) {
        match request {
            Ok(request) => requests.push(request),
            Err(error @ recordings::ReadError::Request { .. }) => {
                drop(speech::err(format_args!("notice: {error}")));
            }
            Err(error) => return Err(wrong(error)),
        }
    }
    Ok(requests)
}

fn wrong(error: recordings::ReadError) -> Fault {
    Fault::new(Kind::App, error.to_string())
}

/// What is to be known of the recording; refused where it has nothing to do with the app.
fn notices(reader: &Reader, app: &App) -> Result<Vec<String>, Fault> {
    let summary = reader.summary().map_err(wrong)?;
    let mut notices = Vec::new();
    if summary.app != app.name {
        notices.push(format!(
            "it is a recording of {}, not of {}: services of the same name are run",
            summary.app, app.name
        ));
    }
    if summary.unread > 0 {
        notices.push(format!("{} lines of it do not read and are left out", summary.unread));
    }
    if summary.lost > 0 {
        notices.push(format!("{} requests were not recorded: the disk was slow or full", summary.lost));
    }
    if reader.len() > MOST_READ {
        notices.push(format!("of its {} requests the newest {MOST_READ} are looked at", reader.len()));
    }
    Ok(notices)
}

/// The services to ask about, and those that are gone.
fn divide(app: &App, took_part: &BTreeSet<String>, replay: &Replay) -> Result<(Vec<String>, Vec<String>), Fault> {
    let wanted = |name: &str| replay.service.is_empty() || replay.service.iter().any(|one| one == name);
    if let Some(unknown) = replay.service.iter().find(|name| !took_part.contains(*name)) {
        let known: Vec<_> = took_part.iter().map(String::as_str).collect();
        return Err(Fault::new(Kind::Usage, format!("{unknown} took no part in {}", replay.recording))
            .hint(format!("services that did: {}", known.join(", "))));
    }
    let services: Vec<String> = app.services.iter().map(|service| service.name.clone()).collect();
    let gone: Vec<_> = took_part.iter().filter(|name| !services.contains(name) && wanted(name)).cloned().collect();
    let services: Vec<_> = services.into_iter().filter(|name| took_part.contains(name) && wanted(name)).collect();
    if services.is_empty() && !took_part.is_empty() && replay.service.is_empty() {
        return Err(Fault::new(Kind::App, format!("no service of {} took part in {}", app.name, replay.recording)));
    }
    Ok((services, gone))
}

type Libraries = BTreeMap<(String, String), PathBuf>;

/// Builds what is not built, and finds the version it is compared with.
async fn build(
    replay: &Replay,
    app: &App,
    against: Option<&Against>,
) -> Result<(BTreeMap<String, Subject>, Libraries), Fault> {
    let home = Home::open()?;
    let machine = |error: compiler::BuildError| {
        finding::print(&error.diagnostics());
        let fault = Fault::new(Kind::App, error.to_string());
        error.hint().into_iter().fold(fault, Fault::hint)
    };
    let listener = |progress| {
        if let Progress::Notice(notice) = progress {
            drop(speech::err(format_args!("notice: {notice}")));
        }
    };
    let builder = Builder::open(&replay.file, &home.build(), listener).map_err(machine)?;
    let built = app.services.iter().map(|service| builder.build(app, &service.name));
    let built = futures_util::future::try_join_all(built).await.map_err(machine)?;
    let (mut subjects, mut libraries) = (BTreeMap::new(), Libraries::new());
    for (service, artifact) in app.services.iter().zip(built) {
        libraries.insert((service.name.clone(), artifact.version.clone()), artifact.path);
        subjects.insert(service.name.clone(), session::subject(app, service, None, artifact.version));
    }
    if let Some(Against::Version(version)) = against {
        let name = version.split('@').next().unwrap_or_default();
        let unknown = |why: String| Fault::new(Kind::Usage, why).hint("versions are in `dyn status` and in recordings");
        let subject =
            subjects.get_mut(name).ok_or_else(|| unknown(format!("{version} is of no service of {}", app.name)))?;
        let library = builder.kept(version).ok_or_else(|| unknown(format!("no library is kept of {version}")))?;
        libraries.insert((name.to_owned(), version.clone()), library);
        subject.was = Some(version.clone());
    }
    Ok((subjects, libraries))
}

fn patterns<'a>(paths: impl IntoIterator<Item = &'a String>) -> Result<Vec<Pattern>, Fault> {
    let read = paths.into_iter().map(|path| Pattern::read(path));
    read.collect::<Result<_, _>>().map_err(|error| Fault::new(Kind::Usage, error.to_string()))
}
