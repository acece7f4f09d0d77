//! Whose services the view shows: those that run here, or those on the cluster.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use session_api::Snapshot;
use tokio::sync::watch;

use crate::source::Handler;

/// Whose services are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Those that run here.
    #[default]
    Here,
    /// Those that run here, until the cluster answers.
    Asking,
    Cluster,
}

/// Pictures of the session.
pub(crate) type Pictures = watch::Receiver<Arc<Snapshot>>;

/// The way to pictures of the cluster: there is none unless the user asked for it.
#[derive(Default)]
pub(crate) struct Elsewhere {
    asking: Option<BoxFuture<'static, Result<Pictures, String>>>,
    pictures: Option<Pictures>,
}

impl Elsewhere {
    /// Asks for pictures of the cluster.
    pub(crate) fn ask(&mut self, handler: &dyn Handler, local: &Pictures) {
        self.asking = Some(handler.cluster(local.clone()));
    }

    /// Gives up whatever there is: nobody asks the cluster any more.
    pub(crate) fn give_up(&mut self) {
        *self = Self::default();
    }

    /// Pictures of the cluster, while they are shown.
    pub(crate) fn pictures(&mut self) -> Option<&mut Pictures> {
        self.pictures.as_mut()
    }

    /// Ready with whose services are shown from now on, and what is to be said of it, once that changes: the cluster
    /// answers, or does not, or its pictures end.
    pub(crate) async fn changed(&mut self) -> Change {
        if let Some(asking) = &mut self.asking {
            let answered = asking.await;
            self.asking = None;
            return match answered {
                Ok(pictures) => {
                    self.pictures = Some(pictures);
                    Change::Shows(Scope::Cluster)
                }
                Err(why) => Change::Ended(why),
            };
        }
        let Some(pictures) = &mut self.pictures else { return std::future::pending().await };
        if pictures.changed().await.is_ok() {
            return Change::Picture;
        }
        self.pictures = None;
        Change::Ended("nobody tells of the cluster any more".to_owned())
    }
}

/// What happened elsewhere.
pub(crate) enum Change {
    /// There is another picture.
    Picture,
    /// Services of another backend are shown.
    Shows(Scope),
    /// Those that run here are shown again, for this reason.
    Ended(String),
}
