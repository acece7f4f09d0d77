//! A container that runs what a service runs, and is none: no network, no port, and removed with whoever asked for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, InspectContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt as _;
use parking_lot::{Mutex, MutexGuard};
use tokio::io::AsyncWriteExt as _;

use super::Inner;
use super::container::{mount, user, variables};
use crate::backend::{BackendError, Spec, Work};
use crate::engine;
use crate::environment::{self, FLAG};
use crate::image;

/// What is on its way from the container.
const ROOM: usize = 64 << 10;

/// Containers that wait for the next who asks, of all services and of one: it takes as long to start one as to ask all
/// there is to be asked, many times over.
const MOST_SPARE: usize = 8;
const MOST_SPARE_EACH: usize = 2;

/// Containers that are no service's.
#[derive(Default)]
pub(super) struct Working {
    /// Held while one is made.
    making: tokio::sync::RwLock<()>,
    /// Nobody has asked them anything yet. The oldest first.
    spare: Mutex<VecDeque<Begun>>,
}

impl Working {
    /// Has none that waits, and none that is made from now on: the backend closes. What is being made is made, and swept.
    pub(super) async fn end(&self) {
        drop(self.making.write().await);
        self.spare().clear();
    }

    fn spare(&self) -> MutexGuard<'_, VecDeque<Begun>> {
        self.spare.lock()
    }
}

/// A container that runs.
struct Begun {
    container: Container,
    input: Box<dyn tokio::io::AsyncWrite + Send + Unpin>,
    output: tokio::io::DuplexStream,
}

/// A container of ours, which goes with this value.
struct Container {
    inner: Arc<Inner>,
    name: String,
    /// As it was made.
    spec: Spec,
    arguments: Vec<String>,
    /// Somebody asked for it.
    is_used: bool,
}

impl Drop for Container {
    fn drop(&mut self) {
        let (inner, name) = (self.inner.clone(), std::mem::take(&mut self.name));
        let next = self.is_used.then(|| (self.spec.service.clone(), std::mem::take(&mut self.arguments)));
        // Without a runtime the session is over, and what carries its label is swept with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                drop(engine::remove(&inner.engine, &name).await);
                if let Some((service, arguments)) = next {
                    put_by(inner, &service, arguments).await;
                }
            });
        }
    }
}

pub(super) async fn start(inner: &Arc<Inner>, service: &str, arguments: &[&str]) -> Result<Work, BackendError> {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let mut begun = match take(inner, service, &arguments).await? {
        Some(begun) => begun,
        None => {
            let (inner, service) = (inner.clone(), service.to_owned());
            // Whoever asked may give up at any time: what is half made then is made, and goes at once.
            let made = tokio::spawn(async move { make(inner, &service, arguments).await }).await;
            made.unwrap_or_else(|error| Err(BackendError::Lacking(error.to_string())))?
        }
    };
    begun.container.is_used = true;
    let Begun { container, input, output } = begun;
    let ended = async move { container.ended().await };
    Ok(Work { input, output: Box::new(output), ended: Box::pin(ended) })
}

/// One that waits, made as it would be made now, and runs yet.
async fn take(inner: &Arc<Inner>, service: &str, arguments: &[String]) -> Result<Option<Begun>, BackendError> {
    let spec = inner.specs.get(service)?;
    let is_it = |begun: &Begun| begun.container.spec == spec && begun.container.arguments == arguments;
    loop {
        let found = {
            let mut spare = inner.working.spare();
            // Those of this service that were made otherwise are of no use any more.
            spare.retain(|begun| begun.container.spec.service != service || begun.container.spec == spec);
            spare.iter().position(is_it).and_then(|at| spare.remove(at))
        };
        let Some(begun) = found else { return Ok(None) };
        let state = inner.engine.inspect_container(&begun.container.name, None::<InspectContainerOptions>).await;
        if state.is_ok_and(|it| it.state.and_then(|state| state.running) == Some(true)) {
            open(&spec)?;
            return Ok(Some(begun));
        }
    }
}

/// Has what is in a service's folder be read by the container's user.
fn open(spec: &Spec) -> Result<(), BackendError> {
    let opening = BackendError::io(format!("open {} to its service", spec.folder.display()));
    image::open_to_readers(&spec.folder).map_err(opening)
}

/// Makes one for whoever asks next.
async fn put_by(inner: Arc<Inner>, service: &str, arguments: Vec<String>) {
    let is_enough = |spare: &VecDeque<Begun>| {
        spare.iter().filter(|begun| begun.container.spec.service == service).count() >= MOST_SPARE_EACH
    };
    if is_enough(&inner.working.spare()) {
        return;
    }
    // Where it fails, it is tried again by whoever needs one, and told.
    let Ok(begun) = make(inner.clone(), service, arguments).await else { return };
    let mut spare = inner.working.spare();
    if !is_enough(&spare) && !inner.closing.load(Ordering::Acquire) {
        spare.push_back(begun);
    }
    while spare.len() > MOST_SPARE {
        spare.pop_front();
    }
}

async fn make(inner: Arc<Inner>, service: &str, arguments: Vec<String>) -> Result<Begun, BackendError> {
    let _making = inner.working.making.read().await;
    if inner.closing.load(Ordering::Acquire) {
        return Err(BackendError::Lacking("the session ends".to_owned()));
    }
    let spec = inner.specs.get(service)?;
    let opened = inner.opened().clone().ok_or_else(|| BackendError::Unknown(service.to_owned()))?;
    if opened.is_carried {
        let why = "the engine that DOCKER_HOST names sees no file of this machine".to_owned();
        return Err(BackendError::Lacking(why));
    }
    let number = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ());
    let name = format!("{}-again-{number:016x}", inner.container(&spec));
    let container =
        Container { name, inner: inner.clone(), spec: spec.clone(), arguments: arguments.clone(), is_used: false };
    let name = container.name.clone();
    let folder = spec.folder.display().to_string();
    open(&spec)?;
    // What a library needs beside it is found there, and the service finds the same environment as where it serves.
    let told = inner.told(&spec.environment).await?;
    let (hides, open) = (!told.hidden.is_empty(), &told.open);
    let environment = variables(open, &folder);
    let arguments = arguments.into_iter().chain(["--objects".to_owned(), folder.clone()]);
    let host_config = HostConfig {
        mounts: Some(vec![mount(&spec.folder, &folder)]),
        network_mode: Some("none".to_owned()),
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..inner.rights(1)
    };
    let body = ContainerCreateBody {
        image: Some(opened.image),
        entrypoint: Some(vec![images::HOST.to_owned()]),
        cmd: Some(arguments.chain(hides.then(|| FLAG.to_owned())).collect()),
        hostname: Some(spec.host.clone()),
        env: Some(environment),
        user: Some(user()),
        labels: Some(inner.labels(None)),
        open_stdin: Some(true),
        stdin_once: Some(true),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    };
    let failed = |doing: &str| BackendError::engine(format!("{doing} the container that runs {service} again"));
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    inner.engine.create_container(Some(options), body).await.map_err(failed("create"))?;
    let options = AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).build();
    let mut attached = inner.engine.attach_container(&name, Some(options)).await.map_err(failed("attach to"))?;
    inner.engine.start_container(&name, None).await.map_err(failed("start"))?;
    let mut input = attached.input;
    if hides {
        environment::tell(&mut input, &told, service).await?;
    }
    let (output, mut writer) = tokio::io::duplex(ROOM);
    tokio::spawn(async move {
        while let Some(Ok(said)) = attached.output.next().await {
            // Nobody listens any more: what is said is for nobody.
            if let LogOutput::StdOut { message } = said
                && writer.write_all(&message).await.is_err()
            {
                return;
            }
        }
    });
    Ok(Begun { container, input: Box::new(input), output })
}

impl Container {
    /// How it ended, in words, once it has.
    async fn ended(&self) -> String {
        let engine = &self.inner.engine;
        // That it ended otherwise than well is an error here; what it was is looked up.
        engine.wait_container(&self.name, None::<WaitContainerOptions>).for_each(async |_| {}).await;
        match engine.inspect_container(&self.name, None::<InspectContainerOptions>).await {
            Ok(container) => {
                let state = container.state.unwrap_or_default();
                let memory = if state.oom_killed == Some(true) { ", for want of memory" } else { "" };
                format!("its container ended with {}{memory}", state.exit_code.unwrap_or_default())
            }
            Err(error) => protocol::error_chain(&error),
        }
    }
}
