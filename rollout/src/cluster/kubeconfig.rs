//! Which cluster a command line means: `$KUBECONFIG`, a list, or `~/.kube/config`, or the pod it runs in.

use std::env;
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::access::Target;
use super::error::{ClusterError, because};

/// What the context of a pod is called.
const IN_CLUSTER: &str = "in-cluster";

/// A context, and how to talk to its cluster.
pub(super) struct Chosen {
    pub(super) context: String,
    pub(super) config: Config,
}

/// Looks where `kubectl` looks, in its order; what a list names and is not there is passed over, as it does.
pub(super) async fn choose(target: &Target) -> Result<Chosen, ClusterError> {
    let candidates = candidates(env::var_os("KUBECONFIG"), env::var_os("HOME"));
    let files: Vec<_> = candidates.iter().filter(|file| file.exists()).collect();
    if files.is_empty() {
        if target.context.is_none() && env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            return in_cluster();
        }
        return Err(ClusterError::NoKubeconfig { looked: candidates });
    }
    let mut all = Kubeconfig::default();
    for file in files {
        let read = Kubeconfig::read_from(file).and_then(|read| all.merge(read));
        all = read.map_err(|error| ClusterError::Kubeconfig { file: file.clone(), why: because(&error) })?;
    }
    let context = context(&all, target, &candidates)?;
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(all, &options).await;
    let config = config.map_err(|error| ClusterError::Context { context: context.clone(), why: because(&error) })?;
    Ok(Chosen { context, config })
}

/// The context that is meant where none is named, by what the files say: no cluster is asked. None where there is none.
pub fn current_context() -> Option<String> {
    let files = candidates(env::var_os("KUBECONFIG"), env::var_os("HOME"));
    let there: Vec<_> = files.iter().filter(|file| file.exists()).collect();
    if there.is_empty() {
        return env::var_os("KUBERNETES_SERVICE_HOST").map(|_| IN_CLUSTER.to_owned());
    }
    let read = there.into_iter().try_fold(Kubeconfig::default(), |all, file| all.merge(Kubeconfig::read_from(file)?));
    context(&read.ok()?, &Target::default(), &files).ok()
}

fn in_cluster() -> Result<Chosen, ClusterError> {
    let config = Config::incluster();
    let config =
        config.map_err(|error| ClusterError::Context { context: IN_CLUSTER.to_owned(), why: because(&error) })?;
    Ok(Chosen { context: IN_CLUSTER.to_owned(), config })
}

fn candidates(list: Option<std::ffi::OsString>, home: Option<std::ffi::OsString>) -> Vec<PathBuf> {
    let listed: Vec<PathBuf> =
        list.iter().flat_map(env::split_paths).filter(|file| !file.as_os_str().is_empty()).collect();
    match home {
        _ if !listed.is_empty() => listed,
        Some(home) => vec![Path::new(&home).join(".kube/config")],
        None => Vec::new(),
    }
}

fn context(all: &Kubeconfig, target: &Target, files: &[PathBuf]) -> Result<String, ClusterError> {
    let known: Vec<String> = all.contexts.iter().map(|context| context.name.clone()).collect();
    match target.context.clone().or_else(|| all.current_context.clone()).filter(|name| !name.is_empty()) {
        Some(name) if known.contains(&name) => Ok(name),
        Some(name) => Err(ClusterError::NoContext { context: name, known, files: files.to_vec() }),
        None => Err(ClusterError::NoCurrentContext { known, files: files.to_vec() }),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_list_goes_before_the_home() {
        let home = Some("/home/me".into());
        assert_eq!(candidates(None, home.clone()), [PathBuf::from("/home/me/.kube/config")]);
        assert_eq!(candidates(Some("".into()), home.clone()), [PathBuf::from("/home/me/.kube/config")]);
        assert_eq!(candidates(Some("/a::/b".into()), home), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert!(candidates(None, None).is_empty());
    }

    #[test]
    fn a_context_must_be_there() {
        let yaml = "{apiVersion: v1, kind: Config, contexts: [{name: here, context: {cluster: c, user: u}}], current-context: gone}";
        let mut all = Kubeconfig::from_yaml(yaml).unwrap();
        let target = |name: &str| Target { context: Some(name.to_owned()), namespace: None };
        assert_eq!(context(&all, &target("here"), &[]).unwrap(), "here");
        assert!(matches!(context(&all, &target("there"), &[]), Err(ClusterError::NoContext { .. })));
        assert!(
            matches!(context(&all, &Target::default(), &[]), Err(ClusterError::NoContext { context, .. }) if context == "gone")
        );
        all.current_context = None;
        assert!(matches!(context(&all, &Target::default(), &[]), Err(ClusterError::NoCurrentContext { .. })));
    }
}
