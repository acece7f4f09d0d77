//! Rights of a pod of ours that follows the app's pods: it may look at them, and change nothing.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// An account, and what it may do.
#[derive(Clone, Debug, PartialEq)]
pub struct Rights {
    pub account: ServiceAccount,
    pub role: Role,
    pub binding: RoleBinding,
}

impl Rights {
    /// To look at the pods of the namespace. All three have these names and labels.
    pub(super) fn to_look_at_pods(own: &ObjectMeta) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let rule = PolicyRule {
            api_groups: Some(words(&[""])),
            resources: Some(words(&["pods"])),
            verbs: words(&["get", "list", "watch"]),
            ..PolicyRule::default()
        };
        let name = own.name.clone().unwrap_or_default();
        let role_ref =
            RoleRef { api_group: "rbac.authorization.k8s.io".to_owned(), kind: "Role".to_owned(), name: name.clone() };
        let subject = Subject { kind: "ServiceAccount".to_owned(), name, ..Subject::default() };
        Self {
            account: ServiceAccount { metadata: own.clone(), ..ServiceAccount::default() },
            role: Role { metadata: own.clone(), rules: Some(vec![rule]) },
            binding: RoleBinding { metadata: own.clone(), role_ref, subjects: Some(vec![subject]) },
        }
    }

    pub(super) fn values(&self) -> Result<[serde_json::Value; 3], serde_json::Error> {
        let Self { account, role, binding } = self;
        Ok([serde_json::to_value(account)?, serde_json::to_value(role)?, serde_json::to_value(binding)?])
    }
}
