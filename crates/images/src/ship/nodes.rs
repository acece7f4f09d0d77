//! Clusters whose nodes are containers of Docker's engine: kind and k3d load images into them.

use std::collections::BTreeSet;
use std::io::Write;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;

use super::containerd::{Ctr, Load, reference};
use super::tool::Tool;
use super::{MissingLayers, Owner, Programs, Pruned, PullPolicy, Sent, Ship, ShipError, Stock};
use crate::{Digest, Image, ImageError};

/// A tool that loads images into nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// `kind load image-archive`.
    Kind,
    /// `k3d image import`.
    K3d,
}

impl Loader {
    /// The tool's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::K3d => "k3d",
        }
    }

    /// What Docker's engine knows a cluster's nodes by: a label and its value. Of k3d's containers not all are nodes.
    fn labels(self, cluster: &str) -> Vec<String> {
        match self {
            Self::Kind => vec![format!("io.x-k8s.kind.cluster={cluster}")],
            Self::K3d => vec![format!("k3d.cluster={cluster}")],
        }
    }

    /// Of what a node is for (its role), whether it runs pods.
    fn runs_pods(self, role: &str) -> bool {
        match self {
            Self::Kind => role != "external-load-balancer",
            Self::K3d => ["server", "agent"].contains(&role),
        }
    }

    fn role(self) -> &'static str {
        match self {
            Self::Kind => "io.x-k8s.kind.role",
            Self::K3d => "k3d.role",
        }
    }

    fn arguments<'a>(self, cluster: &'a str, archive: &'a str) -> Vec<&'a str> {
        match self {
            Self::Kind => vec!["load", "image-archive", archive, "--name", cluster],
            Self::K3d => vec!["image", "import", archive, "--cluster", cluster],
        }
    }
}

/// The nodes of one such cluster.
pub struct Nodes {
    loader: Loader,
    cluster: String,
    tool: Tool,
    programs: Programs,
    owner: Owner,
}

impl Nodes {
    /// The cluster's name is that the tool knows.
    pub fn new(loader: Loader, cluster: &str, programs: &Programs, owner: Owner) -> Self {
        let program = match loader {
            Loader::Kind => &programs.kind,
            Loader::K3d => &programs.k3d,
        };
        let tool = Tool::new(program, &[]);
        Self { loader, cluster: cluster.to_owned(), tool, programs: programs.clone(), owner }
    }

    /// The containerd of each node.
    async fn nodes(&self) -> Result<Vec<Ctr>, ShipError> {
        let format = format!("{{{{.Names}}}}\t{{{{.Label {:?}}}}}", self.loader.role());
        let filters: Vec<String> =
            self.loader.labels(&self.cluster).iter().map(|label| format!("label={label}")).collect();
        let mut arguments = vec!["ps", "--format", format.as_str()];
        filters.iter().for_each(|filter| arguments.extend(["--filter", filter]));
        let what = format!("find the nodes of the {} cluster {}", self.loader.name(), self.cluster);
        let said = Tool::new(&self.programs.docker, &[]).ask(&arguments, &what).await?;
        let nodes = said.lines().filter_map(|line| line.split_once('\t'));
        let nodes: Vec<Ctr> = nodes
            .filter(|(_, role)| self.loader.runs_pods(role.trim()))
            .map(|(node, _)| Ctr::new(&self.programs.docker, &["exec", "-i", node, "ctr"], &format!("the node {node}")))
            .collect();
        if nodes.is_empty() {
            let words = "no node of it runs".to_owned();
            return Err(ShipError::Unsound { registry: "Docker's engine".to_owned(), what, words });
        }
        Ok(nodes)
    }

    /// What all nodes have.
    async fn common(nodes: &[Ctr]) -> Result<(BTreeSet<String>, BTreeSet<Digest>), ShipError> {
        let each = nodes.iter().map(|node| async { tokio::try_join!(node.names(), node.content()) });
        let each = try_join_all(each).await?.into_iter();
        let common = each.reduce(|(names, content), (other_names, other_content)| {
            (&names & &other_names, &content & &other_content)
        });
        Ok(common.unwrap_or_default())
    }

    /// Has the tool load an archive.
    async fn order(&self, archive: Bytes) -> Result<(), ShipError> {
        let written = tokio::task::spawn_blocking(move || {
            let mut file = tempfile::Builder::new().prefix("dyninka-images-").suffix(".tar").tempfile()?;
            file.write_all(&archive)?;
            Ok(file)
        });
        let written = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let file = written.map_err(|source| ImageError::Write { path: std::env::temp_dir(), source })?;
        let path = file.path().display().to_string();
        let what = format!("load images into the {} cluster {}", self.loader.name(), self.cluster);
        self.tool.order(&self.loader.arguments(&self.cluster, &path), &what).await.map(drop)
    }
}

#[async_trait]
impl Ship for Nodes {
    fn describe(&self) -> String {
        format!("{}'s cluster {}", self.loader.name(), self.cluster)
    }

    fn reference(&self, image: &Image) -> String {
        reference(&self.owner, image)
    }

    fn pull_policy(&self) -> PullPolicy {
        PullPolicy::Never
    }

    async fn missing(&self, images: &[&Image]) -> Result<MissingLayers, ShipError> {
        let (names, content) = Self::common(&self.nodes().await?).await?;
        Ok(Load::new(&self.owner, images, &names, &content).missing())
    }

    async fn put(&self, images: &[&Image]) -> Result<Sent, ShipError> {
        let nodes = self.nodes().await?;
        let (names, content) = Self::common(&nodes).await?;
        let load = Load::new(&self.owner, images, &names, &content);
        if load.images.is_empty() {
            return Ok(Sent::default());
        }
        let mut sent = Sent { layers: load.missing().layers, ..Sent::default() };
        let archive = load.archive(false)?;
        sent.bytes = archive.len() as u64;
        if let Err(error) = self.order(archive).await {
            if load.there.is_empty() || !matches!(error, ShipError::Tool { .. }) {
                return Err(error);
            }
            let archive = load.archive(true)?;
            sent.bytes += archive.len() as u64;
            sent.layers += load.there.len();
            self.order(archive).await?;
            sent.notices.push(format!("all layers were sent: with the missing ones alone, {error}"));
        }
        // The tools end well where a node took nothing in.
        for node in &nodes {
            load.check(&node.names().await?, &self.describe())?;
        }
        Ok(sent)
    }

    async fn stock(&self) -> Result<Stock, ShipError> {
        let nodes = self.nodes().await?;
        let each = try_join_all(nodes.iter().map(|node| node.stock(&self.owner))).await?;
        // Each node keeps what it runs itself.
        let images = each.iter().map(|stock| stock.images).max().unwrap_or(0);
        Ok(Stock { images, bytes: each.iter().map(|stock| stock.bytes).sum() })
    }

    async fn prune(&self, keep: &BTreeSet<String>) -> Result<Pruned, ShipError> {
        let nodes = self.nodes().await?;
        let each = try_join_all(nodes.iter().map(|node| node.prune(&self.owner, keep))).await?;
        let most = |count: fn(&Pruned) -> usize| each.iter().map(count).max().unwrap_or(0);
        let (removed, kept) = (most(|pruned| pruned.removed), most(|pruned| pruned.kept));
        Ok(Pruned { removed, kept, notices: each.into_iter().flat_map(|pruned| pruned.notices).collect() })
    }
}
