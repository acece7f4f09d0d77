//! Docker's engine, by its command line, so that contexts, DOCKER_HOST and TLS are what the user has set.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;

use super::containerd::REGISTRY;
use super::tool::Tool;
use super::{MissingLayers, Owner, Programs, Pruned, PullPolicy, Sent, Ship, ShipError, Stock};
use crate::{APP, Digest, Image, Named, write_archive};

/// Docker's engine, which runs the pods.
pub struct Engine {
    docker: Tool,
    owner: Owner,
}

/// What the engine has.
struct There {
    /// Names of this app's images.
    names: BTreeSet<String>,
    /// Stacks of layers, lowest first, of whatever app.
    stacks: BTreeSet<Vec<String>>,
}

struct Load<'i> {
    images: Vec<(&'i Image, String)>,
    there: BTreeSet<Digest>,
    missing: MissingLayers,
}

impl Engine {
    /// The engine that `docker` talks to.
    pub fn new(programs: &Programs, owner: Owner) -> Self {
        Self { docker: Tool::new(&programs.docker, &[]), owner }
    }

    /// As `docker image ls` names images: without the registry that needs no name.
    fn repository(&self) -> String {
        let full = format!("{REGISTRY}/{}", self.owner.repository());
        full.strip_prefix("docker.io/").unwrap_or(&full).to_owned()
    }

    async fn names(&self) -> Result<BTreeSet<String>, ShipError> {
        let reference = self.repository();
        let arguments = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", &reference];
        let said = self.docker.ask(&arguments, "list the images of Docker's engine").await?;
        Ok(said.lines().map(|line| line.trim().to_owned()).collect())
    }

    async fn there(&self) -> Result<There, ShipError> {
        let what = "list the layers of Docker's engine";
        let label = format!("label={APP}");
        let identities = self.docker.ask(&["image", "ls", "-q", "--no-trunc", "--filter", &label], what).await?;
        let identities: BTreeSet<&str> = identities.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let mut stacks = BTreeSet::new();
        if !identities.is_empty() && !self.keeps_packed().await? {
            let mut arguments = vec!["image", "inspect", "--format", "{{json .RootFS.Layers}}"];
            arguments.extend(identities);
            let said = match self.docker.ask(&arguments, what).await {
                // One of them went meanwhile. Nothing is known to be there then, and all travels.
                Err(ShipError::Tool { words, .. }) if words.contains("No such image") => {
                    tracing::debug!(words, "an image went while it was asked for");
                    String::new()
                }
                said => said?,
            };
            stacks = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        }
        Ok(There { names: self.names().await?, stacks })
    }

    /// Whether the engine keeps images by containerd: then it wants all of an archive.
    async fn keeps_packed(&self) -> Result<bool, ShipError> {
        let arguments = ["info", "--format", "{{json .DriverStatus}}"];
        let said = self.docker.ask(&arguments, "ask Docker's engine how it keeps images").await?;
        Ok(said.contains("io.containerd.snapshotter"))
    }

    async fn load<'i>(&self, images: &[&'i Image]) -> Result<Load<'i>, ShipError> {
        let There { names, stacks } = self.there().await?;
        let named = images.iter().map(|image| (*image, self.reference(image)));
        let lacking: Vec<_> =
            named.filter(|(_, name)| !names.contains(name.strip_prefix("docker.io/").unwrap_or(name))).collect();
        let mut there = BTreeSet::new();
        let mut missing = MissingLayers::default();
        for (image, _) in &lacking {
            missing.bytes += (image.config.len() + image.manifest.len()) as u64;
            let stack: Vec<&str> = image.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
            // A layer is known by all below it.
            let known = stacks.iter().map(|known| known.iter().zip(&stack).take_while(|(one, other)| one == *other));
            let known = known.map(Iterator::count).max().unwrap_or(0);
            there.extend(image.layers[..known].iter().map(|layer| layer.digest.clone()));
        }
        let layers: BTreeMap<&Digest, u64> = lacking
            .iter()
            .flat_map(|(image, _)| &image.layers)
            .filter(|layer| !there.contains(&layer.digest))
            .map(|layer| (&layer.digest, layer.compressed()))
            .collect();
        missing.layers = layers.len();
        missing.bytes += layers.values().sum::<u64>();
        Ok(Load { images: lacking, there, missing })
    }

    async fn feed(&self, archive: Bytes) -> Result<(), ShipError> {
        self.docker.feed(&["image", "load", "--quiet"], archive, "load images into Docker's engine").await.map(drop)
    }
}

impl Load<'_> {
    fn archive(&self, without: &BTreeSet<Digest>) -> Result<Bytes, ShipError> {
        let named = self.images.iter().map(|(image, name)| Named { image, names: std::slice::from_ref(name) });
        Ok(write_archive(&named.collect::<Vec<_>>(), without)?)
    }
}

#[async_trait]
impl Ship for Engine {
    fn describe(&self) -> String {
        "Docker's engine".to_owned()
    }

    /// A tag: the engine knows digests of what it fetched alone. This one has the digest in it.
    fn reference(&self, image: &Image) -> String {
        format!("{REGISTRY}/{}:{}", self.owner.repository(), self.owner.tag(image))
    }

    fn pull_policy(&self) -> PullPolicy {
        PullPolicy::Never
    }

    async fn missing(&self, images: &[&Image]) -> Result<MissingLayers, ShipError> {
        Ok(self.load(images).await?.missing)
    }

    async fn put(&self, images: &[&Image]) -> Result<Sent, ShipError> {
        let load = self.load(images).await?;
        if load.images.is_empty() {
            return Ok(Sent::default());
        }
        let archive = load.archive(&load.there)?;
        let mut sent = Sent { layers: load.missing.layers, bytes: archive.len() as u64, notices: Vec::new() };
        if let Err(error) = self.feed(archive).await {
            if load.there.is_empty() || !matches!(error, ShipError::Tool { .. }) {
                return Err(error);
            }
            let archive = load.archive(&BTreeSet::new())?;
            sent.bytes += archive.len() as u64;
            sent.layers += load.there.len();
            self.feed(archive).await?;
            sent.notices.push(format!("all layers were sent: with the missing ones alone, {error}"));
        }
        Ok(sent)
    }

    async fn stock(&self) -> Result<Stock, ShipError> {
        let repository = self.repository();
        let names = self.names().await?;
        let ours = names.iter().filter(|name| {
            name.strip_prefix(&repository).and_then(|tag| tag.strip_prefix(':')).is_some_and(|tag| self.owner.owns(tag))
        });
        let mut stock = Stock::default();
        let mut layers: BTreeMap<Vec<String>, u64> = BTreeMap::new();
        for name in ours {
            stock.images += 1;
            let what = format!("ask for the layers of {name}");
            let stack =
                self.docker.ask(&["image", "inspect", "--format", "{{json .RootFS.Layers}}", name], &what).await?;
            let sizes = self
                .docker
                .ask(&["history", "--no-trunc", "--human=false", "--format", "{{.Size}}", name], &what)
                .await?;
            let sizes: Vec<u64> = sizes.lines().rev().filter_map(|line| line.trim().parse().ok()).collect();
            let stack: Vec<String> = serde_json::from_str(&stack).map_err(|error| ShipError::Unsound {
                registry: self.describe(),
                what,
                words: error.to_string(),
            })?;
            layers.extend(
                sizes.into_iter().enumerate().map(|(at, size)| (stack[..=at.min(stack.len() - 1)].to_vec(), size)),
            );
        }
        stock.bytes = layers.values().sum();
        Ok(stock)
    }

    async fn prune(&self, keep: &BTreeSet<String>) -> Result<Pruned, ShipError> {
        let repository = self.repository();
        let names = self.names().await?;
        let tags = names.iter().filter_map(|name| name.strip_prefix(&repository)?.strip_prefix(':'));
        let tags: BTreeSet<String> = tags.map(str::to_owned).collect();
        let unwanted = self.owner.unwanted(&tags, keep);
        let mut pruned = Pruned { kept: unwanted.kept, ..Pruned::default() };
        // To the engine a name is a name: what another place calls the same stays.
        for tag in unwanted.alone.into_iter().chain(unwanted.shared) {
            let name = format!("{repository}:{tag}");
            match self.docker.order(&["image", "rm", &name], &format!("remove {name}")).await {
                Ok(_) => pruned.removed += 1,
                Err(ShipError::Tool { words, .. }) if words.contains("No such image") => {}
                Err(ShipError::Tool { words, .. }) if words.contains("conflict") => {
                    pruned.kept += 1;
                    pruned.notices.push(format!("{name} stays: {words}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(pruned)
    }
}
