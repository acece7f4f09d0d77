//! Which way images take: chosen by looking at what is there, and said.

use std::net::{IpAddr, SocketAddr};

use super::{Loader, Local, Way};

/// What is known of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The context's name.
    pub context: String,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// The registry the user names.
    pub registry: Option<String>,
    /// The registry the cluster names, in the ConfigMap `local-registry-hosting` of `kube-public`.
    pub hosted: Option<Hosted>,
    /// Addresses of the nodes inside their network, as they say.
    pub addresses: Vec<IpAddr>,
    /// Where a server of ours may listen, and what nodes would call it.
    pub reach: Option<(SocketAddr, String)>,
}

/// A registry a cluster names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosted {
    /// `host`: what it is called from here.
    pub host: String,
    /// `hostFromContainerRuntime`: what nodes call it, where that is another.
    pub from_nodes: Option<String>,
}

/// A node, as the cluster describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`.
    pub name: String,
    /// `status.nodeInfo.containerRuntimeVersion`, as `containerd://1.6.20`.
    pub runtime: String,
    /// `spec.providerID`, as `kind://docker/kind/kind-control-plane`.
    pub provider: String,
}

/// The way that is taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadChoice {
    /// None where there is no way: the reason says what would make one.
    pub way: Option<Way>,
    /// Why this way.
    pub reason: String,
    /// Why none of those that were looked at before.
    pub passed_over: Vec<String>,
}

/// Chooses. A registry comes first, since it alone sends each node what it lacks; then what puts images right where the
/// pods run; then this session as the registry.
pub fn choose(facts: &Facts, local: &Local) -> UploadChoice {
    let mut passed_over = Vec::new();
    let looked: [fn(&Facts, &Local) -> Looked; 6] = [registry, kind, k3d, engine, containerd, serve];
    for look in looked {
        match look(facts, local) {
            Looked::Taken(way, reason) => return UploadChoice { way: Some(way), reason, passed_over },
            Looked::Passed(why) => passed_over.extend(why),
        }
    }
    let reason = "there is no way for images to the nodes: name a registry that nodes reach (--registry host[:port])";
    UploadChoice { way: None, reason: reason.to_owned(), passed_over }
}

enum Looked {
    Taken(Way, String),
    /// With the reason, where it is worth a word.
    Passed(Option<String>),
}

fn passed(why: String) -> Looked {
    Looked::Passed(Some(why))
}

fn registry(facts: &Facts, _: &Local) -> Looked {
    if let Some(address) = facts.registry.clone() {
        let reason = format!("using registry {address}, as you named it");
        return Looked::Taken(Way::Registry { address, pulled_as: None }, reason);
    }
    let Some(Hosted { host, from_nodes }) = facts.hosted.clone() else {
        return passed("no registry is named, by you or by the cluster".to_owned());
    };
    let reason = format!("using registry {host}, which the cluster advertises in kube-public");
    Looked::Taken(Way::Registry { address: host, pulled_as: from_nodes }, reason)
}

fn kind(facts: &Facts, local: &Local) -> Looked {
    let clusters = facts.nodes.iter().map(|node| {
        let mut parts = node.provider.strip_prefix("kind://")?.split('/');
        parts.next()?;
        parts.next().map(str::to_owned)
    });
    loader(Loader::Kind, clusters.collect(), local.kind, local.engine.is_some())
}

fn k3d(facts: &Facts, local: &Local) -> Looked {
    // Nodes are k3d-CLUSTER-server-N and k3d-CLUSTER-agent-N.
    let clusters = facts.nodes.iter().map(|node| {
        let name = node.name.strip_prefix("k3d-")?;
        let (name, number) = name.rsplit_once('-')?;
        let (cluster, role) = name.rsplit_once('-')?;
        let is_node = ["server", "agent"].contains(&role) && number.bytes().all(|byte| byte.is_ascii_digit());
        is_node.then(|| cluster.to_owned())
    });
    loader(Loader::K3d, clusters.collect(), local.k3d, local.engine.is_some())
}

fn loader(loader: Loader, clusters: Vec<Option<String>>, is_there: bool, has_engine: bool) -> Looked {
    let (name, Some(Some(cluster))) = (loader.name(), clusters.first()) else { return Looked::Passed(None) };
    if clusters.iter().any(|other| other.as_ref() != Some(cluster)) {
        return passed(format!("not all nodes are of the {name} cluster {cluster}"));
    }
    if !is_there {
        return passed(format!("the nodes are {name}'s, and the program {name} is not on PATH"));
    }
    if !has_engine {
        return passed(format!("the nodes are {name}'s, and no Docker engine answers here"));
    }
    Looked::Taken(
        Way::Loader(loader, cluster.clone()),
        format!("loading images into the {name} cluster {cluster}, which has all nodes"),
    )
}

fn engine(facts: &Facts, local: &Local) -> Looked {
    if facts.nodes.is_empty() || !facts.nodes.iter().all(|node| node.runtime.starts_with("docker://")) {
        return Looked::Passed(None);
    }
    match (facts.nodes.as_slice(), &local.engine) {
        ([node], Some(engine)) if node.name == *engine => Looked::Taken(
            Way::Engine,
            format!("building images in the Docker engine here, which runs the pods of the only node, {engine}"),
        ),
        ([node], Some(engine)) => {
            passed(format!("the node {} runs its pods by Docker, and the engine here is that of {engine}", node.name))
        }
        ([_], None) => passed("the node runs its pods by Docker, and no engine answers here".to_owned()),
        (nodes, _) => passed(format!("{} nodes run their pods by Docker, each by an engine of its own", nodes.len())),
    }
}

fn containerd(facts: &Facts, local: &Local) -> Looked {
    let [node] = facts.nodes.as_slice() else { return Looked::Passed(None) };
    if !node.runtime.starts_with("containerd://") {
        return Looked::Passed(None);
    }
    if node.name != local.host {
        return passed(format!("the node {} is not this machine, {}", node.name, local.host));
    }
    let is_k3s = node.provider.starts_with("k3s://") || node.runtime.contains("k3s");
    let (program, takes) = if is_k3s { ("k3s", local.k3s) } else { ("ctr", local.containerd) };
    if !takes {
        return passed(format!(
            "this machine is the node, and `{program}` is not on PATH or may not give orders to containerd (are you root?)"
        ));
    }
    let reason = format!("importing images with `{program}`: this machine is the only node");
    Looked::Taken(Way::Containerd { k3s: is_k3s }, reason)
}

fn serve(facts: &Facts, _: &Local) -> Looked {
    let Some((bind, called)) = facts.reach.clone() else {
        return passed("no address is known at which nodes reach this machine".to_owned());
    };
    let reason = format!("serving images from this session, to nodes that call {called}");
    Looked::Taken(Way::Serve { bind, called }, reason)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn node(name: &str, runtime: &str, provider: &str) -> Node {
        Node { name: name.into(), runtime: runtime.into(), provider: provider.into() }
    }

    fn everything() -> Local {
        let host = "laptop".to_owned();
        Local { engine: Some(host.clone()), host, kind: true, k3d: true, k3s: true, containerd: true }
    }

    fn way(facts: &Facts, local: &Local) -> Way {
        let choice = choose(facts, local);
        assert!(!choice.reason.is_empty());
        choice.way.unwrap()
    }

    #[test]
    fn each_cluster_gets_its_way() {
        let kind = vec![
            node("dev-control-plane", "containerd://1.7.1", "kind://docker/dev/dev-control-plane"),
            node("dev-worker", "containerd://1.7.1", "kind://docker/dev/dev-worker"),
        ];
        let facts = |nodes| Facts { nodes, ..Facts::default() };
        assert_eq!(way(&facts(kind.clone()), &everything()), Way::Loader(Loader::Kind, "dev".into()));
        let k3d = vec![node("k3d-my-app-server-0", "containerd://1.7.1-k3s1", "k3s://k3d-my-app-server-0")];
        assert_eq!(way(&facts(k3d), &everything()), Way::Loader(Loader::K3d, "my-app".into()));
        let docker = vec![node("laptop", "docker://20.10.24", "")];
        assert_eq!(way(&facts(docker), &everything()), Way::Engine);
        let here = vec![node("laptop", "containerd://1.6.20", "")];
        assert_eq!(way(&facts(here), &everything()), Way::Containerd { k3s: false });
        let k3s = vec![node("laptop", "containerd://2.0.5-k3s1.32", "k3s://laptop")];
        assert_eq!(way(&facts(k3s), &everything()), Way::Containerd { k3s: true });
        let hosted = Hosted { host: "localhost:5001".into(), from_nodes: Some("registry:5000".into()) };
        let named = Facts { hosted: Some(hosted), ..facts(kind) };
        let expected = Way::Registry { address: "localhost:5001".into(), pulled_as: Some("registry:5000".into()) };
        assert_eq!(way(&named, &everything()), expected);
        let own = Facts { registry: Some("ghcr.io/me".into()), ..named };
        assert_eq!(way(&own, &everything()), Way::Registry { address: "ghcr.io/me".into(), pulled_as: None });
    }

    #[test]
    fn what_is_passed_over_has_its_reason() {
        let reach = Some(("0.0.0.0:0".parse().unwrap(), "localhost:30500".to_owned()));
        let serve = |nodes, local: &Local| {
            let choice = choose(&Facts { nodes, reach: reach.clone(), ..Facts::default() }, local);
            assert!(matches!(choice.way, Some(Way::Serve { .. })), "{choice:?}");
            choice.passed_over.join("\n")
        };
        let far = vec![node("pi", "containerd://1.6.20", "")];
        assert!(serve(far, &everything()).contains("the node pi is not this machine, laptop"));
        let kind = vec![node("dev-control-plane", "containerd://1.7.1", "kind://docker/dev/dev-control-plane")];
        let without = Local { kind: false, ..everything() };
        assert!(serve(kind.clone(), &without).contains("the program kind is not on PATH"));
        let mixed = [kind, vec![node("pi", "containerd://1.6.20", "")]].concat();
        assert!(serve(mixed, &everything()).contains("not all nodes are of the kind cluster dev"));
        let other = vec![node("minikube", "docker://20.10.24", "")];
        assert!(serve(other, &everything()).contains("the engine here is that of laptop"));
        let here = vec![node("laptop", "containerd://1.6.20", "")];
        let refused = Local { containerd: false, ..everything() };
        assert!(serve(here, &refused).contains("are you root?"));
        let nothing = choose(&Facts::default(), &everything());
        assert!(nothing.way.is_none() && nothing.reason.contains("--registry"), "{nothing:?}");
    }
}
