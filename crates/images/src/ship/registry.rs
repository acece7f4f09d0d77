//! A registry, by the OCI distribution specification: layers by their digest, one repository an app.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use hyper::{Method, StatusCode};

use super::retention::{self, Listing};
use super::transport::{Answer, Ask, Transport};
use super::{MissingLayers, Owner, Programs, Pruned, PullPolicy, RegistryAddress, Sent, Ship, ShipError, Stock};
use crate::manifest::MANIFEST;
use crate::{Digest, Image};

/// So many things are sent side by side.
const ABREAST: usize = 4;

pub struct Registry {
    transport: Transport,
    /// What nodes call it.
    pulled_as: String,
    owner: Owner,
    repository: String,
}

impl Registry {
    /// Finds credentials and sets TLS up; the registry itself is not called yet. `pulled_as` is its `host:port` for
    /// nodes, where that is another.
    pub async fn open(
        address: RegistryAddress,
        pulled_as: Option<String>,
        owner: Owner,
        programs: &Programs,
    ) -> Result<Self, ShipError> {
        let repository = format!("{}/{}", address.below, owner.repository());
        let pulled_as = pulled_as.unwrap_or_else(|| address.host.clone());
        Ok(Self {
            transport: Transport::open(address, programs.docker_config.clone()).await?,
            pulled_as,
            owner,
            repository,
        })
    }

    fn host(&self) -> &str {
        &self.transport.address().host
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        accept: Option<&'static str>,
        what: &str,
    ) -> Result<Answer, ShipError> {
        let url = self.transport.url(&format!("{}/{path}", self.repository))?;
        self.transport.ask(&Ask { method, url, accept, body: None, what: what.to_owned() }).await
    }

    /// Whether a blob is there. A registry may say where it is instead.
    async fn has(&self, digest: &Digest) -> Result<bool, ShipError> {
        let what = format!("ask for {}", short(digest));
        let response = self.request(Method::HEAD, &format!("blobs/{digest}"), None, &what).await?;
        match response.status {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() || status.is_redirection() => Ok(true),
            _ => Err(self.transport.refuse(&response, &what)),
        }
    }

    async fn digest_of(&self, tag: &str) -> Result<Option<Digest>, ShipError> {
        let what = format!("ask for {tag}");
        let response = self.request(Method::HEAD, &format!("manifests/{tag}"), Some(MANIFEST), &what).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status.is_success() {
            return Err(self.transport.refuse(&response, &what));
        }
        let digest = response.header("docker-content-digest");
        let digest = digest.and_then(Digest::read);
        digest.map(Some).ok_or_else(|| self.transport.unsound(&what, "a manifest without a digest"))
    }

    /// Sends a blob in one piece.
    async fn send(&self, digest: &Digest, content: Bytes, what: &str) -> Result<u64, ShipError> {
        let response = self.request(Method::POST, "blobs/uploads/", None, what).await?;
        if response.status != StatusCode::ACCEPTED {
            return Err(self.transport.refuse(&response, what));
        }
        let location = response.header("location");
        let mut url = location
            .and_then(|location| response.url.join(location).ok())
            .ok_or_else(|| self.transport.unsound(what, "an upload without a place"))?;
        url.query_pairs_mut().append_pair("digest", digest.as_str());
        let bytes = content.len() as u64;
        let body = Some(("application/octet-stream", content));
        let ask = Ask { method: Method::PUT, url, accept: None, body, what: what.to_owned() };
        let response = self.transport.ask(&ask).await?;
        if response.status != StatusCode::CREATED {
            return Err(self.transport.refuse(&response, what));
        }
        Ok(bytes)
    }

    async fn send_manifest(&self, image: &Image) -> Result<u64, ShipError> {
        let what = format!("send the manifest of {}", image.service);
        let url = self.transport.url(&format!("{}/manifests/{}", self.repository, self.owner.tag(image)))?;
        let body = Some((MANIFEST, image.manifest.clone()));
        let response =
            self.transport.ask(&Ask { method: Method::PUT, url, accept: None, body, what: what.clone() }).await?;
        if response.status != StatusCode::CREATED {
            return Err(self.transport.refuse(&response, &what));
        }
        Ok(image.manifest.len() as u64)
    }

    /// Of these images, those whose tag does not name them, and of their layers and configurations those that are not
    /// there.
    async fn lacking<'i>(&self, images: &[&'i Image]) -> Result<Lacking<'i>, ShipError> {
        let tagged = images.iter().copied().map(|image| async move {
            let there = self.digest_of(&self.owner.tag(image)).await?;
            Ok::<_, ShipError>((there.as_ref() != Some(&image.digest)).then_some(image))
        });
        let images: Vec<Option<&Image>> = abreast(tagged.collect()).await?;
        let images: Vec<&Image> = images.into_iter().flatten().collect();
        let mut blobs: BTreeMap<&Digest, Blob<'i>> = BTreeMap::new();
        for image in &images {
            let count = image.layers.len();
            for (at, layer) in image.layers.iter().enumerate() {
                let what = if at == 0 {
                    "the host's layer"
                } else if at + 1 == count {
                    "the library's layer"
                } else {
                    "a layer"
                };
                let blob = Blob {
                    content: &layer.content,
                    what: format!("send {what} for {}", image.service),
                    is_layer: true,
                };
                blobs.entry(&layer.digest).or_insert(blob);
            }
            let what = format!("send the configuration of {}", image.service);
            blobs.entry(&image.config_digest).or_insert(Blob { content: &image.config, what, is_layer: false });
        }
        let asked = blobs.into_iter().map(|(digest, blob)| async move {
            Ok::<_, ShipError>((!self.has(digest).await?).then_some((digest, blob)))
        });
        let blobs: Vec<_> = abreast(asked.collect()).await?;
        Ok(Lacking { images, blobs: blobs.into_iter().flatten().collect() })
    }

    /// All tags of the app's repository; none where there is no such repository yet.
    async fn tags(&self) -> Result<BTreeSet<String>, ShipError> {
        let what = format!("list the images of {}", self.owner.app());
        let mut url = self.transport.url(&format!("{}/tags/list?n=1000", self.repository))?;
        let mut tags = BTreeSet::new();
        loop {
            let ask = Ask { method: Method::GET, url: url.clone(), accept: None, body: None, what: what.clone() };
            let response = self.transport.ask(&ask).await?;
            if response.status == StatusCode::NOT_FOUND {
                return Ok(tags);
            }
            if !response.status.is_success() {
                return Err(self.transport.refuse(&response, &what));
            }
            let link = response.header("link");
            let next = link.and_then(|link| link.split_once('<')?.1.split_once('>')).map(|(next, _)| next.to_owned());
            let listing: Listing = self.transport.read(&response, &what)?;
            let before = tags.len();
            tags.extend(listing.tags.unwrap_or_default());
            // A page that brings nothing new is the last, whatever it says.
            match next.and_then(|next| url.join(&next).ok()).filter(|_| tags.len() > before) {
                Some(next) => url = next,
                None => return Ok(tags),
            }
        }
    }

    /// The layers of what a tag names, with their bytes.
    async fn layers_of(&self, tag: &str) -> Result<BTreeMap<Digest, u64>, ShipError> {
        let what = format!("ask for {tag}");
        let response = self.request(Method::GET, &format!("manifests/{tag}"), Some(MANIFEST), &what).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(BTreeMap::new());
        }
        if !response.status.is_success() {
            return Err(self.transport.refuse(&response, &what));
        }
        retention::layers(&response.body).map_err(|error| self.transport.unsound(&what, &error.to_string()))
    }
}

/// Runs a few side by side; the first that fails ends all.
async fn abreast<T>(all: Vec<impl Future<Output = Result<T, ShipError>>>) -> Result<Vec<T>, ShipError> {
    stream::iter(all).buffered(ABREAST).try_collect().await
}

struct Lacking<'i> {
    images: Vec<&'i Image>,
    blobs: Vec<(&'i Digest, Blob<'i>)>,
}

struct Blob<'i> {
    content: &'i Bytes,
    what: String,
    is_layer: bool,
}

#[async_trait]
impl Ship for Registry {
    fn describe(&self) -> String {
        format!("the registry {}", self.host())
    }

    fn reference(&self, image: &Image) -> String {
        format!("{}/{}@{}", self.pulled_as, self.repository, image.digest)
    }

    fn pull_policy(&self) -> PullPolicy {
        PullPolicy::IfNotPresent
    }

    async fn missing(&self, images: &[&Image]) -> Result<MissingLayers, ShipError> {
        let lacking = self.lacking(images).await?;
        let manifests = lacking.images.iter().map(|image| image.manifest.len() as u64).sum::<u64>();
        let blobs = lacking.blobs.iter().map(|(_, blob)| blob.content.len() as u64).sum::<u64>();
        let layers = lacking.blobs.iter().filter(|(_, blob)| blob.is_layer).count();
        Ok(MissingLayers { layers, bytes: manifests + blobs })
    }

    async fn put(&self, images: &[&Image]) -> Result<Sent, ShipError> {
        let Lacking { images, blobs } = self.lacking(images).await?;
        let layers = blobs.iter().filter(|(_, blob)| blob.is_layer).count();
        let sent = blobs
            .into_iter()
            .map(|(digest, blob)| async move { self.send(digest, blob.content.clone(), &blob.what).await });
        let blobs = abreast(sent.collect()).await?;
        // A manifest is taken once all it names is there.
        let manifests = abreast(images.into_iter().map(|image| self.send_manifest(image)).collect()).await?;
        Ok(Sent { layers, bytes: blobs.iter().chain(&manifests).sum(), notices: Vec::new() })
    }

    async fn stock(&self) -> Result<Stock, ShipError> {
        let tags = self.tags().await?;
        let ours: Vec<&String> = tags.iter().filter(|tag| self.owner.owns(tag)).collect();
        let images = ours.len();
        let layers = abreast(ours.into_iter().map(|tag| self.layers_of(tag)).collect()).await?;
        let layers: BTreeMap<Digest, u64> = layers.into_iter().flatten().collect();
        Ok(Stock { images, bytes: layers.values().sum() })
    }

    async fn prune(&self, keep: &BTreeSet<String>) -> Result<Pruned, ShipError> {
        let tags = self.tags().await?;
        let unwanted = self.owner.unwanted(&tags, keep);
        let mut pruned = Pruned { kept: unwanted.kept, ..Pruned::default() };
        for tag in unwanted.alone {
            let Some(digest) = self.digest_of(tag).await? else { continue };
            let what = format!("remove {tag}");
            let response = self.request(Method::DELETE, &format!("manifests/{digest}"), None, &what).await?;
            match response.status {
                StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT => pruned.removed += 1,
                // Somebody else was faster.
                StatusCode::NOT_FOUND => {}
                StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::BAD_REQUEST => {
                    let refused = self.transport.refuse(&response, &what);
                    let left = tags.iter().filter(|tag| self.owner.owns(tag)).count() - pruned.kept - pruned.removed;
                    pruned.kept += left;
                    pruned.notices.push(format!("{left} old images stay at {}: {refused}", self.host()));
                    return Ok(pruned);
                }
                _ => return Err(self.transport.refuse(&response, &what)),
            }
        }
        if !unwanted.shared.is_empty() {
            pruned.kept += unwanted.shared.len();
            let count = unwanted.shared.len();
            pruned.notices.push(format!("{count} old images stay at {}: another cluster has them, too", self.host()));
        }
        if pruned.removed > 0 {
            let words = "the room of removed images is free once the registry collects its garbage";
            pruned.notices.push(format!("{}: {words}", self.host()));
        }
        Ok(pruned)
    }
}

/// A digest, short enough to be read.
fn short(digest: &Digest) -> &str {
    &digest.as_str()[..19]
}
