//! What a service needs: from its function over everything that is mentioned, item by item.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use crate::import::Leaf;
use crate::mention::{Manner, Mention, Mentions};
use crate::names::{Find, Names};
use crate::tokens;
use crate::tree::{Item, Kind, Tree};

mod acting;

use acting::Needs;

/// What leads from item to item.
pub(crate) struct Index<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) names: Names<'a>,
    /// `impl` blocks by an item of their head.
    impls: HashMap<usize, Vec<usize>>,
    /// Local traits by a method of theirs.
    methods: HashMap<&'a str, Vec<usize>>,
    /// Leaves of `use` statements that bring a local trait in, for its methods' sake.
    imports: HashMap<usize, Vec<(usize, usize)>>,
    /// What may have an effect though nothing names it, with what has to be there for it to go along.
    acting: Vec<(usize, Needs)>,
    /// Macros of the app's that may make an `impl`, by name.
    makers: HashSet<&'a str>,
    /// What an item's paths lead to from a module: asked for by every service that reaches the item.
    leads: RefCell<HashMap<(usize, usize), Leads>>,
    /// Items that may give a type an `impl` that does not stand in the index by that type.
    adding: OnceCell<Vec<usize>>,
    /// Whether the app may have an allocator of its own.
    pub(crate) has_allocator: OnceCell<bool>,
}

type Leads = Rc<[Lead]>;

/// A path of an item, followed.
struct Lead {
    find: Find,
    range: Range<usize>,
    manner: Manner,
}

/// What something needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Items, by number.
    pub(crate) items: BTreeSet<usize>,
    /// Of these, what nothing names: it registers itself, or only what does needs it.
    pub(crate) along: BTreeSet<usize>,
    /// Leaves of `use` statements: item and leaf.
    pub(crate) leaves: BTreeSet<(usize, usize)>,
    /// Services called.
    pub(crate) calls: BTreeSet<usize>,
    /// Statics placed elsewhere that are used, with the file and place of the first use.
    pub(crate) placed: BTreeMap<usize, (usize, Range<usize>)>,
}

impl<'a> Index<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        let mut index = Self {
            tree,
            names: Names::new(tree),
            impls: HashMap::new(),
            methods: HashMap::new(),
            imports: HashMap::new(),
            acting: Vec::new(),
            makers: makers(tree),
            leads: RefCell::default(),
            adding: OnceCell::new(),
            has_allocator: OnceCell::new(),
        };
        let is_trait = |number: &usize| matches!(tree.items[*number].kind, Kind::Trait { .. });
        let traits: Vec<usize> = (0..tree.items.len()).filter(is_trait).collect();
        for (number, item) in tree.items.iter().enumerate() {
            match &item.kind {
                Kind::Trait { methods } => {
                    methods.iter().for_each(|name| index.methods.entry(name).or_default().push(number));
                }
                Kind::Impl { of, head } => {
                    for key in index.keys(item.module, of.as_deref(), head) {
                        index.impls.entry(key).or_default().push(number);
                    }
                }
                Kind::Use { leaves, .. } => {
                    for (at, leaf) in leaves.iter().enumerate() {
                        for found in index.traits(item.module, leaf, &traits) {
                            index.imports.entry(found).or_default().push((number, at));
                        }
                    }
                }
                _ => {}
            }
        }
        index.acting = index.all_acting();
        index
    }

    /// The local traits a leaf of a `use` brings into scope.
    fn traits(&self, module: usize, leaf: &Leaf, traits: &[usize]) -> Vec<usize> {
        let leads_to = |path: &[String], number: usize| self.names.resolve(module, path).contains(&(number, None));
        let brings = |number: &usize| {
            let name = self.tree.items[*number].names.first();
            let through = || leaf.path.iter().chain(name).cloned().collect::<Vec<_>>();
            if leaf.glob { leads_to(&through(), *number) } else { leads_to(&leaf.path, *number) }
        };
        traits.iter().copied().filter(brings).collect()
    }

    /// The items an `impl` goes along with: the type it is for when that is of this crate, else whatever of this
    /// crate its head names.
    fn keys(&self, module: usize, of: Option<&[String]>, head: &[Vec<String>]) -> BTreeSet<usize> {
        let mut own = BTreeSet::new();
        for (found, _) in of.map(|path| self.names.resolve(module, path)).unwrap_or_default() {
            match &self.tree.items[found].kind {
                Kind::Type { is_alias: true, .. } => {
                    let item = &self.tree.items[found];
                    let meant =
                        item.mentions.paths.iter().flat_map(|path| self.names.resolve(item.module, &path.segments));
                    own.extend(meant.map(|(found, _)| found).filter(|found| self.is_type(*found)));
                }
                _ if self.is_type(found) => drop(own.insert(found)),
                _ => {}
            }
        }
        if !own.is_empty() {
            return own;
        }
        let named = head.iter().flat_map(|path| self.names.resolve(module, path)).map(|(found, _)| found);
        named.filter(|found| self.is_type(*found)).collect()
    }

    fn is_type(&self, number: usize) -> bool {
        let item = &self.tree.items[number];
        matches!(item.kind, Kind::Type { .. } | Kind::Trait { .. }) || !item.mentions.made.is_empty()
    }

    /// Everything that is needed where `roots` are.
    pub(crate) fn reach(&self, roots: &[usize]) -> Reach {
        let mut search = Search::new(self, roots, true);
        search.open.extend(roots.iter().map(|root| (*root, 0)));
        search.enter(0);
        search.run();
        if !self.acting.is_empty() {
            let named = search.reach.items.clone();
            search.with_acting = true;
            search.run();
            search.reach.along = search.reach.items.difference(&named).copied().collect();
        }
        search.reach
    }

    /// Everything that is needed where the signatures of services are, not their functions. Statics may be placed
    /// anywhere: an `impl` of what travels may use those of its own service.
    /// Without `impl` blocks it is the types alone.
    pub(crate) fn reach_faces(&self, services: &BTreeSet<usize>, with_impls: bool) -> Reach {
        let is_placed = |number: &usize| self.tree.items[*number].placed.is_some();
        let placed: Vec<usize> = (0..self.tree.items.len()).filter(is_placed).collect();
        let mut search = Search::new(self, &placed, true);
        search.with_impls = with_impls;
        search.enter(0);
        for service in services {
            let item = &self.tree.items[*service];
            let Kind::Service { face } = &item.kind else { continue };
            for lead in self.follow(0, &face.mentions) {
                search.find(item, lead.find, &lead.range, Manner::Tokens, 0);
            }
        }
        search.run();
        search.reach
    }

    /// Everything an item needs without what nobody names: whether that is needed is for rustc to find.
    pub(crate) fn reach_apart(&self, item: usize) -> Reach {
        let mut search = Search::new(self, &[], false);
        search.go(item, 0);
        search.run();
        search.reach
    }

    /// Everything that has a say in how values of a type lie in memory and behave, from what is mentioned in a module on:
    /// functions and `impl` blocks, those included that macros or bodies of functions may add.
    pub(crate) fn reach_value(&self, module: usize, mentions: &Mentions) -> Reach {
        let mut search = Search::new(self, &[], false);
        for lead in self.follow(module, mentions) {
            match (&self.tree.items[lead.find.0].kind, lead.find.1) {
                (Kind::Service { .. } | Kind::Main | Kind::Test, _) => {}
                (Kind::Use { .. }, Some(at)) => search.leaf(lead.find.0, at),
                _ => search.go(lead.find.0, module),
            }
        }
        loop {
            search.run();
            let adds = |number: &&usize| {
                !search.reach.items.contains(*number) && self.names_any(**number, &search.reach.items)
            };
            let added: Vec<usize> = self.adding().iter().filter(adds).copied().collect();
            if added.is_empty() {
                return search.reach;
            }
            added.into_iter().for_each(|number| search.go(number, self.tree.items[number].module));
        }
    }

    fn adding(&self) -> &[usize] {
        let may_add = |number: &usize| self.may_add(&self.tree.items[*number]);
        self.adding.get_or_init(|| (0..self.tree.items.len()).filter(may_add).collect())
    }

    /// Whether anything may have an effect though nothing names it.
    pub(crate) fn has_acting(&self) -> bool {
        !self.acting.is_empty()
    }

    /// Whether an item calls a macro of the app's that may make an `impl`.
    pub(crate) fn calls_maker(&self, item: &Item) -> bool {
        item.mentions.macros.iter().any(|called| self.makers.contains(called.as_str()))
    }

    /// Whether an item may give a type an `impl` that does not stand in the index by that type.
    pub(crate) fn may_add(&self, item: &Item) -> bool {
        match &item.kind {
            Kind::Test | Kind::Macro | Kind::Use { .. } | Kind::Module { .. } => false,
            Kind::Nameless => item.mentions.has_impl || self.is_opaque(item),
            Kind::Impl { of, .. } => {
                let found = of.as_deref().map(|path| self.names.resolve(item.module, path)).unwrap_or_default();
                let is_direct = |find: &Find| {
                    matches!(self.tree.items[find.0].kind, Kind::Type { is_alias: false, .. }) && find.1.is_none()
                };
                !found.iter().any(is_direct)
            }
            _ => item.mentions.has_impl || self.calls_maker(item),
        }
    }

    /// Whether an item names a type or trait among some: itself, or by a macro, an alias or a trait of the app's.
    fn names_any(&self, number: usize, among: &BTreeSet<usize>) -> bool {
        let from = self.tree.items[number].module;
        let (mut open, mut seen) = (vec![number], BTreeSet::new());
        while let Some(number) = open.pop() {
            for lead in self.leads(number, from).iter() {
                let found = lead.find.0;
                if self.is_type(found) && among.contains(&found) {
                    return true;
                }
                let leads_on = match self.tree.items[found].kind {
                    Kind::Macro | Kind::Trait { .. } => true,
                    Kind::Type { is_alias, .. } => is_alias,
                    _ => false,
                };
                if leads_on && seen.insert(found) {
                    open.push(found);
                    open.extend(self.impls.get(&found).into_iter().flatten().filter(|number| seen.insert(**number)));
                }
            }
        }
        false
    }

    /// Everything that some items and imports need, with what nobody names.
    pub(crate) fn reach_of(&self, finds: &BTreeSet<Find>) -> Reach {
        let mut search = Search::new(self, &[], true);
        search.enter(0);
        for (number, leaf) in finds {
            match leaf {
                Some(at) => search.leaf(*number, *at),
                None => search.go(*number, 0),
            }
        }
        search.run();
        search.reach
    }

    /// What an item's paths lead to. The names in a macro are looked up where it is called, too.
    fn leads(&self, number: usize, from: usize) -> Leads {
        if let Some(known) = self.leads.borrow().get(&(number, from)) {
            return known.clone();
        }
        let item = &self.tree.items[number];
        let mut leads = self.follow(item.module, &item.mentions);
        if from != item.module {
            leads.extend(self.follow(from, &item.mentions));
        }
        let leads: Leads = leads.into();
        self.leads.borrow_mut().insert((number, from), leads.clone());
        leads
    }

    fn follow(&self, module: usize, mentions: &Mentions) -> Vec<Lead> {
        let mut leads = Vec::new();
        for Mention { segments, range, manner } in &mentions.paths {
            for find in self.names.resolve(module, segments) {
                leads.push(Lead { find, range: range.clone(), manner: *manner });
                if let (Manner::Text, Kind::Module { inside }) = (manner, &self.tree.items[find.0].kind) {
                    let all = self.all_in(*inside).into_iter();
                    leads.extend(all.map(|number| Lead {
                        find: (number, None),
                        range: range.clone(),
                        manner: *manner,
                    }));
                }
            }
        }
        leads
    }

    fn all_in(&self, module: usize) -> Vec<usize> {
        let inside = |number: &usize| match self.tree.items[*number].kind {
            Kind::Module { inside } => self.all_in(inside),
            Kind::Use { .. } => Vec::new(),
            _ => vec![*number],
        };
        self.tree.modules[module].items.iter().flat_map(inside).collect()
    }

    /// Hash of a type and of everything local it is made of: equal, the same bytes mean the same. How a type behaves
    /// may change; what it is made of decides its bytes.
    pub(crate) fn fingerprint(&self, module: usize, written: &str, mentions: &Mentions) -> String {
        let mut open: Vec<Find> = self.follow(module, mentions).into_iter().map(|lead| lead.find).collect();
        let mut seen = BTreeSet::new();
        let mut hashes = Vec::new();
        while let Some(find) = open.pop() {
            let item = &self.tree.items[find.0];
            let counts = matches!(item.kind, Kind::Type { .. } | Kind::Constant { .. } | Kind::Macro);
            if !counts || !seen.insert(find) {
                continue;
            }
            hashes.push(item.hash.as_str());
            open.extend(self.follow(item.module, &item.mentions).into_iter().map(|lead| lead.find));
        }
        hashes.sort_unstable();
        tokens::combine([written].into_iter().chain(hashes))
    }
}

/// The macros that may make an `impl`: there is one in their text, or they call another that may.
fn makers(tree: &Tree) -> HashSet<&str> {
    let macros = || tree.items.iter().filter(|item| matches!(item.kind, Kind::Macro));
    let mut makers = HashSet::new();
    loop {
        let before = makers.len();
        for item in macros() {
            let calls_one = |called: &String| called == "$" || makers.contains(called.as_str());
            if item.mentions.has_impl || item.mentions.macros.iter().any(calls_one) {
                makers.extend(item.names.iter().map(String::as_str));
            }
        }
        if makers.len() == before {
            return makers;
        }
    }
}

/// A way through the items, under way.
struct Search<'s, 'a> {
    index: &'s Index<'a>,
    roots: &'s [usize],
    /// Whether what nobody names goes along with its module.
    with_nameless: bool,
    /// Whether `impl` blocks go along with their types.
    with_impls: bool,
    /// Whether what registers itself goes along.
    with_acting: bool,
    reach: Reach,
    /// Items to look at, with the module whose names count where the item is a macro.
    open: Vec<(usize, usize)>,
    seen: HashSet<(usize, usize)>,
}

impl<'s, 'a> Search<'s, 'a> {
    fn new(index: &'s Index<'a>, roots: &'s [usize], with_nameless: bool) -> Self {
        Self {
            index,
            roots,
            with_nameless,
            with_impls: true,
            with_acting: false,
            reach: Reach::default(),
            open: Vec::new(),
            seen: HashSet::new(),
        }
    }

    fn run(&mut self) {
        let mut methods = BTreeSet::new();
        loop {
            while let Some((number, from)) = self.open.pop() {
                let item = &self.index.tree.items[number];
                methods.extend(item.mentions.methods.iter().map(String::as_str));
                self.look(number, from);
            }
            // A trait whose method is called is needed, and so is what brings it into scope.
            let called = methods.iter().filter_map(|name| self.index.methods.get(name)).flatten();
            let called: Vec<usize> = called.filter(|number| !self.reach.items.contains(number)).copied().collect();
            called.into_iter().for_each(|number| self.go(number, 0));
            self.acting();
            self.imports();
            if self.open.is_empty() {
                return;
            }
        }
    }

    fn imports(&mut self) {
        let traits = self.reach.items.iter().filter_map(|number| self.index.imports.get(number)).flatten();
        let here = |(number, _): &&(usize, usize)| self.is_entered(self.index.tree.items[*number].module);
        let fresh: Vec<_> = traits.filter(here).filter(|find| !self.reach.leaves.contains(find)).copied().collect();
        for (number, at) in fresh {
            self.leaf(number, at);
        }
    }

    fn is_entered(&self, module: usize) -> bool {
        self.index.tree.modules[module].item.is_none_or(|item| self.reach.items.contains(&item))
    }

    fn go(&mut self, number: usize, from: usize) {
        let item = &self.index.tree.items[number];
        let from = if matches!(item.kind, Kind::Macro) { from } else { item.module };
        if self.seen.insert((number, from)) {
            self.open.push((number, from));
        }
    }

    /// A leaf that is kept leads to what it names.
    fn leaf(&mut self, number: usize, at: usize) {
        let item = &self.index.tree.items[number];
        if !self.reach.leaves.insert((number, at)) {
            return;
        }
        self.go(number, item.module);
        if let Kind::Use { leaves, .. } = &item.kind {
            for find in self.index.names.resolve(item.module, &leaves[at].path) {
                self.find(item, find, &item.whole, Manner::Tokens, item.module);
            }
        }
    }

    /// What goes along with a module that is entered.
    fn enter(&mut self, module: usize) {
        for number in &self.index.tree.modules[module].items {
            if self.with_nameless && matches!(self.index.tree.items[*number].kind, Kind::Nameless) {
                self.go(*number, module);
            }
        }
    }

    fn look(&mut self, number: usize, from: usize) {
        let index = self.index;
        let item = &index.tree.items[number];
        if self.reach.items.insert(number) {
            let impls = index.impls.get(&number).filter(|_| self.with_impls);
            impls.into_iter().flatten().for_each(|number| self.go(*number, 0));
            if let Some(declared) = index.tree.modules[item.module].item {
                self.go(declared, 0);
            }
            if let Kind::Module { inside } = item.kind {
                self.enter(inside);
            }
        }
        for lead in index.leads(number, from).iter() {
            self.find(item, lead.find, &lead.range, lead.manner, from);
        }
    }

    fn find(&mut self, item: &Item, find: Find, range: &Range<usize>, manner: Manner, from: usize) {
        let index = self.index;
        let found = &index.tree.items[find.0];
        match (&found.kind, find.1) {
            (Kind::Service { face }, _) => {
                if manner == Manner::Code && self.reach.calls.insert(find.0) && !self.roots.contains(&find.0) {
                    for lead in index.follow(0, &face.mentions) {
                        self.find(item, lead.find, range, Manner::Tokens, 0);
                    }
                }
            }
            (Kind::Main | Kind::Test, _) => {}
            (Kind::Use { .. }, Some(at)) => self.leaf(find.0, at),
            _ if found.placed.is_some() && !self.roots.contains(&find.0) => {
                if manner != Manner::Text {
                    self.reach.placed.entry(find.0).or_insert_with(|| (item.file, item.at(range)));
                }
            }
            _ => self.go(find.0, from),
        }
    }
}
