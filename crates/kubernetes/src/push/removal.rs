//! All of an app, away from a namespace: what carries its labels, and nothing else.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Resource;
use kube::api::{ApiResource, DynamicObject};

use super::event::{PushEvent, PushListener};
use super::site::Site;
use super::{PushError, PushOptions, connect};
use crate::cluster::{Access, Apply, ClusterError, Holder, Lease, Pins};
use crate::object::{label, name};

/// A removal that is ready to be carried out.
pub struct Removal {
    access: Access,
    /// The app's name, and the value its labels have.
    app: String,
    label: String,
    /// What objects of its project carry.
    project: Vec<String>,
    found: Vec<DynamicObject>,
    tell: PushListener,
}

impl Removal {
    /// Looks for what is there.
    ///
    /// # Errors
    /// It is another cluster than the app was pushed to, another project's app, or what the API server says.
    pub async fn prepare(options: &PushOptions, tell: PushListener) -> Result<Self, PushError> {
        let pins = Pins::open(&options.place.pins)?;
        let access = connect(options, &pins, &tell).await?;
        if options.target.context.is_none() {
            pins.check_known(&options.place.key, &access)?;
        }
        let (app, project) = (options.name(), options.project()?);
        Site::look(&access, app).await?.check(app, &project)?;
        let label = label::app(app);
        let found = find(&access, &label, &project).await?;
        Ok(Self { access, app: app.to_owned(), label, project, found, tell })
    }

    /// What is there: `kind/name`.
    pub fn objects(&self) -> Vec<String> {
        self.found.iter().map(shown).collect()
    }

    /// Removes it; answers how much was.
    ///
    /// # Errors
    /// Somebody is pushing, or what the API server says.
    pub async fn carry_out(&self, holder: &Holder) -> Result<usize, PushError> {
        let waiting = |holder: &str| (self.tell)(PushEvent::Waiting { holder: holder.to_owned() });
        let lease = Lease::take(&self.access, &name::of_app(&self.app, "push"), &self.label, holder, waiting).await?;
        let removed = self.remove(&lease).await;
        let released = lease.release().await;
        let removed = removed?;
        released?;
        Ok(removed)
    }

    async fn remove(&self, lease: &Lease) -> Result<usize, PushError> {
        let apply = Apply { access: &self.access, app: &self.label, project: &self.project, force: false };
        let mut removed = 0;
        for object in find(&self.access, &self.label, &self.project).await? {
            lease.hold().await?;
            if apply.remove(&object).await? {
                removed += 1;
                (self.tell)(PushEvent::Removed { object: shown(&object) });
            }
        }
        Ok(removed)
    }
}

/// What leads callers in goes first, what pods need last.
async fn find(access: &Access, label: &str, project: &[String]) -> Result<Vec<DynamicObject>, PushError> {
    let apply = Apply { access, app: label, project, force: false };
    let kinds = [kind::<Ingress>(), kind::<Deployment>(), kind::<Service>(), kind::<ConfigMap>(), kind::<Secret>()];
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(apply.list(&kind).await?);
    }
    // Rights of a node's agent: who may not look at rights has given none.
    for kind in [kind::<RoleBinding>(), kind::<Role>(), kind::<ServiceAccount>()] {
        match apply.list(&kind).await {
            Ok(rights) => found.extend(rights),
            Err(ClusterError::Forbidden { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

fn kind<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

fn shown(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map(|types| types.kind.to_lowercase()).unwrap_or_default();
    format!("{kind}/{}", object.metadata.name.as_deref().unwrap_or_default())
}
