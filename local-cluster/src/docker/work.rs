//! A container that runs what a service runs, and is none: no network, no port, and removed with whoever asked for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bollard::container::LogOutput;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, InspectContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::{Inner, user};
use crate::engine;
use crate::ground::{GroundError, Work};
use crate::image;

/// What is on its way from the container.
const ROOM: usize = 64 << 10;

/// A container of ours, which goes with this value.
struct Container {
    inner: Arc<Inner>,
    name: String,
}

impl Drop for Container {
    fn drop(&mut self) {
        let (inner, name) = (self.inner.clone(), std::mem::take(&mut self.name));
        // Without a runtime the session is over, and what carries its label is swept with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(engine::remove(&inner.engine, &name).await) });
        }
    }
}

pub(super) async fn start(inner: &Arc<Inner>, service: &str, arguments: &[&str]) -> Result<Work, GroundError> {
    let (inner, service) = (inner.clone(), service.to_owned());
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    // Whoever asked may give up at any time: what is half made then is made, and goes at once.
    let made = tokio::spawn(async move { make(inner, &service, arguments).await }).await;
    made.unwrap_or_else(|error| Err(GroundError::Lacking(error.to_string())))
}

async fn make(inner: Arc<Inner>, service: &str, arguments: Vec<String>) -> Result<Work, GroundError> {
    let _making = inner.working.read().await;
    if inner.closing.load(Ordering::Acquire) {
        return Err(GroundError::Lacking("the session ends".to_owned()));
    }
    let spec = inner.specs.get(service)?;
    let opened = inner.opened().clone().ok_or_else(|| GroundError::Unknown(service.to_owned()))?;
    if opened.is_carried {
        let why = "the engine that DOCKER_HOST names sees no file of this machine".to_owned();
        return Err(GroundError::Lacking(why));
    }
    let number = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ());
    let container = Container { name: format!("{}-again-{number:016x}", inner.container(&spec)), inner: inner.clone() };
    let name = container.name.clone();
    let folder = spec.folder.display();
    image::open_to_readers(&spec.folder).map_err(GroundError::io(format!("open {folder} to its service")))?;
    let host_config = HostConfig {
        binds: Some(vec![format!("{folder}:{folder}:ro")]),
        network_mode: Some("none".to_owned()),
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..inner.rights()
    };
    let body = ContainerCreateBody {
        image: Some(opened.image),
        entrypoint: Some(vec![image::HOST.to_owned()]),
        cmd: Some(arguments),
        user: Some(user()),
        labels: Some(inner.labels(None)),
        open_stdin: Some(true),
        stdin_once: Some(true),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    };
    let failed = |doing: &str| GroundError::engine(format!("{doing} the container that runs {service} again"));
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    inner.engine.create_container(Some(options), body).await.map_err(failed("create"))?;
    let options = AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).build();
    let mut attached = inner.engine.attach_container(&name, Some(options)).await.map_err(failed("attach to"))?;
    inner.engine.start_container(&name, None).await.map_err(failed("start"))?;
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
    let ended = async move { container.ended().await };
    Ok(Work { input: Box::new(attached.input), output: Box::new(output), ended: Box::pin(ended) })
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
            Err(error) => engine::words(&error),
        }
    }
}
