//! A client in Rust: types with serde's derives, and reqwest.

use std::collections::{BTreeMap, BTreeSet};

use app::{Form, SchemaRecord, SchemaVariant, Tag};

use crate::directed::{Direction, fields, variants};
use crate::service_operation::{Interface, ServiceOperation};
use crate::type_names::{TypeNames, inputs_name, pascal};

/// What every client has, whatever its app.
const HEAD: &str = include_str!("head.rs.txt");

/// The longest tuple that the standard library compares and prints.
const LONGEST_TUPLE: usize = 12;

pub(super) fn client(interface: &Interface) -> String {
    let mut writer = Writer {
        interface,
        names: interface.names.clone(),
        items: BTreeMap::new(),
        boxed: BTreeSet::new(),
        derives: Derives::Both,
        is_recursive: false,
    };
    for direction in [Direction::Input, Direction::Output] {
        writer.boxed.extend(writer.recursive(direction));
    }
    let mut functions = String::new();
    for call in &interface.calls {
        functions += &writer.function(call);
    }
    for direction in [Direction::Input, Direction::Output] {
        for (name, form) in &interface.types {
            if let Some(given) = interface.names.get(name, direction) {
                writer.is_recursive = writer.boxed.contains(name.as_str());
                let derives = match interface.names.is_shared(name) {
                    true => Derives::Both,
                    false => Derives::of(direction),
                };
                writer.item(given.to_owned(), form, direction, derives);
            }
        }
    }
    let app = &interface.app;
    let mut text = format!(
        "//! Calls the services of {app}. Written by `dyn client --lang rust`: write it again after a change of types.\n\
         //!\n//! Wants reqwest, serde (with `derive`) and serde_json.\n"
    );
    text += HEAD;
    text.extend(writer.items.into_values());
    text + &functions
}

/// The directions that a type is read or written in, as serde's traits.
#[derive(Clone, Copy)]
enum Derives {
    Serialize,
    Deserialize,
    Both,
}

impl Derives {
    fn of(direction: Direction) -> Self {
        match direction {
            Direction::Input => Self::Serialize,
            Direction::Output => Self::Deserialize,
        }
    }

    fn line(self) -> &'static str {
        match self {
            Self::Serialize => "#[derive(Clone, Debug, PartialEq, Serialize)]\n",
            Self::Deserialize => "#[derive(Clone, Debug, PartialEq, Deserialize)]\n",
            Self::Both => "#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]\n",
        }
    }
}

struct Writer<'a> {
    interface: &'a Interface,
    names: TypeNames,
    /// Types by name.
    items: BTreeMap<String, String>,
    /// Types that hold themselves other than in a list or a map, or are another name for what holds them.
    boxed: BTreeSet<&'a str>,
    /// Of the type that is being written, and so of those in it that have no name in the app.
    derives: Derives,
    /// Whether that type leads to itself.
    is_recursive: bool,
}

impl<'a> Writer<'a> {
    /// The types that lead to themselves.
    fn recursive(&self, direction: Direction) -> BTreeSet<&'a str> {
        let types = &self.interface.types;
        let leads_back = |wanted: &&'a String| {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&str> = vec![wanted];
            while let Some(name) = open.pop() {
                let Some(form) = types.get(name) else { continue };
                for next in crate::directed::mentioned(form, direction) {
                    if next == wanted.as_str() {
                        return true;
                    }
                    if seen.insert(next) {
                        open.push(next);
                    }
                }
            }
            false
        };
        types.keys().filter(leads_back).map(String::as_str).collect()
    }

    fn function(&mut self, call: &ServiceOperation) -> String {
        let ServiceOperation { service, inputs, output, may_filter, .. } = call;
        let mut parameters = "endpoint: &Endpoint".to_owned();
        let mut passed = "None::<&()>".to_owned();
        if !inputs.is_empty() {
            let name = inputs_name(service);
            parameters += &format!(", inputs: &{name}");
            "Some(inputs)".clone_into(&mut passed);
            let default = if call.is_got() { ", Default" } else { "" };
            let mut item = format!(
                "\n/// Inputs of {service}.\n#[derive(Clone, Debug{default}, PartialEq, Serialize)]\npub struct {name} {{\n"
            );
            self.derives = Derives::Serialize;
            for input in inputs {
                let hint = name.clone() + &pascal(&input.name);
                let (ty, optional) = self.field(&input.form, !input.needed, Direction::Input, &hint);
                if optional {
                    item += "    #[serde(skip_serializing_if = \"Option::is_none\")]\n";
                }
                item += &renamed(&input.name, &input.name, 1);
                item += &format!("    pub {}: {ty},\n", identifier(&input.name));
            }
            self.items.insert(name, item + "}\n");
        }
        self.derives = Derives::Deserialize;
        let answer = self.ty(output, Direction::Output, &(pascal(service) + "Output"), true);
        let (answer, end, words) = match may_filter {
            true => (format!("Option<{answer}>"), ".await?.or_none())", "; `None` where a service filtered"),
            false => (answer, ".await?.value()", ""),
        };
        let begin = if *may_filter { "Ok(" } else { "" };
        let fed = match (inputs.is_empty(), call.is_got()) {
            (false, true) => ". The flow has the inputs that are left out",
            _ => "",
        };
        format!(
            "\n/// Calls {service}{fed}{words}.\n///\n/// # Errors\n/// The answer is no value.\n\
             pub async fn {}({parameters}) -> Result<{answer}, CallError> {{\n    \
             {begin}endpoint.call({passed}){end}\n}}\n",
            identifier(service)
        )
    }

    /// A type of the user's, or one that has no name in the app.
    fn item(&mut self, name: String, form: &Form, direction: Direction, derives: Derives) {
        if self.items.contains_key(&name) {
            return;
        }
        // Known from here on: it may hold itself.
        self.items.insert(name.clone(), String::new());
        let outer = std::mem::replace(&mut self.derives, derives);
        let text = match form {
            Form::Record(record) => {
                let members = self.members(record, direction, derives, &name, true);
                format!("\n{}pub struct {name} {{\n{}}}\n", derives.line(), super::indent(&members, 1))
            }
            Form::Choice(choice) => self.choice(&name, choice, direction, derives),
            form => {
                let ty = self.ty(form, direction, &(name.clone() + "Value"), true);
                match self.is_recursive {
                    true => format!("\n{}#[serde(transparent)]\npub struct {name}(pub {ty});\n", derives.line()),
                    false => format!("\npub type {name} = {ty};\n"),
                }
            }
        };
        self.derives = outer;
        self.items.insert(name, text);
    }

    fn members(
        &mut self,
        record: &SchemaRecord,
        direction: Direction,
        derives: Derives,
        owner: &str,
        public: bool,
    ) -> String {
        let mut text = String::new();
        for field in fields(record, direction) {
            let (ty, optional) =
                self.field(field.form, !field.required, direction, &(owner.to_owned() + &pascal(field.name)));
            if optional {
                text += match derives {
                    Derives::Serialize => "#[serde(skip_serializing_if = \"Option::is_none\")]\n",
                    Derives::Deserialize => "#[serde(default)]\n",
                    Derives::Both => "#[serde(default, skip_serializing_if = \"Option::is_none\")]\n",
                };
            }
            text += &renamed(field.name, field.key, 0);
            text += &format!("{}{}: {ty},\n", if public { "pub " } else { "" }, identifier(field.name));
        }
        text
    }

    /// A field's type, and whether it is an `Option` because its key may be missing.
    fn field(&mut self, form: &Form, may_lack: bool, direction: Direction, hint: &str) -> (String, bool) {
        let ty = self.ty(form, direction, hint, true);
        match (may_lack, form) {
            (false, _) => (ty, false),
            // Missing and `null` read the same.
            (true, Form::Optional(_)) => (ty, true),
            (true, _) => (format!("Option<{ty}>"), true),
        }
    }

    fn choice(&mut self, name: &str, choice: &SchemaVariant, direction: Direction, derives: Derives) -> String {
        let tag = match &choice.tag {
            Tag::External => String::new(),
            Tag::Internal(tag) => format!("#[serde(tag = {tag:?})]\n"),
            Tag::Adjacent(tag, content) => format!("#[serde(tag = {tag:?}, content = {content:?})]\n"),
            Tag::None => "#[serde(untagged)]\n".to_owned(),
        };
        let mut body = String::new();
        for variant in variants(choice, direction) {
            let key = variant.keys.first().copied().unwrap_or_default();
            if choice.tag != Tag::None && key != variant.name {
                body += &format!("#[serde(rename = {key:?})]\n");
            }
            let hint = name.to_owned() + &pascal(variant.name);
            let own = identifier(variant.name);
            body += &match variant.holds {
                None => format!("{own},\n"),
                Some(Form::Record(record)) => {
                    let members = self.members(record, direction, derives, &hint, false);
                    format!("{own} {{\n{}}},\n", super::indent(&members, 1))
                }
                Some(Form::Tuple(forms)) if forms.len() != 1 && forms.len() <= LONGEST_TUPLE => {
                    let forms =
                        forms.iter().zip(1..).map(|(form, at)| self.ty(form, direction, &format!("{hint}{at}"), true));
                    format!("{own}({}),\n", forms.collect::<Vec<_>>().join(", "))
                }
                Some(form) => format!("{own}({}),\n", self.ty(form, direction, &hint, true)),
            };
        }
        format!("\n{}{tag}pub enum {name} {{\n{}}}\n", derives.line(), super::indent(&body, 1))
    }

    /// A form's type. `hint`: a name for what has none in the app; `is_direct`: no list and no map is around it.
    fn ty(&mut self, form: &Form, direction: Direction, hint: &str, is_direct: bool) -> String {
        match form {
            Form::Null => "()".to_owned(),
            Form::Bool => "bool".to_owned(),
            Form::Number(name) => match name.strip_prefix("NonZero") {
                Some(plain) => plain.to_ascii_lowercase(),
                None => name.clone(),
            },
            Form::Text | Form::Word(_) => "String".to_owned(),
            Form::Optional(form) => format!("Option<{}>", self.ty(form, direction, hint, is_direct)),
            Form::List(form) => format!("Vec<{}>", self.ty(form, direction, hint, false)),
            Form::Map(_, value) => {
                format!("std::collections::BTreeMap<String, {}>", self.ty(value, direction, hint, false))
            }
            Form::Tuple(forms) => self.tuple(forms, direction, hint, is_direct),
            Form::Named(name) => match self.names.get(name, direction).map(str::to_owned) {
                Some(given) if is_direct && self.is_recursive && self.boxed.contains(name.as_str()) => {
                    format!("Box<{given}>")
                }
                Some(given) => given,
                None => "serde_json::Value".to_owned(),
            },
            Form::Record(_) | Form::Choice(_) => {
                let name = self.names.add(hint);
                self.item(name.clone(), form, direction, self.derives);
                name
            }
            Form::Any | Form::Unknown(_) => "serde_json::Value".to_owned(),
        }
    }

    fn tuple(&mut self, forms: &[Form], direction: Direction, hint: &str, is_direct: bool) -> String {
        match forms {
            [] => "[(); 0]".to_owned(),
            [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|form| form == first) => {
                format!("[{}; {}]", self.ty(first, direction, hint, is_direct), forms.len())
            }
            forms if forms.len() > LONGEST_TUPLE => "Vec<serde_json::Value>".to_owned(),
            forms => {
                let parts =
                    forms.iter().zip(1..).map(|(form, at)| self.ty(form, direction, &format!("{hint}{at}"), is_direct));
                let parts: Vec<String> = parts.collect();
                format!("({}{})", parts.join(", "), if parts.len() == 1 { "," } else { "" })
            }
        }
    }
}

/// The attribute for a key that is not the name in Rust.
fn renamed(name: &str, key: &str, steps: usize) -> String {
    let is_same = name == key && !matches!(name, "self" | "Self" | "super" | "crate");
    if is_same { String::new() } else { super::indent(&format!("#[serde(rename = {key:?})]"), steps) }
}

/// Words of Rust's that are names only behind `r#`.
const KEYWORDS: [&str; 49] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "union",
];

fn identifier(name: &str) -> String {
    let name = name.trim_start_matches("r#");
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}
