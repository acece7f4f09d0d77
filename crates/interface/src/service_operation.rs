//! An app as those see it who call it.

use std::collections::{BTreeMap, BTreeSet};

use app::{App, Flow, Form};

use crate::directed::Direction;
use crate::type_names::TypeNames;

/// All of an app that other programs call.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The app's name.
    pub app: String,
    /// The last service of the flow, which the public listener serves; none: the app has no flow.
    pub entry: Option<String>,
    /// A call of each service, in the order of the file.
    pub calls: Vec<ServiceOperation>,
    /// The user's types, by the name that [`Form::Named`] has.
    pub(crate) types: BTreeMap<String, Form>,
    pub(crate) names: TypeNames,
}

/// A call of a service: `GET /` or `POST /` at its endpoint.
#[derive(Clone, Debug)]
pub struct ServiceOperation {
    /// The service, by its Rust name.
    pub service: String,
    /// In order.
    pub inputs: Vec<CallInput>,
    /// The value that it answers with.
    pub output: Form,
    /// Whether it, or a service that feeds it, may answer with nothing: 204.
    pub may_filter: bool,
    /// Stands for its inputs and its output: equal, and the same travels. Sixteen hex digits.
    pub hash: String,
}

/// An input of a call.
#[derive(Clone, Debug)]
pub struct CallInput {
    /// Parameter name.
    pub name: String,
    pub form: Form,
    /// Whether it has to be sent: the flow does not feed it.
    pub needed: bool,
}

impl Interface {
    /// The interface of an app without errors.
    pub fn of(app: &App) -> Self {
        let mut wires = app.wires();
        let mut types = BTreeMap::new();
        let calls = app.services.iter().map(|service| {
            let wire = wires.remove(&service.name).unwrap_or_default();
            let hash = wire.hash();
            types.extend(wire.types);
            let place = app.flow.as_ref().and_then(|flow| place(flow, &service.name));
            let feeders = place.map(feeders).unwrap_or_default();
            let filters = |name: &&str| app.service(name).is_some_and(|service| service.output.optional);
            let inputs = wire.inputs.into_iter().map(|input| {
                // An `Option` that is not there reads as `None`; the host still asks for the key.
                CallInput { name: input.name, form: input.form, needed: place.is_none() }
            });
            ServiceOperation {
                service: service.name.clone(),
                inputs: inputs.collect(),
                output: wire.output,
                may_filter: wire.optional || feeders.iter().any(filters),
                hash,
            }
        });
        let calls: Vec<ServiceOperation> = calls.collect();
        let names = TypeNames::of(&calls, &types);
        let entry = app.last().map(str::to_owned);
        Self { app: app.name.clone(), entry, calls, types, names }
    }

    /// A service's call.
    pub fn call(&self, service: &str) -> Option<&ServiceOperation> {
        self.calls.iter().find(|call| call.service == service)
    }

    /// The user's types that travel in a direction, by their names there.
    pub(crate) fn types(&self, direction: Direction) -> BTreeMap<&str, &Form> {
        self.types.iter().filter_map(|(name, form)| Some((self.names.get(name, direction)?, form))).collect()
    }
}

impl ServiceOperation {
    /// Whether a `GET` calls it: no input has to be sent.
    pub fn is_got(&self) -> bool {
        self.inputs.iter().all(|input| !input.needed)
    }
}

/// The first place of a service in a flow.
fn place<'a>(flow: &'a Flow, wanted: &str) -> Option<&'a [Flow]> {
    match flow {
        Flow::Call { service, inputs } if service == wanted => Some(inputs),
        Flow::Call { inputs, .. } => inputs.iter().find_map(|input| place(input, wanted)),
        Flow::Literal(_) => None,
    }
}

/// The services in flows.
fn feeders(flows: &[Flow]) -> BTreeSet<&str> {
    let (mut open, mut names): (Vec<&Flow>, BTreeSet<&str>) = (flows.iter().collect(), BTreeSet::new());
    while let Some(flow) = open.pop() {
        if let Flow::Call { service, inputs } = flow {
            names.insert(service);
            open.extend(inputs);
        }
    }
    names
}
