//! The app as the rest of the house knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::apart::Apart;
use crate::diagnostic::SourcePlace;
use crate::quantity::{Cpu, Memory};
use crate::reach::Reach;
use crate::shape::Shape;
use crate::terms::{JobTerms, LoadTerms};
use crate::tree::Tree;

/// One Rust file, understood.
#[derive(Clone, Debug, Default)]
pub struct App {
    /// File stem of the root file.
    pub name: String,
    /// In the order of the file.
    pub services: Vec<Service>,
    /// The tail of `main`; none when it is wrong or not there.
    pub flow: Option<Flow>,
    /// Buckets that its statics name, in the order of the file.
    pub buckets: Vec<AppBucket>,
    /// Names of outside crates the code mentions (`-` as `_`), `std`, `core`, `alloc` and `dyninka` left out.
    pub crates: BTreeSet<String>,
    /// The manifest between `---` lines at the head of the file.
    pub frontmatter: Option<String>,
    /// Every file the app is read from: root, modules, included.
    pub files: BTreeSet<PathBuf>,
    /// Hash over every signature in the flow, over all that their types reach, and over which feeds which: equal, what
    /// travels is the same.
    pub flow_meaning: String,
    pub(crate) tree: Arc<Tree>,
    /// What the signatures in the flow need.
    pub(crate) faces: Reach,
    /// The same without `impl` blocks.
    pub(crate) bare_faces: Reach,
    /// Leaves of `use` statements that lead out of the crate: in every slice, since they may bring traits.
    pub(crate) outside: Arc<BTreeSet<(usize, usize)>>,
}

/// A bucket of objects that a static names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppBucket {
    pub name: String,
    /// Where its name is written.
    pub place: SourcePlace,
}

/// The places that a service runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPlaces {
    /// Words that each of them has, such as `hpc` or `zone=germany, gpu`.
    pub words: String,
    /// Where they are written.
    pub place: SourcePlace,
}

/// A function that becomes a service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Rust name.
    pub name: String,
    /// DNS label: `_` is `-`.
    pub host: String,
    /// In order.
    pub inputs: Vec<Input>,
    /// What it returns.
    pub output: Output,
    /// `async fn`.
    pub is_async: bool,
    pub placed: Vec<PlacedStatic>,
    /// Services its body calls, itself and what it reaches.
    pub calls: BTreeSet<String>,
    /// Every item it reaches, by path, each with the hash of its tokens. What two versions differ in is the reason of an edit.
    pub reaches: BTreeMap<String, String>,
    /// Hash over `reaches`, signature and placed statics: equal meaning, equal hash.
    pub meaning: String,
    /// Hash over the places of all it is compiled from. They have no part in what it means, and a library names them when
    /// it panics.
    pub places: String,
    /// `#[service(replay = false)]`: not to be run again for comparison; `true`: also where it does more than compute.
    pub replay: Option<bool>,
    /// What its attribute asks of those who run it.
    pub needs: Needs,
    /// `#[service(near = "images")]`: the bucket that it works on. It has no part in what the service means.
    pub near: Option<AppBucket>,
    /// `#[service(on = "zone=germany")]`: the places that it runs in. It has no part in what the service means.
    pub on: Option<WantedPlaces>,
    /// The function's name in the file.
    pub place: SourcePlace,
    /// The types of its inputs, in order.
    pub input_places: Vec<SourcePlace>,
    /// The type it returns; its name where it returns nothing.
    pub output_place: SourcePlace,
    /// Hash over the types in its signature and all that they are made of: equal, what it takes and returns is the same.
    pub signature: String,
    /// What of the tree it needs.
    pub(crate) reach: Reach,
    /// What of that can be compiled ahead.
    pub(crate) apart: Arc<Apart>,
    /// Why some of its types cannot be compiled apart from it.
    pub kept_together: BTreeSet<String>,
}

/// What `#[service(replicas = 2, cpu = "500m", attempts = 8, rate = 200)]` asks of those who run a service. It has no part in
/// what a service means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// How many of it run.
    pub replicas: Option<u32>,
    /// What is reserved for each.
    pub cpu: Option<Cpu>,
    /// What is reserved for each, and may not be exceeded.
    pub memory: Option<Memory>,
    /// How jobs of it run.
    pub jobs: JobTerms,
    /// What it takes where nodes share load.
    pub load: LoadTerms,
}

/// An input of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Parameter name, as requests know it: `type` for `r#type`.
    pub name: String,
    /// Whether it is a keyword.
    #[serde(skip)]
    pub(crate) is_raw: bool,
    /// Its type, as written.
    #[serde(rename = "type")]
    pub ty: String,
}

impl Input {
    /// Its name as Rust has it.
    pub fn identifier(&self) -> String {
        if self.is_raw { format!("r#{}", self.name) } else { self.name.clone() }
    }
}

/// What a service returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The value's type as written, `Result` and `Option` taken off; `()` for none.
    pub ty: String,
    /// Wrapped in `Result`.
    pub fallible: bool,
    /// Wrapped in `Option`: `None` means filtered.
    pub optional: bool,
    /// The return type as written.
    pub written: String,
    /// It is wrapped under another name, or by a type that is called so and is none: only `written` says it to rustc.
    pub aliased: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedStatic {
    pub name: String,
    /// Its type, as written; for `Placed<T>`, the `T`.
    pub ty: String,
    /// `Placed<T>`: state the system knows. Any other static is a resource.
    pub is_state: bool,
    /// For state: hash of all that decides the type's layout and behaviour in the source.
    pub fingerprint: String,
    /// For state: why no two versions ever share its cell.
    pub apart: Option<String>,
}

/// The flow: which service feeds which. The root is the last service.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// A service, with what feeds each input, in order.
    Call {
        /// Rust name.
        service: String,
        inputs: Vec<Flow>,
    },
    /// A literal, as JSON.
    Literal(String),
}

/// What a service is compiled from: the user's files, everything it does not reach blanked out, every
/// character that is left at its own line and column.
#[derive(Clone, Debug, Default)]
pub struct ServiceSlice {
    /// Texts, by path relative to the root file's folder (may start with `../`). Attributes of ours and `main` are blanked.
    pub files: BTreeMap<PathBuf, String>,
    /// The root file among them.
    pub root: PathBuf,
    /// Included files, relative to the root file's folder likewise, to be found at the same relative place.
    pub included: BTreeSet<PathBuf>,
    /// Services called from bodies, whose functions are blanked: the build puts a call through the host in their place.
    pub stubs: Vec<Stub>,
}

/// The signature of a service that a slice calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Rust name.
    pub name: String,
    /// In order, types as written.
    pub inputs: Vec<Input>,
    /// What it returns.
    pub output: Output,
}

impl Service {
    /// Hash over its types that can be compiled apart from it, and all that counts for them; none where there are none.
    pub fn types(&self) -> Option<&str> {
        (!self.apart.reach.items.is_empty()).then_some(self.apart.meaning.as_str())
    }
}

impl App {
    /// Every struct with named fields and every enum of the app, by name. Of two with one name in different modules the
    /// first counts: this helps with writing values, nothing is decided by it.
    pub fn types(&self) -> BTreeMap<String, Shape> {
        let mut types = BTreeMap::new();
        for item in &self.tree.items {
            if let (Some(shape), Some(name)) = (&item.shape, item.names.first()) {
                types.entry(name.clone()).or_insert_with(|| shape.clone());
            }
        }
        types
    }

    /// Stands for the reading of the files that this came of, as long as it is there: equal, and it was one reading.
    pub fn reading(&self) -> usize {
        Arc::as_ptr(&self.tree).addr()
    }

    /// A service by its Rust name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// Where a service's inputs come from: the expression list of the first place it stands at in the flow. None
    /// when it stands nowhere in it.
    pub fn route_of(&self, service: &str) -> Option<String> {
        fn find<'a>(flow: &'a Flow, wanted: &str) -> Option<&'a [Flow]> {
            match flow {
                Flow::Call { service, inputs } if service == wanted => Some(inputs),
                Flow::Call { inputs, .. } => inputs.iter().find_map(|input| find(input, wanted)),
                Flow::Literal(_) => None,
            }
        }
        find(self.flow.as_ref()?, service).map(list)
    }

    /// [`Self::route_of`] of every service that stands in the flow, in one go.
    pub fn routes(&self) -> BTreeMap<String, String> {
        let mut routes = Routes::default();
        if let Some(flow) = &self.flow {
            routes.gather(flow);
        }
        routes.found.into_iter().map(|(service, (_, route))| (service.to_owned(), route)).collect()
    }

    /// The last service of the flow: the one that is called.
    pub fn last(&self) -> Option<&str> {
        match self.flow.as_ref()? {
            Flow::Call { service, .. } => Some(service),
            Flow::Literal(_) => None,
        }
    }
}

/// The routes of a flow, while it is gone through.
#[derive(Default)]
struct Routes<'a> {
    seen: usize,
    /// By service: where in the flow it stands first, and its route there.
    found: BTreeMap<&'a str, (usize, String)>,
}

impl<'a> Routes<'a> {
    /// Notes the routes of all that is in a flow, and answers the flow as text.
    fn gather(&mut self, flow: &'a Flow) -> String {
        let Flow::Call { service, inputs } = flow else { return flow.to_string() };
        let at = self.seen;
        self.seen += 1;
        let route = inputs.iter().map(|input| self.gather(input)).collect::<Vec<_>>().join(", ");
        let text = if inputs.is_empty() { service.clone() } else { format!("{service}({route})") };
        if self.found.get(service.as_str()).is_none_or(|(other, _)| at < *other) {
            self.found.insert(service, (at, route));
        }
        text
    }
}

impl Display for Flow {
    /// `moving_avg(map(filter(get)))`: the language of the route header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(json) => f.write_str(json),
            Self::Call { service, inputs } if inputs.is_empty() => f.write_str(service),
            Self::Call { service, inputs } => write!(f, "{service}({})", list(inputs)),
        }
    }
}

fn list(flows: &[Flow]) -> String {
    flows.iter().map(Flow::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(service: &str, inputs: Vec<Flow>) -> Flow {
        Flow::Call { service: service.to_owned(), inputs }
    }

    #[test]
    fn routes_in_one_go_are_the_routes_one_by_one() {
        let get = || call("get", vec![Flow::Literal("1".to_owned())]);
        let inner = call("map", vec![call("other", vec![get()])]);
        let flow = call("last", vec![call("map", vec![get()]), inner, Flow::Literal("\"x\"".to_owned())]);
        let app = App { flow: Some(flow), ..App::default() };
        let routes = app.routes();
        assert_eq!(routes.keys().collect::<Vec<_>>(), ["get", "last", "map", "other"]);
        for (service, route) in &routes {
            assert_eq!(app.route_of(service).as_ref(), Some(route));
        }
        assert_eq!(App::default().routes(), BTreeMap::new());
    }
}
