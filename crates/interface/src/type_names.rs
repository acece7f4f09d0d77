//! Names for the user's types outside the app: one word each, none of them twice.

use std::collections::{BTreeMap, BTreeSet};

use app::Form;

use crate::directed::{Direction, is_symmetric, mentioned};
use crate::service_operation::ServiceOperation;

/// Names that documents and clients have for something else.
const TAKEN: [&str; 27] = [
    "AbortSignal",
    "Array",
    "BTreeMap",
    "Box",
    "CallError",
    "CallOptions",
    "Client",
    "Default",
    "Display",
    "Endpoint",
    "Err",
    "Error",
    "JSON",
    "None",
    "Ok",
    "Option",
    "Problem",
    "Promise",
    "Response",
    "Result",
    "Self",
    "Some",
    "String",
    "Value",
    "Vec",
    "Object",
    "Function",
];

/// The names of the user's types, by the name that a form has and by direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeNames {
    names: BTreeMap<(String, Direction), String>,
    taken: BTreeSet<String>,
}

impl TypeNames {
    /// Gives a type one name where it is read as it is written, else one for each direction in which it travels.
    pub(crate) fn of(calls: &[ServiceOperation], types: &BTreeMap<String, Form>) -> Self {
        let inputs = calls.iter().flat_map(|call| &call.inputs).map(|input| &input.form);
        let read = reached(inputs, types, Direction::Input);
        let written = reached(calls.iter().map(|call| &call.output), types, Direction::Output);
        let symmetric = symmetric(types);
        let mut names = Self { names: BTreeMap::new(), taken: TAKEN.iter().map(|name| (*name).to_owned()).collect() };
        names.taken.extend(calls.iter().map(|call| inputs_name(&call.service)));
        for name in types.keys() {
            let directions = [(Direction::Input, &read), (Direction::Output, &written)];
            let directions: Vec<Direction> = directions
                .into_iter()
                .filter(|(_, reached)| reached.contains(name.as_str()))
                .map(|(it, _)| it)
                .collect();
            if directions.len() == 2 && !symmetric.contains(name.as_str()) {
                for (direction, word) in [(Direction::Input, "Input"), (Direction::Output, "Output")] {
                    let given = names.free(name, word);
                    names.names.insert((name.clone(), direction), given);
                }
            } else if !directions.is_empty() {
                let given = names.free(name, "");
                names.names.extend(directions.into_iter().map(|direction| ((name.clone(), direction), given.clone())));
            }
        }
        names
    }

    /// The name of a type in a direction; none: it does not travel that way.
    pub(crate) fn get(&self, name: &str, direction: Direction) -> Option<&str> {
        self.names.get(&(name.to_owned(), direction)).map(String::as_str)
    }

    /// Whether a type has one name for both directions, and travels in both.
    pub(crate) fn is_shared(&self, name: &str) -> bool {
        let one = self.get(name, Direction::Input);
        one.is_some() && one == self.get(name, Direction::Output)
    }

    /// The first name that is free: the type's own, then with its modules, then with a number.
    fn free(&mut self, name: &str, suffix: &str) -> String {
        let own = pascal(last(name)) + suffix;
        let whole = pascal(name) + suffix;
        let numbered = (2_u32..).map(|number| format!("{whole}{number}"));
        let mut candidates = [own, whole.clone()].into_iter().chain(numbered);
        let given = candidates.find(|name| !self.taken.contains(name)).unwrap_or(whole);
        self.taken.insert(given.clone());
        given
    }

    /// A name that nothing has, for something that has none in the app.
    pub(crate) fn add(&mut self, name: &str) -> String {
        self.free(name, "")
    }
}

/// The name of what is sent to a service: `MovingAvgInputs`.
pub(crate) fn inputs_name(service: &str) -> String {
    pascal(service) + "Inputs"
}

/// One word of several: `moving_avg` is `MovingAvg`, `Page<a list of u8>` is `PageListU8`.
pub(crate) fn pascal(text: &str) -> String {
    let text = text.replace("a list of", "list").replace("a map of", "map").replace("or null", "or none");
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut name: String = words
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect();
    if !name.starts_with(char::is_alphabetic) {
        name.insert(0, 'T');
    }
    name
}

/// A type's path without its modules.
fn last(name: &str) -> &str {
    let end = name.find('<').unwrap_or(name.len());
    let begin = name[..end].rfind("::").map_or(0, |at| at + 2);
    &name[begin..]
}

/// The types that forms lead to.
fn reached<'a>(
    forms: impl Iterator<Item = &'a Form>,
    types: &'a BTreeMap<String, Form>,
    direction: Direction,
) -> BTreeSet<&'a str> {
    let (mut open, mut reached): (Vec<&Form>, BTreeSet<&str>) = (forms.collect(), BTreeSet::new());
    while let Some(form) = open.pop() {
        let new = mentioned(form, direction).into_iter().filter(|name| reached.insert(name));
        open.extend(new.filter_map(|name| types.get(name)).collect::<Vec<_>>());
    }
    reached
}

/// The types that are read as they are written, with all that they are made of.
fn symmetric(types: &BTreeMap<String, Form>) -> BTreeSet<&str> {
    let mut same: BTreeSet<&str> =
        types.iter().filter(|(_, form)| is_symmetric(form)).map(|(name, _)| name.as_str()).collect();
    loop {
        let leads_out = |name: &&str| {
            let form = types.get(*name);
            form.is_some_and(|form| mentioned(form, Direction::Input).iter().any(|name| !same.contains(name)))
        };
        let lost: Vec<&str> = same.iter().copied().filter(leads_out).collect();
        if lost.is_empty() {
            return same;
        }
        same.retain(|name| !lost.contains(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_one_word() {
        for (name, word) in [
            ("Reading", "Reading"),
            ("moving_avg", "MovingAvg"),
            ("Page<a list of u8>", "PageListU8"),
            ("Pair<Option, f64>", "PairOptionF64"),
            ("3d", "T3d"),
        ] {
            assert_eq!(pascal(name), word);
        }
        assert_eq!(last("model::Page<other::Reading>"), "Page<other::Reading>");
    }

    #[test]
    fn names_that_are_taken_get_their_module_then_a_number() {
        let mut names = TypeNames::default();
        let given: Vec<String> = ["a::X", "b::X", "b::X", "X"].iter().map(|name| names.free(name, "")).collect();
        assert_eq!(given, ["X", "BX", "BX2", "X2"]);
    }
}
