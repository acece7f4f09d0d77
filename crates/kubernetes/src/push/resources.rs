//! Secrets that stand on a cluster for the servers that a session starts, and for the keys of stores.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::PushError;
use super::event::{PushEvent, PushListener};
use crate::cluster::{Access, ClusterError};
use crate::settings::AppSettings;

/// A Secret that an app needs and that is not there, or not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LackingSecret {
    /// Its name.
    pub secret: String,
    /// The store whose credentials it has; none: it is a resource's.
    pub store: Option<String>,
    pub namespace: String,
    /// Whether the Secret itself is there.
    pub is_there: bool,
    /// The keys that are missing.
    pub keys: Vec<String>,
}

impl Display for LackingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret, store, namespace, is_there, keys } = self;
        let of =
            store.as_ref().map_or_else(|| "the resource in dyn.toml".to_owned(), |store| format!("the store {store}"));
        match is_there {
            true => write!(f, "the Secret {secret} in the namespace {namespace} has no {}", keys.join(", ")),
            false => write!(f, "there is no Secret {secret} in the namespace {namespace}, for {of}"),
        }
    }
}

impl LackingSecret {
    /// How to mend it.
    pub fn hint(&self) -> String {
        let Self { secret, store, namespace, is_there, keys } = self;
        if *is_there && store.is_some() {
            return format!("add {} to the Secret {secret}", keys.join(", "));
        }
        if *is_there {
            return format!("add {} to the Secret {secret}, or say their variables in env", keys.join(", "));
        }
        let values: Vec<String> = keys.iter().map(|key| format!(" --from-literal={key}=…")).collect();
        format!("kubectl create secret generic {secret} --namespace {namespace}{}", values.concat())
    }
}

/// Refuses a push whose pods would wait for a Secret that is not there.
///
/// # Errors
/// [`PushError::Lacking`], or what the API server says.
pub(super) async fn check(access: &Access, settings: &AppSettings, tell: &PushListener) -> Result<(), PushError> {
    let secrets: Api<Secret> = Api::namespaced(access.client.clone(), &access.namespace);
    let mut lacking = Vec::new();
    let of_resources = settings.resource_secrets().into_iter().map(|(secret, keys)| (secret, None, keys));
    let of_stores = settings
        .store_secrets()
        .into_iter()
        .map(|(secret, (store, keys))| (secret, Some(store), keys.map(str::to_owned).into()));
    for (secret, store, keys) in of_resources.chain(of_stores) {
        let asked = access.ask(&format!("look at the Secret {secret}"), secrets.get_opt(&secret)).await;
        match asked {
            Ok(found) => {
                let has = found.map(|found| found.data.into_iter().flatten().map(|(key, _)| key).collect());
                lacking.extend(lack((&secret, store), &access.namespace, &keys, has.as_ref()));
            }
            Err(ClusterError::Forbidden { .. }) => {
                let text = format!(
                    "this user may not look at the Secret {secret}: pods wait until it is there, with {}",
                    keys.into_iter().collect::<Vec<_>>().join(", ")
                );
                tell(PushEvent::Notice { text });
            }
            Err(error) => return Err(error.into()),
        }
    }
    if lacking.is_empty() { Ok(()) } else { Err(PushError::Lacking { lacking }) }
}

fn lack(
    (secret, store): (&str, Option<String>),
    namespace: &str,
    wanted: &BTreeSet<String>,
    has: Option<&BTreeSet<String>>,
) -> Option<LackingSecret> {
    let keys: Vec<String> = wanted.iter().filter(|key| has.is_none_or(|has| !has.contains(*key))).cloned().collect();
    let (secret, namespace) = (secret.to_owned(), namespace.to_owned());
    (!keys.is_empty()).then_some(LackingSecret { secret, store, namespace, is_there: has.is_some(), keys })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn keys<const N: usize>(keys: [&str; N]) -> BTreeSet<String> {
        keys.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_secret_that_is_not_there_or_not_whole_is_told_with_what_makes_it() {
        let wanted = keys(["password", "url"]);
        let absent = lack(("db", None), "plant", &wanted, None).unwrap();
        assert_eq!(absent.to_string(), "there is no Secret db in the namespace plant, for the resource in dyn.toml");
        assert_eq!(
            absent.hint(),
            "kubectl create secret generic db --namespace plant --from-literal=password=… --from-literal=url=…"
        );
        let partial = lack(("db", None), "plant", &wanted, Some(&keys(["url", "more"]))).unwrap();
        assert_eq!(partial.to_string(), "the Secret db in the namespace plant has no password");
        let of_store = lack(("store-hpc", Some("hpc".to_owned())), "plant", &keys(["key"]), None).unwrap();
        assert_eq!(of_store.to_string(), "there is no Secret store-hpc in the namespace plant, for the store hpc");
        assert_eq!(partial.hint(), "add password to the Secret db, or say their variables in env");
        assert_eq!(lack(("db", None), "plant", &wanted, Some(&keys(["url", "password"]))), None);
    }
}
