//! containerd, by its own command line: on this machine, or inside a node that is a container.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

use async_trait::async_trait;
use bytes::Bytes;

use super::tool::Tool;
use super::{MissingLayers, Owner, Programs, Pruned, PullPolicy, Sent, Ship, ShipError, Stock, retention};
use crate::{Digest, Image, Named, write_archive};

/// Kubernetes' images are kept apart from others by containerd.
const NAMESPACE: &str = "k8s.io";
/// Images that come from no registry are called so, by Docker and containerd.
pub(crate) const REGISTRY: &str = "docker.io/dyninka";

/// One containerd.
#[derive(Clone, Debug)]
pub(crate) struct Ctr {
    tool: Tool,
    /// Where it is, in words.
    place: String,
}

impl Ctr {
    /// By `program` and the words that come first.
    pub(crate) fn new(program: &OsStr, first: &[&str], place: &str) -> Self {
        let first = [first, &["--namespace", NAMESPACE]].concat();
        Self { tool: Tool::new(program, &first), place: place.to_owned() }
    }

    /// Digests of all it keeps.
    pub(crate) async fn content(&self) -> Result<BTreeSet<Digest>, ShipError> {
        let what = format!("list what {} keeps", self.place);
        let said = self.tool.ask(&["content", "ls", "-q"], &what).await?;
        Ok(said.lines().filter_map(|line| Digest::read(line.trim())).collect())
    }

    /// Names of all images.
    pub(crate) async fn names(&self) -> Result<BTreeSet<String>, ShipError> {
        let said = self.tool.ask(&["images", "ls", "-q"], &format!("list the images of {}", self.place)).await?;
        Ok(said.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
    }

    async fn import(&self, archive: Bytes) -> Result<(), ShipError> {
        let what = format!("load images into {}", self.place);
        self.tool.feed(&["images", "import", "-"], archive, &what).await.map(drop)
    }

    /// Removes what the owner does not want to keep, and nothing another place still names.
    pub(crate) async fn prune(&self, owner: &Owner, keep: &BTreeSet<String>) -> Result<Pruned, ShipError> {
        let repository = repository(owner);
        let names = self.names().await?;
        let tags = tags(&names, &repository);
        let unwanted = owner.unwanted(&tags, keep);
        let mut go: Vec<String> = Vec::new();
        for tag in unwanted.alone.iter().chain(&unwanted.shared) {
            go.push(format!("{repository}:{tag}"));
        }
        for tag in unwanted.alone.iter().filter_map(|tag| Owner::read(tag)) {
            let digests = format!("{repository}@sha256:{}", tag.digest);
            go.extend(names.iter().filter(|name| name.starts_with(&digests)).cloned());
        }
        if !go.is_empty() {
            let mut arguments = vec!["images", "rm", "--sync"];
            arguments.extend(go.iter().map(String::as_str));
            self.tool.order(&arguments, &format!("remove images from {}", self.place)).await?;
        }
        let removed = unwanted.alone.len() + unwanted.shared.len();
        Ok(Pruned { removed, kept: unwanted.kept, notices: Vec::new() })
    }

    /// What of the owner's it keeps, packed.
    pub(crate) async fn stock(&self, owner: &Owner) -> Result<Stock, ShipError> {
        let repository = repository(owner);
        let names = self.names().await?;
        let mut stock = Stock::default();
        let mut layers: BTreeMap<Digest, u64> = BTreeMap::new();
        for tag in tags(&names, &repository).iter().filter(|tag| owner.owns(tag)) {
            stock.images += 1;
            let Some(tag) = Owner::read(tag) else { continue };
            let start = format!("{repository}@sha256:{}", tag.digest);
            let Some(name) = names.iter().find(|name| name.starts_with(&start)) else { continue };
            let digest = name.rsplit_once('@').map_or("", |(_, digest)| digest);
            let manifest =
                self.tool.ask(&["content", "get", digest], &format!("read an image of {}", self.place)).await?;
            layers.extend(retention::layers(manifest.as_bytes()).map_err(|error| ShipError::Unsound {
                registry: self.place.clone(),
                what: format!("read {name}"),
                words: error.to_string(),
            })?);
        }
        stock.bytes = layers.values().sum();
        Ok(stock)
    }
}

/// What containerd calls the owner's images, tag or digest aside.
fn repository(owner: &Owner) -> String {
    format!("{REGISTRY}/{}", owner.repository())
}

/// The tags among names.
fn tags(names: &BTreeSet<String>, repository: &str) -> BTreeSet<String> {
    let tags = names.iter().filter_map(|name| name.strip_prefix(repository)?.strip_prefix(':'));
    tags.map(str::to_owned).collect()
}

/// What pods call an image.
pub(crate) fn reference(owner: &Owner, image: &Image) -> String {
    format!("{}@{}", repository(owner), image.digest)
}

/// What an image is called: by its digest for pods, by its tag for retention.
pub(crate) fn names(owner: &Owner, image: &Image) -> [String; 2] {
    [reference(owner, image), format!("{}:{}", repository(owner), owner.tag(image))]
}

/// Images with their names, and what of them is to be sent.
pub(crate) struct Load<'i> {
    pub(crate) images: Vec<(&'i Image, [String; 2])>,
    /// Digests of layers that are there.
    pub(crate) there: BTreeSet<Digest>,
}

impl<'i> Load<'i> {
    /// Of these images those that are not named in `names`; their layers may be in `content`.
    pub(crate) fn new(
        owner: &Owner,
        images: &[&'i Image],
        names_there: &BTreeSet<String>,
        content: &BTreeSet<Digest>,
    ) -> Self {
        let images = images.iter().map(|image| (*image, names(owner, image)));
        let images: Vec<_> = images.filter(|(_, names)| !names.iter().all(|name| names_there.contains(name))).collect();
        let layers = images.iter().flat_map(|(image, _)| &image.layers);
        let there = layers.map(|layer| &layer.digest).filter(|digest| content.contains(*digest)).cloned().collect();
        Self { images, there }
    }

    pub(crate) fn missing(&self) -> MissingLayers {
        let layers: BTreeMap<&Digest, u64> = self
            .images
            .iter()
            .flat_map(|(image, _)| &image.layers)
            .filter(|layer| !self.there.contains(&layer.digest))
            .map(|layer| (&layer.digest, layer.compressed()))
            .collect();
        let documents: usize = self.images.iter().map(|(image, _)| image.config.len() + image.manifest.len()).sum();
        MissingLayers { layers: layers.len(), bytes: layers.values().sum::<u64>() + documents as u64 }
    }

    /// The archive; `whole` with the layers that are there, too.
    pub(crate) fn archive(&self, whole: bool) -> Result<Bytes, ShipError> {
        let named: Vec<Named<'_>> = self.images.iter().map(|(image, names)| Named { image, names }).collect();
        let nothing = BTreeSet::new();
        Ok(write_archive(&named, if whole { &nothing } else { &self.there })?)
    }

    /// Refuses where one of the images is not there after all.
    pub(crate) fn check(&self, names: &BTreeSet<String>, place: &str) -> Result<(), ShipError> {
        let lost = self.images.iter().flat_map(|(_, names)| names).find(|name| !names.contains(*name));
        match lost {
            None => Ok(()),
            Some(name) => Err(ShipError::Unsound {
                registry: place.to_owned(),
                what: "load images".to_owned(),
                words: format!("{name} is not there though it was taken in"),
            }),
        }
    }
}

/// This machine's containerd, which runs the pods.
pub struct Containerd {
    ctr: Ctr,
    owner: Owner,
}

impl Containerd {
    /// By k3s' program, or by `ctr`.
    pub fn new(programs: &Programs, k3s: bool, owner: Owner) -> Self {
        let ctr = if k3s {
            Ctr::new(&programs.k3s, &["ctr"], "k3s' containerd")
        } else {
            Ctr::new(&programs.ctr, &["--address", &programs.containerd.to_string_lossy()], "containerd")
        };
        Self { ctr, owner }
    }

    async fn load<'i>(&self, images: &[&'i Image]) -> Result<Load<'i>, ShipError> {
        let (names, content) = tokio::try_join!(self.ctr.names(), self.ctr.content())?;
        Ok(Load::new(&self.owner, images, &names, &content))
    }
}

#[async_trait]
impl Ship for Containerd {
    fn describe(&self) -> String {
        format!("{} on this machine", self.ctr.place)
    }

    fn reference(&self, image: &Image) -> String {
        reference(&self.owner, image)
    }

    fn pull_policy(&self) -> PullPolicy {
        PullPolicy::Never
    }

    async fn missing(&self, images: &[&Image]) -> Result<MissingLayers, ShipError> {
        Ok(self.load(images).await?.missing())
    }

    async fn put(&self, images: &[&Image]) -> Result<Sent, ShipError> {
        let load = self.load(images).await?;
        if load.images.is_empty() {
            return Ok(Sent::default());
        }
        let mut sent = Sent { layers: load.missing().layers, ..Sent::default() };
        let archive = load.archive(false)?;
        sent.bytes = archive.len() as u64;
        if let Err(error) = self.ctr.import(archive).await {
            if load.there.is_empty() || matches!(error, ShipError::NoTool { .. } | ShipError::DiskFull { .. }) {
                return Err(error);
            }
            // What was there may have been collected as garbage meanwhile.
            let archive = load.archive(true)?;
            sent.bytes += archive.len() as u64;
            sent.layers += load.there.len();
            self.ctr.import(archive).await?;
            sent.notices.push(format!("all layers were sent: with the missing ones alone, {error}"));
        }
        load.check(&self.ctr.names().await?, &self.ctr.place)?;
        Ok(sent)
    }

    async fn stock(&self) -> Result<Stock, ShipError> {
        self.ctr.stock(&self.owner).await
    }

    async fn prune(&self, keep: &BTreeSet<String>) -> Result<Pruned, ShipError> {
        self.ctr.prune(&self.owner, keep).await
    }
}
