//! The door: requests from outside, each answered by an endpoint in a place that holds its data.
//!
//! It has a listener of its own, and none of the API's paths. What may serve a request is in [`data::door`], pure; a change
//! of settings that was acknowledged counts for the next request. A request goes to one endpoint. It goes to another only
//! where nothing of it was sent.

mod answer;
mod body;
mod client;
mod figures;
mod headers;
mod listen;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data::DataCatalog;
use data::door::DoorTable;
use data::view::BucketCount;
use parking_lot::Mutex;

use self::client::Clients;
pub(crate) use self::figures::EndpointFigures;
pub(crate) use self::listen::accept;
use crate::core::Core;
use crate::work::complain;

/// Between two looks at what copies lack.
const LOOK: Duration = Duration::from_millis(250);

/// The door of a data server.
pub(crate) struct Door {
    core: Arc<Core>,
    clients: Clients,
    counts: Mutex<Counts>,
    known: Mutex<Option<Known>>,
    /// Its name in `Via`: a request that has it already goes round in a circle.
    name: String,
}

/// What is known of objects, and since when.
#[derive(Clone)]
struct Counts {
    of: Arc<BTreeMap<String, BucketCount>>,
    at: Instant,
}

/// A table, and what it was made of.
struct Known {
    catalog: Arc<DataCatalog>,
    counts: Arc<BTreeMap<String, BucketCount>>,
    table: Arc<DoorTable>,
}

impl Door {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let counts = Counts { of: Arc::default(), at: Instant::now() };
        let name = format!("dyninka-{:016x}", rand::random::<u64>());
        Self { core, clients: Clients::default(), counts: Mutex::new(counts), known: Mutex::default(), name }
    }

    /// The table of now, and the milliseconds since objects were looked at. The catalog in it is that of this moment.
    fn table(&self) -> (Arc<DoorTable>, u64) {
        let catalog = self.core.catalog();
        let Counts { of: counts, at } = self.counts.lock().clone();
        let age_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut known = self.known.lock();
        if let Some(known) = &*known
            && Arc::ptr_eq(&known.catalog, &catalog)
            && Arc::ptr_eq(&known.counts, &counts)
        {
            return (known.table.clone(), age_ms);
        }
        let table = Arc::new(DoorTable::new(&catalog, &counts));
        let (endpoints, buckets) = (&catalog.settings.endpoints, &catalog.settings.buckets);
        self.core.figures.keep(|name| endpoints.contains_key(name), |name| buckets.contains_key(name));
        *known = Some(Known { catalog, counts, table: table.clone() });
        (table, age_ms)
    }

    /// Looks at what copies lack, again and again.
    pub(crate) async fn look(&self) {
        let mut news = self.core.news();
        loop {
            let at = Instant::now();
            match self.core.ledger.counts().await {
                Ok(counts) => {
                    let mut known = self.counts.lock();
                    // The same numbers leave the table as it is.
                    let of = if *known.of == counts { known.of.clone() } else { Arc::new(counts) };
                    *known = Counts { of, at };
                }
                // Its age tells requests.
                Err(error) => complain("the door cannot read the catalog", &error),
            }
            tokio::select! {
                // The end of the server ends this task, too.
                _changed = news.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}
