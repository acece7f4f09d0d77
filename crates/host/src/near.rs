//! Requests near their data: which instance of a service a request goes to, and which copy of a bucket its function reads.
//!
//! Where no instance has a place none of this is there: a request has no [`RequestNear`], and its headers are not looked at.

mod figure;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use protocol::near::{
    HostNear, NearAsk, NearRefusal, NearSelection, NearTable, PickAsk, PickCandidate, PlaceBounds, peak_latency,
};
use protocol::{BucketCopy, BucketStores, DataVersions, NeededVersion, RequestData, header};
use serde_json::json;

use crate::admin::refuse;
use crate::balance::Balance;
use crate::request_context::nanos;
use crate::shared::Shared;
use crate::wire::Question;

pub use figure::near_pick_nanos;

/// What a request needs of data, and what was written for it.
#[derive(Debug, Default)]
pub(crate) struct RequestNear {
    asked: RequestData,
    bounds: PlaceBounds,
    /// That of the host.
    place: Option<String>,
    wrote: Mutex<DataVersions>,
}

impl RequestNear {
    /// Reads the headers of a request. The error says what is wrong.
    pub(crate) fn read(headers: &HeaderMap, place: Option<&str>) -> Result<Self, String> {
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let first = values.next().map(|value| value.to_str()).transpose();
            match (first, values.next()) {
                (Ok(first), None) => Ok(first),
                (Ok(_), Some(_)) => Err(format!("the header {name} is there twice")),
                (Err(_), _) => Err(format!("the header {name} is no ASCII text")),
            }
        };
        let asked = RequestData::read(one(header::DATA)?, one(header::DATA_VERSION)?);
        let bounds = PlaceBounds::read(one(header::ZONE)?, one(header::NEEDS)?);
        Ok(Self {
            asked: asked.map_err(|error| error.to_string())?,
            bounds: bounds.map_err(|error| error.to_string())?,
            place: place.map(str::to_owned),
            wrote: Mutex::default(),
        })
    }

    /// What a call on behalf of the request needs.
    pub(crate) fn onward(&self) -> RequestData {
        let mut data = self.asked.clone();
        data.versions.join(&self.wrote.lock());
        data
    }

    /// For a call to a service of the same host.
    pub(crate) fn within(&self, place: Option<&str>) -> Self {
        let (bounds, place) = (self.bounds.clone(), place.map(str::to_owned));
        Self { asked: self.onward(), bounds, place, wrote: Mutex::default() }
    }

    /// What an answer says of where a service ran.
    pub(crate) fn at(&self, service: &str) -> Option<String> {
        self.place.as_ref().map(|place| format!("{service}@{place}"))
    }

    /// Whether the request may be served in some places alone.
    pub(crate) fn is_bound(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// The same as headers.
    pub(crate) fn headers(&self, question: &mut Question) {
        let data = self.onward();
        let of_data = [(header::DATA, data.text), (header::DATA_VERSION, data.versions.to_string())];
        for (name, value) in of_data.into_iter().chain(self.bounds.headers()) {
            if !value.is_empty() {
                question.header(name, &value);
            }
        }
    }

    /// Notes a write to a bucket. Its number is not known here: who reads it next goes to the master.
    pub(crate) fn wrote(&self, bucket: &str) {
        self.wrote.lock().need(bucket, NeededVersion::Master);
    }

    /// Notes what an answer says of writes. One that does not read says nothing.
    pub(crate) fn note(&self, said: &str) {
        if let Ok(versions) = DataVersions::read(said) {
            self.wrote.lock().join(&versions);
        }
    }

    /// What the request's answer says of writes; empty: there were none.
    pub(crate) fn said(&self) -> String {
        self.wrote.lock().to_string()
    }
}

/// Who holds which bucket, as a host was told last, and what it knows of instances.
#[derive(Default)]
pub(crate) struct Near {
    table: ArcSwapOption<Told>,
    turn: AtomicU64,
    /// Peak of the moving mean of the latency of each instance, by address, in nanoseconds.
    latencies: Mutex<HashMap<String, u64>>,
}

#[derive(Debug)]
struct Told {
    table: NearTable,
    at: Instant,
}

/// The instances of a service.
pub(crate) struct Instances<'a> {
    pub(crate) service: &'a str,
    pub(crate) addresses: &'a [&'a str],
    pub(crate) balance: &'a Balance,
}

impl Near {
    /// Takes a table, unless the one that is known is newer. The number of the one that counts from now on.
    pub(crate) fn tell(&self, table: NearTable) -> u64 {
        let told = Arc::new(Told { table, at: Instant::now() });
        let before = self.table.rcu(|known| match known {
            Some(known) if !told.table.replaces(&known.table) => Some(known.clone()),
            _ => Some(told.clone()),
        });
        let is_kept = before.as_ref().is_some_and(|known| !told.table.replaces(&known.table));
        before.filter(|_| is_kept).map_or(told.table.number, |known| known.table.number)
    }

    /// Looks at the table that counts, and its age in milliseconds.
    fn with<T>(&self, near: &HostNear, look: impl FnOnce(&NearTable, u64) -> T) -> T {
        match &*self.table.load() {
            Some(told) => look(&told.table, u64::try_from(told.at.elapsed().as_millis()).unwrap_or(u64::MAX)),
            None => look(&near.settings.table, 0),
        }
    }

    /// Why a host may not serve a request: its place is out of the bounds.
    pub(crate) fn refuses(&self, near: &HostNear, request: &RequestNear, service: &str) -> Option<String> {
        if !request.is_bound() {
            return None;
        }
        let mut bounds = request.bounds.clone();
        if !near.settings.services.contains_key(service) {
            // Labels are needed of services that have a choice of places.
            bounds.needs = Default::default();
        }
        let Some(place) = near.place.as_deref() else {
            let zones = &bounds.zones;
            return (!zones.is_empty())
                .then(|| format!("{service} has no place, and the request has the zones {zones}"));
        };
        let why = self.with(near, |table, _| table.out_of_bounds(place, &bounds))?;
        Some(format!("{service} is in {place}, which {why}"))
    }

    /// The place of a store that a bucket is read or written at.
    pub(crate) fn place_of(&self, near: &HostNear, bucket: &str, store: &str) -> Option<String> {
        self.with(near, |table, _| {
            let of = table.buckets.get(bucket)?;
            of.at.iter().find(|(_, copy)| copy.store == store).map(|(place, _)| place.clone())
        })
    }

    /// The instances of a service in the order in which they are to be asked; none: they have no places.
    pub(crate) fn order(
        &self,
        near: &HostNear,
        request: &RequestNear,
        instances: &Instances<'_>,
        random: (u64, u64),
    ) -> Result<Option<Vec<usize>>, NearRefusal> {
        let Some(service) = near.settings.services.get(instances.service) else { return Ok(None) };
        let places = &service.places;
        let data = request.onward();
        let selection = self.with(near, |table, age_ms| {
            let ask = NearAsk { name: instances.service, service, data: &data, bounds: &request.bounds, age_ms };
            near.settings.select(table, &ask)
        })?;
        // Where no place will do the others are asked: a function finds the master from anywhere, and a request never waits.
        let among = if selection.may.is_empty() { &selection.rest } else { &selection.may };
        // Fewer instances may have addresses than settings give places.
        let among: Vec<usize> = among.iter().copied().filter(|at| *at < instances.addresses.len()).collect();
        let open = instances.balance.running(instances.addresses);
        let latencies = self.latencies.lock();
        let candidates = among.iter().filter_map(|at| {
            let address = instances.addresses.get(*at)?;
            Some(PickCandidate {
                id: address,
                place: places.get(*at)?,
                open: open.get(*at).map_or(0, |open| u32::try_from(*open).unwrap_or(u32::MAX)),
                latency: latencies.get(*address).copied().unwrap_or_default(),
            })
        });
        let candidates: Vec<PickCandidate<'_>> = candidates.collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let place = near.place.as_deref().unwrap_or_default();
        let picked = selection.policy.pick(&candidates, &PickAsk { place, turn, random, data: &data.text });
        let picked = picked.and_then(|picked| among.get(picked).copied());
        Ok(Some(ordered(&selection, picked)))
    }

    /// Notes the time that an instance took.
    pub(crate) fn took(&self, address: &str, time: Duration) {
        let (took, mut latencies) = (nanos(time), self.latencies.lock());
        match latencies.get_mut(address) {
            Some(known) => *known = peak_latency(*known, took),
            None => drop(latencies.insert(address.to_owned(), took)),
        }
    }

    /// The copies of a bucket for a function. None: the host knows no such bucket.
    pub(crate) fn copies(
        &self,
        near: &HostNear,
        request: &RequestNear,
        stores: &BucketStores,
        bucket: &str,
    ) -> Option<NearCopies> {
        let (place, home) = (near.place.as_deref().unwrap_or_default(), stores.buckets.get(bucket)?);
        let data = request.onward();
        let found = self.with(near, |table, age_ms| {
            let of = table.buckets.get(bucket)?;
            let store = |place: &str| Some(of.at.get(place)?.store.clone());
            let is_near = table.lacks(place, &data.need(bucket), age_ms).is_none();
            Some((store(place).filter(|_| is_near), store(&of.master)))
        });
        let copy = |store: String| Some(BucketCopy { name: home.near.get(&store)?.clone(), store });
        let (own, master) = found.unwrap_or_default();
        let writes = master.and_then(copy).unwrap_or_else(|| home.writes.clone());
        let mut reads: Vec<BucketCopy> = own.and_then(copy).into_iter().collect();
        if !reads.contains(&writes) {
            reads.push(writes.clone());
        }
        Some(NearCopies { reads, writes })
    }
}

/// The copies of a bucket, as a function of a request uses them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NearCopies {
    /// The one of its place, where that is there and new enough, and the master. The next is read where an object is not
    /// there: a copy may be late, or leave it out.
    pub(crate) reads: Vec<BucketCopy>,
    /// The master.
    pub(crate) writes: BucketCopy,
}

/// The one that was picked, the others that will do, and then the rest. None is out of the bounds of the request.
fn ordered(selection: &NearSelection, picked: Option<usize>) -> Vec<usize> {
    let mut order: Vec<usize> = picked.into_iter().collect();
    for at in selection.may.iter().chain(&selection.rest).copied() {
        if !order.contains(&at) {
            order.push(at);
        }
    }
    order
}

/// `PUT /_dyninka/near`.
pub(crate) async fn tell(State(shared): State<Arc<Shared>>, table: Result<Json<NearTable>, JsonRejection>) -> Response {
    match table {
        Ok(Json(table)) => {
            let table = match &shared.settings.load().config.near {
                Some(near) => table.or(&near.settings.table),
                None => table,
            };
            Json(json!({ "number": shared.upstreams.near.tell(table) })).into_response()
        }
        Err(rejection) => refuse(&shared, "request", StatusCode::UNPROCESSABLE_ENTITY, &rejection.body_text()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
