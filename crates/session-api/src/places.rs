//! Places: who holds a bucket, and which instances are asked for requests that work on it.

use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where buckets are, and where requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataPlaces {
    /// Where that is known from, in words.
    pub source: String,
    /// The buckets that were asked for; all, where none was.
    pub buckets: Vec<BucketPlaces>,
    /// Services whose instances have places, in the order of the file.
    pub services: Vec<ServicePlaces>,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BucketPlaces {
    /// Its name.
    pub name: String,
    /// By place, the master first.
    pub copies: Vec<CopyPlace>,
}

/// A copy of a bucket in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CopyPlace {
    /// Name of the place.
    pub place: String,
    /// The store there.
    pub store: String,
    /// It is what writes go to.
    pub is_master: bool,
    /// It has every change up to this one; 0: nobody knows.
    pub through: u64,
    /// It cannot be read now.
    pub is_away: bool,
}

/// A service, and the instances that a request may go to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServicePlaces {
    /// Rust name.
    pub service: String,
    /// The buckets that an instance has to hold.
    pub needs: Vec<String>,
    /// The name of the policy that picks among those that hold them.
    pub policy: String,
    /// The place of callers that are no instances themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// In the order of their numbers.
    pub instances: Vec<InstancePlace>,
}

/// An instance of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstancePlace {
    /// `map`, or `map.2`.
    pub name: String,
    /// Name of its place.
    pub place: String,
    /// Why it is not asked, in words; none: it is one of those that are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
}

impl Display for DataPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "by {}", self.source)?;
        self.buckets.iter().try_for_each(|bucket| writeln!(f, "{bucket}"))?;
        for (number, service) in self.services.iter().enumerate() {
            write!(f, "{}{service}", if number > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

/// `images: hpc (master, 42), cc1 (through 40)`.
impl Display for BucketPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        for (number, CopyPlace { place, is_master, through, is_away, .. }) in self.copies.iter().enumerate() {
            let mut said = Vec::new();
            said.extend(is_master.then(|| "master".to_owned()));
            said.extend((*through > 0).then(|| format!("through {through}")));
            said.extend(is_away.then(|| "away".to_owned()));
            let said = if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) };
            write!(f, "{} {place}{said}", if number > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// `resize near images: resize in hpc or resize.2 in cc1, policy near from hpc; not resize.3, aws has no copy of images`.
impl Display for ServicePlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.service)?;
        if !self.needs.is_empty() {
            write!(f, " near {}", self.needs.join(", "))?;
        }
        let asked: Vec<_> = self.instances.iter().filter(|one| one.lacks.is_none()).collect();
        let names = |all: &[&InstancePlace]| {
            all.iter().map(|one| format!("{} in {}", one.name, one.place)).collect::<Vec<_>>().join(" or ")
        };
        match asked.as_slice() {
            [] => write!(f, ": no place will do, so any of {}", names(&self.instances.iter().collect::<Vec<_>>()))?,
            [one] => write!(f, ": {}", names(&[one]))?,
            several => {
                write!(f, ": {}, policy {}", names(several), self.policy)?;
                self.from.iter().try_for_each(|from| write!(f, " from {from}"))?;
            }
        }
        for InstancePlace { name, place, lacks } in &self.instances {
            lacks.iter().try_for_each(|lacks| write!(f, "; not {name}: {place} {lacks}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_in_a_line_for_each_bucket_and_service() {
        let copy = |place: &str, is_master, through, is_away| CopyPlace {
            place: place.to_owned(),
            store: place.to_owned(),
            is_master,
            through,
            is_away,
        };
        let instance = |name: &str, place: &str, lacks: Option<&str>| InstancePlace {
            name: name.to_owned(),
            place: place.to_owned(),
            lacks: lacks.map(str::to_owned),
        };
        let service = |instances: Vec<InstancePlace>| ServicePlaces {
            service: "resize".to_owned(),
            needs: vec!["images".to_owned()],
            policy: "near".to_owned(),
            from: Some("hpc".to_owned()),
            instances,
        };
        let images = BucketPlaces {
            name: "images".to_owned(),
            copies: vec![copy("hpc", true, 42, false), copy("cc1", false, 40, true), copy("cc2", false, 0, false)],
        };
        let lacks = Some("has no copy of images");
        let places = DataPlaces {
            source: "data.toml".to_owned(),
            buckets: vec![images],
            services: vec![
                service(vec![instance("resize", "hpc", None), instance("resize.2", "cc1", None)]),
                service(vec![instance("resize", "hpc", lacks), instance("resize.2", "cc1", None)]),
                service(vec![instance("resize", "hpc", lacks)]),
            ],
        };
        let words = "by data.toml\nimages: hpc (master, through 42), cc1 (through 40, away), cc2\n\
                     resize near images: resize in hpc or resize.2 in cc1, policy near from hpc\n\
                     resize near images: resize.2 in cc1; not resize: hpc has no copy of images\n\
                     resize near images: no place will do, so any of resize in hpc; not resize: hpc has no copy of images";
        assert_eq!(places.to_string(), words);
    }
}
