//! The part of what a service reaches that can be compiled ahead: its types with all that they need, which stay as they
//! are while functions are edited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::mention;
use crate::model::{Carried, Service};
use crate::reach::{Index, Reach};
use crate::tokens;
use crate::tree::{Item, Kind};

/// What is compiled ahead for a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apart {
    /// Closed: nothing in it needs what is not.
    pub(crate) reach: Reach,
    /// Hash of all that counts.
    pub(crate) meaning: String,
    /// What of it travels or is state.
    pub(crate) carried: Carried,
}

/// Finds it for every service.
pub(crate) fn find(index: &Index<'_>, services: &mut [Service]) {
    let mut search =
        Search { index, seeds: BTreeMap::new(), known: BTreeMap::new(), types: Types::read(index, services) };
    for service in services {
        (service.apart, service.kept_together) = search.of(service);
    }
}

struct Search<'s, 'a> {
    index: &'s Index<'a>,
    /// What a type needs, or why it cannot be compiled apart from its service.
    seeds: BTreeMap<usize, Result<Reach, String>>,
    /// By items: services that need the same share it.
    known: BTreeMap<BTreeSet<usize>, Arc<Apart>>,
    types: Types,
}

impl Search<'_, '_> {
    /// What can be compiled ahead, and why the rest of the types cannot.
    fn of(&mut self, service: &Service) -> (Arc<Apart>, BTreeSet<String>) {
        let tree = self.index.tree;
        let mut together = BTreeSet::new();
        let mut reach = Reach::default();
        for number in &service.reach.items {
            if !matches!(tree.items[*number].kind, Kind::Type { .. }) || reach.items.contains(number) {
                continue;
            }
            match self.seeds.entry(*number).or_insert_with(|| alone(self.index, *number)) {
                Ok(own) => {
                    reach.items.extend(&own.items);
                    reach.leaves.extend(&own.leaves);
                }
                Err(why) => drop(together.insert(why.clone())),
            }
        }
        if reach.items.is_empty() {
            return (Arc::default(), together);
        }
        if let Some(known) = self.known.get(&reach.items) {
            return (Arc::clone(known), together);
        }
        let items = reach.items.clone();
        let carried = self.types.within(&mut reach);
        let apart = Arc::new(Apart { meaning: meaning(self.index, &reach, &carried), reach, carried });
        self.known.insert(items, Arc::clone(&apart));
        (apart, together)
    }
}

/// What a type needs, where it can be compiled without any service.
fn alone(index: &Index<'_>, number: usize) -> Result<Reach, String> {
    let tree = index.tree;
    let name = tree.path_of(&tree.items[number]);
    let reach = index.reach_apart(number);
    if let Some(called) = reach.calls.first() {
        return Err(format!("{name} calls the service {}", tree.path_of(&tree.items[*called])));
    }
    if let Some(placed) = reach.placed.keys().next() {
        return Err(format!("{name} uses {}, which is placed", tree.path_of(&tree.items[*placed])));
    }
    // To other crates such a type is open: they cannot make one, nor match it to the end.
    let is_open = |item: &&Item| tree.files[item.file].text[item.range.clone()].contains("non_exhaustive");
    if let Some(open) = reach.items.iter().map(|number| &tree.items[*number]).find(is_open) {
        return Err(format!("{} is non_exhaustive", tree.path_of(open)));
    }
    Ok(reach)
}

fn meaning(index: &Index<'_>, reach: &Reach, carried: &Carried) -> String {
    let tree = index.tree;
    let mut words = vec![format!("{carried:?}")];
    words.extend(index.meaning(reach, usize::MAX).into_iter().flat_map(|(label, hash)| [label, hash]));
    for item in reach.items.iter().map(|number| &tree.items[*number]) {
        // A panic names its place, so what may panic has its place in its meaning. Derived code does not.
        if matches!(item.kind, Kind::Function | Kind::Impl { .. } | Kind::Trait { .. } | Kind::Macro) {
            let place = tree.place(item.file, &item.range);
            let text = &tree.files[item.file].text[item.range.clone()];
            words.push(format!("{}:{}:{} {text}", place.file.display(), place.line, place.column));
        }
    }
    tokens::combine(words.iter().map(String::as_str))
}

/// The types in signatures and of placed state, each with what it leads over.
struct Types {
    inputs: BTreeMap<String, BTreeSet<(usize, Option<usize>)>>,
    outputs: BTreeMap<String, BTreeSet<(usize, Option<usize>)>>,
    states: BTreeMap<String, BTreeSet<(usize, Option<usize>)>>,
}

impl Types {
    fn read(index: &Index<'_>, services: &[Service]) -> Self {
        let read = |written: BTreeSet<&String>| {
            let with_finds = written.into_iter().filter_map(|written| {
                let ty: syn::Type = syn::parse_str(written).ok()?;
                let paths = mention::of_type(&ty).paths.into_iter();
                let finds: BTreeSet<_> = paths.flat_map(|path| index.names.resolve(0, &path.segments)).collect();
                (!finds.is_empty()).then(|| (written.clone(), finds))
            });
            with_finds.collect::<BTreeMap<_, _>>()
        };
        let inputs = services.iter().flat_map(|service| &service.inputs).map(|input| &input.ty);
        let states = services.iter().flat_map(|service| &service.placed).filter(|placed| placed.is_state);
        Self {
            inputs: read(inputs.collect()),
            outputs: read(services.iter().map(|service| &service.output.ty).collect()),
            states: read(states.map(|placed| &placed.ty).collect()),
        }
    }

    /// Those made of nothing but what is in `reach`; the imports they are named by are added to it.
    fn within(&self, reach: &mut Reach) -> Carried {
        let mut leaves = BTreeSet::new();
        let mut within = |types: &BTreeMap<String, BTreeSet<(usize, Option<usize>)>>| {
            let mut inside = BTreeSet::new();
            for (written, finds) in types {
                let is_inside =
                    |(number, leaf): &(usize, Option<usize>)| leaf.is_some() || reach.items.contains(number);
                if finds.iter().all(is_inside) && finds.iter().any(|(_, leaf)| leaf.is_none()) {
                    leaves.extend(finds.iter().filter_map(|(number, leaf)| Some((*number, (*leaf)?))));
                    inside.insert(written.clone());
                }
            }
            inside
        };
        let carried =
            Carried { inputs: within(&self.inputs), outputs: within(&self.outputs), states: within(&self.states) };
        reach.leaves.extend(leaves);
        carried
    }
}
