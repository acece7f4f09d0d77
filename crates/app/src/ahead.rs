//! Which types of a service can be compiled ahead of it.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::model::Service;
use crate::names::Find;
use crate::reach::{Index, Reach};
use crate::reader::Reader;
use crate::tokens;
use crate::tree::{Item, Kind};
use crate::walk;

use crate::apart::{Apart, Carried};

/// Finds it for every service of a reader's, in the order of the file.
pub(crate) fn find(reader: &Reader<'_>, services: &mut [Service]) {
    let mut found = Vec::new();
    let mut search = Search {
        index: reader.index,
        seeds: BTreeMap::new(),
        known: BTreeMap::new(),
        types: LazyCell::new(|| Types::read(reader.index, services)),
    };
    for (service, kept) in services.iter().zip(&reader.kept) {
        let is_kept = reader.before.as_ref().is_some_and(|(before, differences)| {
            let was = differences.kept(before, kept.number, &kept.own);
            // Reasons name lines.
            was.is_some_and(|was| was.service.kept_together.is_empty() && was.is_in_place(differences))
        });
        found.push(if is_kept { (Arc::clone(&service.apart), BTreeSet::new()) } else { search.of(service) });
    }
    drop(search);
    for (service, found) in services.iter_mut().zip(found) {
        (service.apart, service.kept_together) = found;
    }
}

struct Search<'s, 'a, F> {
    index: &'s Index<'a>,
    /// What a type needs, or why it cannot be compiled apart from its service.
    seeds: BTreeMap<usize, Result<Reach, String>>,
    /// By items: services that need the same share it.
    known: BTreeMap<BTreeSet<usize>, Arc<Apart>>,
    types: LazyCell<Types, F>,
}

impl<F: FnOnce() -> Types> Search<'_, '_, F> {
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
    // What registers itself does so from the service's own library.
    if let Some(acting) = reach.items.iter().find(|number| index.acts(**number)) {
        let item = &tree.items[*acting];
        let line = tree.place(item.file, &item.range()).line;
        return Err(format!("{name} reaches code that registers itself, in line {line}"));
    }
    // What a macro makes public is its own to say.
    let is_made = |item: &&Item| !item.mentions.made.is_empty();
    if let Some(made) = reach.items.iter().map(|number| &tree.items[*number]).find(is_made) {
        return Err(format!("{name} needs {}, which a macro makes", tree.path_of(made)));
    }
    // To other crates such a type is open: they cannot make one, nor match it to the end.
    let is_open = |item: &&Item| tree.files[item.file].text[item.range()].contains("non_exhaustive");
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
            let place = tree.place(item.file, &item.range());
            let text = &tree.files[item.file].text[item.range()];
            words.push(format!("{}:{}:{} {text}", place.file.display(), place.line, place.column));
        }
    }
    tokens::combine(words.iter().map(String::as_str))
}

/// The types in signatures and of placed state.
struct Types {
    inputs: Written,
    outputs: Written,
    states: Written,
}

/// Types as written.
struct Written {
    /// Each with what it leads over.
    finds: BTreeMap<String, BTreeSet<Find>>,
    /// By the items they are made of.
    made_of: HashMap<usize, Vec<String>>,
}

impl Types {
    fn read(index: &Index<'_>, services: &[Service]) -> Self {
        let inputs = services.iter().flat_map(|service| &service.inputs).map(|input| &input.ty);
        let states = services.iter().flat_map(|service| &service.placed).filter(|placed| placed.is_state);
        Self {
            inputs: Written::read(index, inputs.collect()),
            outputs: Written::read(index, services.iter().map(|service| &service.output.ty).collect()),
            states: Written::read(index, states.map(|placed| &placed.ty).collect()),
        }
    }

    /// Those made of nothing but what is in `reach`; the imports they are named by are added to it.
    fn within(&self, reach: &mut Reach) -> Carried {
        let carried = Carried {
            inputs: self.inputs.within(&reach.items),
            outputs: self.outputs.within(&reach.items),
            states: self.states.within(&reach.items),
        };
        for (types, of) in
            [(&carried.inputs, &self.inputs), (&carried.outputs, &self.outputs), (&carried.states, &self.states)]
        {
            let finds = types.iter().filter_map(|written| of.finds.get(written)).flatten();
            reach.leaves.extend(finds.filter_map(|(number, leaf)| Some((*number, (*leaf)?))));
        }
        carried
    }
}

impl Written {
    fn read(index: &Index<'_>, written: BTreeSet<&String>) -> Self {
        let mut types = Self { finds: BTreeMap::new(), made_of: HashMap::new() };
        for written in written {
            let Ok(ty) = syn::parse_str::<syn::Type>(written) else { continue };
            let paths = walk::of_type(&ty).paths.into_iter();
            let finds: BTreeSet<Find> = paths.flat_map(|path| index.names.resolve(0, &path.segments)).collect();
            for (number, _) in finds.iter().filter(|(_, leaf)| leaf.is_none()) {
                types.made_of.entry(*number).or_default().push(written.clone());
            }
            types.finds.insert(written.clone(), finds);
        }
        types
    }

    fn within(&self, items: &BTreeSet<usize>) -> BTreeSet<String> {
        let candidates = items.iter().filter_map(|number| self.made_of.get(number)).flatten();
        let is_inside = |(number, leaf): &Find| leaf.is_some() || items.contains(number);
        let inside =
            candidates.filter(|written| self.finds.get(*written).is_some_and(|finds| finds.iter().all(is_inside)));
        inside.cloned().collect()
    }
}
