//! The names a piece of code has of its own.

use std::collections::HashMap;

#[derive(Clone, Debug)]
pub(crate) enum Own {
    /// A variable, which hides functions, and leaves alone what a path begins with.
    Variable,
    /// An item inside a function.
    Item,
    /// What a `use` inside a function names.
    Import(Vec<String>),
}

/// Scopes in scopes, the innermost last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes(Vec<Scope>);

#[derive(Clone, Debug, Default)]
struct Scope {
    names: HashMap<String, Own>,
    globs: Vec<Vec<String>>,
}

impl Scopes {
    /// Whether this is inside an item.
    pub(crate) fn is_inside(&self) -> bool {
        !self.0.is_empty()
    }

    pub(crate) fn open(&mut self) {
        self.0.push(Scope::default());
    }

    pub(crate) fn close(&mut self) {
        self.0.pop();
    }

    pub(crate) fn bind(&mut self, name: String, own: Own) {
        if let Some(scope) = self.0.last_mut() {
            scope.names.insert(name, own);
        }
    }

    /// `use path::*;`
    pub(crate) fn bind_all(&mut self, path: Vec<String>) {
        if let Some(scope) = self.0.last_mut() {
            scope.globs.push(path);
        }
    }

    /// What an item inside a function sees of it: no variables.
    pub(crate) fn of_items(&self) -> Self {
        let mut seen = self.clone();
        for scope in &mut seen.0 {
            scope.names.retain(|_, own| !matches!(own, Own::Variable));
        }
        seen
    }

    /// The paths outside that a path may mean: none when it begins with a name of one's own.
    pub(crate) fn outside(&self, path: Vec<String>) -> Vec<Vec<String>> {
        let Some(first) = path.first() else { return Vec::new() };
        let hides = |own: &Own| !matches!(own, Own::Variable) || path.len() == 1;
        let found = self.0.iter().rev().filter_map(|scope| scope.names.get(first)).find(|own| hides(own));
        match found {
            Some(Own::Import(whole)) => vec![whole.iter().chain(&path[1..]).cloned().collect()],
            Some(_) => Vec::new(),
            None => {
                let globs = self.0.iter().flat_map(|scope| &scope.globs);
                let mut paths: Vec<Vec<String>> = globs.map(|glob| [glob.as_slice(), &path].concat()).collect();
                paths.push(path);
                paths
            }
        }
    }
}
