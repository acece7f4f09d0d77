//! Where functions run again: where the services run.

use std::fmt;
use std::sync::Arc;

use local_cluster::{Backend, Work};
use recordings::WorkerError;
use recordings::replay::{COMMAND, FREE, Launch, Launched, Launching};

/// The place where services run, as the runner of recorded inputs sees it.
#[derive(Clone)]
pub(crate) struct AtHome(pub(crate) Arc<dyn Backend>);

impl Launch for AtHome {
    fn launch<'a>(&'a self, service: &'a str, is_free: bool) -> Launching<'a> {
        Box::pin(async move {
            let arguments: &[&str] = if is_free { &[COMMAND, FREE] } else { &[COMMAND] };
            let work = self.0.work(service, arguments).await.map_err(|error| WorkerError::Place(error.to_string()))?;
            let Work { input, output, ended } = work;
            Ok(Launched { input, output, ended })
        })
    }
}

impl fmt::Debug for AtHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AtHome").field(&self.0.name()).finish()
    }
}
