//! Which cluster a command line means: `$KUBECONFIG`, a list, or `~/.kube/config`, or the pod it runs in.

use std::env;
use std::path::{Path, PathBuf};

use http::Uri;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use protocol::error_chain;

use super::access::ClusterTarget;
use super::error::ClusterError;
use protocol::proxy::Proxies;

/// What the context of a pod is called.
const IN_CLUSTER: &str = "in-cluster";

/// A context, and how to talk to its cluster.
pub(super) struct Chosen {
    pub(super) context: String,
    pub(super) config: Config,
    /// The program that says who asks, where the context has one.
    pub(super) plugin: Option<Plugin>,
}

/// A program that says who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plugin {
    pub(super) command: String,
    /// How to come by it, as the kubeconfig says.
    pub(super) hint: Option<String>,
}

/// Looks where `kubectl` looks, in its order; what a list names and is not there is passed over, as it does.
pub(super) async fn choose(target: &ClusterTarget) -> Result<Chosen, ClusterError> {
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
        all = read.map_err(|error| ClusterError::Kubeconfig { file: file.clone(), why: error_chain(&error) })?;
    }
    let context = context(&all, target, &candidates)?;
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let (named, plugin) = (proxy_of(&all, &context), plugin_of(&all, &context));
    let config = Config::from_custom_kubeconfig(all, &options).await;
    let refuse = |why: String| ClusterError::Context { context: context.clone(), why };
    let mut config = config.map_err(|error| refuse(error_chain(&error)))?;
    config.proxy_url =
        proxy(&config.cluster_url, named, &Proxies::read(|name| std::env::var(name).ok())).map_err(refuse)?;
    Ok(Chosen { context, config, plugin })
}

/// The context that is meant where none is named, by what the files say: no cluster is asked. None where there is none.
pub fn current_context() -> Option<String> {
    let files = candidates(env::var_os("KUBECONFIG"), env::var_os("HOME"));
    let there: Vec<_> = files.iter().filter(|file| file.exists()).collect();
    if there.is_empty() {
        return env::var_os("KUBERNETES_SERVICE_HOST").map(|_| IN_CLUSTER.to_owned());
    }
    let read = there.into_iter().try_fold(Kubeconfig::default(), |all, file| all.merge(Kubeconfig::read_from(file)?));
    context(&read.ok()?, &ClusterTarget::default(), &files).ok()
}

fn in_cluster() -> Result<Chosen, ClusterError> {
    let refuse = |why: String| ClusterError::Context { context: IN_CLUSTER.to_owned(), why };
    let mut config = Config::incluster().map_err(|error| refuse(error_chain(&error)))?;
    config.proxy_url =
        proxy(&config.cluster_url, None, &Proxies::read(|name| std::env::var(name).ok())).map_err(refuse)?;
    Ok(Chosen { context: IN_CLUSTER.to_owned(), config, plugin: None })
}

/// The proxy that a kubeconfig names for a context's cluster: it goes before the environment, and `NO_PROXY` is nothing
/// to it.
fn proxy_of(all: &Kubeconfig, context: &str) -> Option<String> {
    let context = all.contexts.iter().find(|known| known.name == context)?.context.as_ref()?;
    let cluster = all.clusters.iter().find(|known| known.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

/// The program that a kubeconfig names for a context's user.
fn plugin_of(all: &Kubeconfig, context: &str) -> Option<Plugin> {
    let context = all.contexts.iter().find(|known| known.name == context)?.context.as_ref()?;
    let user = context.user.as_ref()?;
    let exec = all.auth_infos.iter().find(|known| known.name == *user)?.auth_info.as_ref()?.exec.as_ref()?;
    Some(Plugin { command: exec.command.clone()?, hint: exec.install_hint.clone().filter(|hint| !hint.is_empty()) })
}

fn proxy(server: &Uri, named: Option<String>, proxies: &Proxies) -> Result<Option<Uri>, String> {
    let host = server.host().unwrap_or_default();
    let of_environment = || proxies.to(server.scheme_str().unwrap_or("https"), host, server.port_u16());
    let Some(proxy) = named.or_else(|| of_environment().map(str::to_owned)) else { return Ok(None) };
    let proxy = proxy.replacen("socks5h://", "socks5://", 1);
    proxy.parse().map(Some).map_err(|error| format!("its proxy is no URL: {error}"))
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

fn context(all: &Kubeconfig, target: &ClusterTarget, files: &[PathBuf]) -> Result<String, ClusterError> {
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
    fn the_kubeconfigs_proxy_goes_before_the_environments_and_its_exceptions() {
        let variables = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://env:1".to_owned()),
            "NO_PROXY" => Some("10.0.0.0/8".to_owned()),
            _ => None,
        };
        let proxies = Proxies::read(variables);
        let found = |server: &str, named: Option<&str>| {
            let proxy = proxy(&server.parse().unwrap(), named.map(str::to_owned), &proxies).unwrap();
            proxy.map(|proxy| proxy.to_string())
        };
        assert_eq!(found("https://10.0.0.1:6443", None), None);
        assert_eq!(found("https://10.0.0.1:6443", Some("http://own:2")).as_deref(), Some("http://own:2/"));
        assert_eq!(found("https://api.example.org", None).as_deref(), Some("http://env:1/"));
        assert_eq!(found("https://127.0.0.1:6443", None), None);
        assert_eq!(found("https://a.org", Some("socks5h://own:2")).as_deref(), Some("socks5://own:2/"));
    }

    #[test]
    fn the_plugin_of_a_context_is_known_with_its_hint() {
        let yaml = "{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: 'https://x', proxy-url: 'http://p:1'}}], \
                    contexts: [{name: here, context: {cluster: c, user: u}}], users: [{name: u, user: {exec: {apiVersion: \
                    client.authentication.k8s.io/v1, command: cloud-login, installHint: 'install it with cloud-get'}}}]}";
        let all = Kubeconfig::from_yaml(yaml).unwrap();
        let plugin = plugin_of(&all, "here").unwrap();
        assert_eq!(
            (plugin.command.as_str(), plugin.hint.as_deref()),
            ("cloud-login", Some("install it with cloud-get"))
        );
        assert_eq!(proxy_of(&all, "here").as_deref(), Some("http://p:1"));
        assert_eq!(plugin_of(&all, "there"), None);
    }

    #[test]
    fn a_context_must_be_there() {
        let yaml = "{apiVersion: v1, kind: Config, contexts: [{name: here, context: {cluster: c, user: u}}], current-context: gone}";
        let mut all = Kubeconfig::from_yaml(yaml).unwrap();
        let target = |name: &str| ClusterTarget { context: Some(name.to_owned()), namespace: None };
        assert_eq!(context(&all, &target("here"), &[]).unwrap(), "here");
        assert!(matches!(context(&all, &target("there"), &[]), Err(ClusterError::NoContext { .. })));
        assert!(
            matches!(context(&all, &ClusterTarget::default(), &[]), Err(ClusterError::NoContext { context, .. }) if context == "gone")
        );
        all.current_context = None;
        assert!(matches!(context(&all, &ClusterTarget::default(), &[]), Err(ClusterError::NoCurrentContext { .. })));
    }
}
