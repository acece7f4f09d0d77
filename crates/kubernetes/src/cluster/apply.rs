//! Objects to the cluster by server-side apply, and away again.

use std::collections::BTreeMap;

use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, Preconditions,
};
use kube::{Api, ResourceExt};

use super::access::{Access, ask};
use super::error::{ClusterError, Contested};

/// Who we are to the API server: the fields we set are told apart from everyone else's by it.
pub const MANAGER: &str = "dyninka";
/// The label that says whose an object is.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label that says of which app an object is.
pub const PART_OF: &str = "app.kubernetes.io/part-of";

/// The label that says of which project an object is.
pub const PROJECT: &str = "dyninka.dev/project";

/// Applies the objects of one app.
pub struct Apply<'a> {
    pub access: &'a Access,
    /// The app whose objects they are.
    pub app: &'a str,
    /// What objects of the app's project carry; empty: those of any project are the app's.
    pub project: &'a [String],
    /// Whether fields that others set are taken over.
    pub force: bool,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Created,
    /// It was otherwise.
    Changed,
    /// It was so already.
    Unchanged,
}

impl Apply<'_> {
    /// Has an object as it is wanted. One of the name that is not of the app is left alone.
    ///
    /// # Errors
    /// [`ClusterError::Foreign`], [`ClusterError::Contested`], or what the API server says.
    pub async fn apply(&self, object: &DynamicObject) -> Result<Applied, ClusterError> {
        let (api, name, shown) = self.place(object)?;
        let doing = format!("apply {shown}");
        let before = self.access.ask(&doing, api.get_metadata_opt(&name)).await?;
        if let Some(before) = &before {
            self.claim(&shown, before.labels())?;
        }
        let parameters = PatchParams { force: self.force, ..PatchParams::apply(MANAGER) };
        // What was changed since it was looked at is not overwritten: whoever did may have a later turn.
        let mut fenced = object.clone();
        fenced.metadata.resource_version = before.as_ref().and_then(ResourceExt::resource_version);
        let applied = ask(&self.access.server, &doing, api.patch(&name, &parameters, &Patch::Apply(&fenced))).await;
        let after = applied.map_err(|error| contest(&shown, error))?;
        Ok(match before {
            None => Applied::Created,
            Some(before) if before.resource_version() == after.resource_version() => Applied::Unchanged,
            Some(_) => Applied::Changed,
        })
    }

    /// Whether an object could be applied, without a change: it is not somebody else's, no field is, and the server
    /// takes it.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn rehearse(&self, object: &DynamicObject) -> Result<(), ClusterError> {
        let (api, name, shown) = self.place(object)?;
        let doing = format!("apply {shown}");
        if let Some(before) = self.access.ask(&doing, api.get_metadata_opt(&name)).await? {
            self.claim(&shown, before.labels())?;
        }
        let parameters = PatchParams { force: self.force, ..PatchParams::apply(MANAGER) }.dry_run();
        let applied = ask(&self.access.server, &doing, api.patch(&name, &parameters, &Patch::Apply(object))).await;
        applied.map(drop).map_err(|error| contest(&shown, error))
    }

    /// Removes an object of the app, with what it owns; answers whether it was there.
    ///
    /// # Errors
    /// It is not of the app, or what the API server says.
    pub async fn remove(&self, object: &DynamicObject) -> Result<bool, ClusterError> {
        let (api, name, shown) = self.place(object)?;
        let doing = format!("remove {shown}");
        let Some(found) = self.access.ask(&doing, api.get_metadata_opt(&name)).await? else { return Ok(false) };
        self.claim(&shown, found.labels())?;
        // What was made anew under the name in the meantime is not what was looked at.
        let conditions = Preconditions { uid: found.uid(), resource_version: None };
        let parameters = DeleteParams::background().preconditions(conditions);
        match self.access.ask(&doing, api.delete(&name, &parameters)).await {
            Ok(_) => Ok(true),
            Err(ClusterError::Refused { code: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every object of the app of one kind, with all that is in it.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn list(&self, kind: &ApiResource) -> Result<Vec<DynamicObject>, ClusterError> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.access.client.clone(), &self.access.namespace, kind);
        let labels = format!("{MANAGED_BY}={MANAGER},{PART_OF}={}", self.app);
        let parameters = ListParams::default().labels(&labels);
        let mut found = self.access.ask(&format!("list {}", kind.plural), api.list(&parameters)).await?.items;
        for object in &mut found {
            // A list's items do not say what they are.
            object.types = Some(kube::api::TypeMeta { api_version: kind.api_version.clone(), kind: kind.kind.clone() });
        }
        Ok(found)
    }

    /// An object's API, its name, and how it is called in words.
    fn place(&self, object: &DynamicObject) -> Result<(Api<DynamicObject>, String, String), ClusterError> {
        let name = object.name_any();
        let kind = object.types.as_ref().map(GroupVersionKind::try_from).and_then(Result::ok);
        let kind = kind.ok_or_else(|| ClusterError::Refused {
            doing: format!("apply {name}"),
            code: 0,
            why: "it does not say of which kind it is".to_owned(),
        })?;
        let shown = format!("{}/{name}", kind.kind.to_lowercase());
        let resource = ApiResource::from_gvk(&kind);
        let api = Api::namespaced_with(self.access.client.clone(), &self.access.namespace, &resource);
        Ok((api, name, shown))
    }

    fn claim(&self, shown: &str, labels: &BTreeMap<String, String>) -> Result<(), ClusterError> {
        let label = |name: &str| labels.get(name).map(String::as_str);
        let is_strange = |project: &str| !self.project.is_empty() && !self.project.iter().any(|own| own == project);
        let stranger = label(PROJECT).filter(|project| is_strange(project));
        if label(MANAGED_BY) == Some(MANAGER) && label(PART_OF) == Some(self.app) && stranger.is_none() {
            return Ok(());
        }
        let owner = match (label(MANAGED_BY), label(PART_OF)) {
            (Some(MANAGER), Some(app)) if app == self.app => format!("it is of another project's app {app}"),
            (Some(MANAGER), Some(app)) => format!("it is of the app {app}"),
            (Some(manager), _) => format!("it is managed by {manager}"),
            (None, Some(app)) => format!("it is part of {app}"),
            (None, None) => "it carries no label of ours".to_owned(),
        };
        Err(ClusterError::Foreign { object: shown.to_owned(), app: self.app.to_owned(), owner })
    }
}

/// `Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas`, and the same in the plural,
/// a line a field.
fn contest(shown: &str, error: ClusterError) -> ClusterError {
    let ClusterError::Refused { code: 409, why, .. } = &error else { return error };
    let fields = contested(why);
    if fields.is_empty() { error } else { ClusterError::Contested { object: shown.to_owned(), fields } }
}

fn contested(why: &str) -> Vec<Contested> {
    let mut fields = Vec::new();
    let mut manager = String::new();
    for line in why.lines() {
        let named = line.split_once("onflict with \"").or_else(|| line.split_once("onflicts with \""));
        let rest = match named {
            Some((_, rest)) => {
                let Some((name, rest)) = rest.split_once('"') else { continue };
                name.clone_into(&mut manager);
                rest.rsplit_once(": ").map_or("", |(_, field)| field)
            }
            None => line.trim().trim_start_matches("- "),
        };
        if rest.starts_with('.') && !manager.is_empty() {
            fields.push(Contested { field: rest.trim().to_owned(), manager: manager.clone() });
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(field: &str, manager: &str) -> Contested {
        Contested { field: field.to_owned(), manager: manager.to_owned() }
    }

    #[test]
    fn every_contested_field_is_named() {
        let one = "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas";
        assert_eq!(contested(one), [field(".spec.replicas", "kubectl")]);
        let many = "Apply failed with 3 conflicts: conflicts with \"kubectl-edit\" using apps/v1 at 2026-01-01T00:00:00Z:\n\
                    - .spec.replicas\n\
                    - .spec.template.spec.containers[name=\"a\"].image\n\
                    conflicts with \"hpa\":\n\
                    - .spec.paused";
        assert_eq!(
            contested(many),
            [
                field(".spec.replicas", "kubectl-edit"),
                field(".spec.template.spec.containers[name=\"a\"].image", "kubectl-edit"),
                field(".spec.paused", "hpa")
            ]
        );
        assert_eq!(contested("the object has been modified"), []);
    }
}
