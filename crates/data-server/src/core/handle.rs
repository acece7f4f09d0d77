//! A store that is open.

use std::path::PathBuf;
use std::sync::Arc;

use data::settings::{StoreSettings, StoreStyle};
use storage::{ObjectStore, S3Access, StorageError};
use tokio::sync::{OnceCell, Semaphore};

use crate::secret;

/// Objects that are copied to a store at a time.
const AT_ONCE: usize = 16;

/// A store that is open, or why it is not.
#[derive(Clone)]
pub(crate) struct StoreHandle {
    pub(crate) settings: StoreSettings,
    secrets: Option<(String, String)>,
    opened: Result<ObjectStore, StorageError>,
    pub(crate) permits: Arc<Semaphore>,
    trusts: Arc<OnceCell<bool>>,
}

impl StoreHandle {
    pub(crate) fn open(settings: StoreSettings) -> Self {
        let secrets = secrets(&settings);
        let opened = secrets.clone().and_then(|secrets| open(&settings, secrets));
        Self {
            settings,
            secrets: secrets.ok().flatten(),
            opened,
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            trusts: Arc::default(),
        }
    }

    /// The same store with the secrets of now; none where they are the same.
    pub(crate) fn reopened(&self) -> Option<Self> {
        let now = secrets(&self.settings).ok()?;
        (now != self.secrets || self.opened.is_err()).then(|| Self::open(self.settings.clone()))
    }

    pub(crate) fn get(&self) -> Result<ObjectStore, StorageError> {
        self.opened.clone()
    }

    /// Whether tags of small objects are MD5. It is tried out once.
    pub(crate) async fn trusts_tags(&self) -> bool {
        let Ok(store) = self.get() else { return false };
        let tried = self.trusts.get_or_try_init(|| async { storage::probe::has_md5_tags(&store).await });
        // Where it may not even be tried, nothing is known of it.
        tried.await.copied().unwrap_or(false)
    }
}

fn secrets(settings: &StoreSettings) -> Result<Option<(String, String)>, StorageError> {
    let Some(credentials) = &settings.credentials else { return Ok(None) };
    let read = |source| secret::read(source).map_err(StorageError::Settings);
    Ok(Some((read(&credentials.key)?, read(&credentials.secret)?)))
}

fn open(settings: &StoreSettings, secrets: Option<(String, String)>) -> Result<ObjectStore, StorageError> {
    if let Some(folder) = &settings.folder {
        return Ok(ObjectStore::folder(PathBuf::from(folder)));
    }
    let endpoint = S3Access::endpoint(settings.endpoint.as_deref().unwrap_or_default())?;
    let (key, secret) = secrets.ok_or_else(|| StorageError::Settings("it has no credentials".to_owned()))?;
    ObjectStore::s3(S3Access {
        endpoint,
        region: settings.region().to_owned(),
        by_host: settings.style == StoreStyle::Host,
        ca: settings.ca.clone().map(PathBuf::from),
        key,
        secret,
    })
}
