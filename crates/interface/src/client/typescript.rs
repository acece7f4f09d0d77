//! A client in TypeScript: types and `fetch`.

use app::{Form, SchemaRecord, SchemaVariant, Tag};
use serde_json::Value;

use crate::directed::{DirectedVariant, Direction, fields, variants};
use crate::service_operation::{Interface, ServiceOperation};
use crate::type_names::inputs_name;

/// What every client has, whatever its app.
const HEAD: &str = include_str!("head.ts");

/// Words that cannot name a function.
const RESERVED: [&str; 48] = [
    "arguments",
    "await",
    "break",
    "call",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "fetch",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "while",
    "yield",
];

pub(super) fn client(interface: &Interface) -> String {
    let app = &interface.app;
    let mut text = format!(
        "// Calls the services of {app}. Written by `dyn client --lang typescript`: write it again after a change of types.\n\
         // Integers of 64 bits and more lose digits above 2^53, as in any JavaScript.\n"
    );
    text += HEAD;
    let writer = Writer { interface };
    let mut written = std::collections::BTreeSet::new();
    for direction in [Direction::Input, Direction::Output] {
        for (name, form) in interface.types(direction) {
            if written.insert(name) {
                text += &format!("\nexport type {name} = {};\n", writer.form(form, direction));
            }
        }
    }
    for call in &interface.calls {
        text += &writer.function(call);
    }
    text
}

struct Writer<'a> {
    interface: &'a Interface,
}

impl Writer<'_> {
    fn function(&self, call: &ServiceOperation) -> String {
        let ServiceOperation { service, inputs, output, may_filter, .. } = call;
        let mut text = String::new();
        let name = match RESERVED.contains(&service.as_str()) {
            true => format!("{service}_"),
            false => service.clone(),
        };
        let mut parameters = "endpoint: Endpoint".to_owned();
        if !inputs.is_empty() {
            let inputs_name = inputs_name(service);
            text += &format!("\n/** Inputs of {service}. */\nexport type {inputs_name} = {{\n");
            for input in inputs {
                let optional = if input.needed { "" } else { "?" };
                text += &format!("    {}{optional}: {};\n", key(&input.name), self.form(&input.form, Direction::Input));
            }
            text += "};\n";
            let optional = if call.is_got() { "?" } else { "" };
            parameters += &format!(", inputs{optional}: {inputs_name}");
        }
        let answer = self.form(output, Direction::Output);
        let (filtered, words) = match may_filter {
            true => (" | undefined", "; `undefined` where a service filtered"),
            false => ("", ""),
        };
        let fed = match (inputs.is_empty(), call.is_got()) {
            (false, true) => ". The flow has the inputs that are left out",
            _ => "",
        };
        let passed = if inputs.is_empty() { "" } else { ", inputs" };
        text += &format!(
            "\n/** Calls {service}{fed}{words}. */\n\
             export async function {name}({parameters}): Promise<{answer}{filtered}> {{\n    \
             return (await call(endpoint{passed})) as {answer}{filtered};\n}}\n"
        );
        text
    }

    fn form(&self, form: &Form, direction: Direction) -> String {
        match form {
            Form::Null => "null".to_owned(),
            Form::Bool => "boolean".to_owned(),
            Form::Number(_) => "number".to_owned(),
            Form::Text | Form::Word(_) => "string".to_owned(),
            Form::Optional(form) => format!("{} | null", self.form(form, direction)),
            Form::List(form) => format!("{}[]", in_brackets(self.form(form, direction))),
            Form::Tuple(forms) => {
                let forms: Vec<String> = forms.iter().map(|form| self.form(form, direction)).collect();
                format!("[{}]", forms.join(", "))
            }
            Form::Map(_, value) => format!("{{ [key: string]: {} }}", self.form(value, direction)),
            Form::Record(record) => self.record(&[], record, direction),
            Form::Choice(choice) => self.choice(choice, direction),
            Form::Named(name) => {
                self.interface.names.get(name, direction).map_or_else(|| "unknown".to_owned(), str::to_owned)
            }
            Form::Any | Form::Unknown(_) => "unknown".to_owned(),
        }
    }

    /// An object; `first`: members that come before its own.
    fn record(&self, first: &[String], record: &SchemaRecord, direction: Direction) -> String {
        let own = fields(record, direction).into_iter().map(|field| {
            let optional = if field.required { "" } else { "?" };
            format!("{}{optional}: {}", key(field.key), self.form(field.form, direction))
        });
        object(first.iter().cloned().chain(own).collect())
    }

    fn choice(&self, choice: &SchemaVariant, direction: Direction) -> String {
        let variants = variants(choice, direction);
        let ways: Vec<String> =
            variants.iter().map(|variant| in_union(self.variant(&choice.tag, variant, direction))).collect();
        if ways.is_empty() { "never".to_owned() } else { ways.join(" | ") }
    }

    fn variant(&self, tag: &Tag, variant: &DirectedVariant<'_>, direction: Direction) -> String {
        let name = match variant.other {
            true => "string".to_owned(),
            false => variant.keys.first().map(|name| quoted(name)).unwrap_or_default(),
        };
        let held = variant.holds.map(|form| self.form(form, direction));
        match tag {
            Tag::External => match held {
                None => name,
                Some(held) => object(vec![format!("{}: {held}", key(variant.keys.first().unwrap_or(&"")))]),
            },
            Tag::Adjacent(tag, content) => {
                let held = held.map(|held| format!("{}: {held}", key(content)));
                object([format!("{}: {name}", key(tag))].into_iter().chain(held).collect())
            }
            Tag::Internal(tag) => {
                let tagged = format!("{}: {name}", key(tag));
                match (variant.holds, held) {
                    (Some(Form::Record(record)), _) => self.record(&[tagged], record, direction),
                    (None | Some(Form::Null), _) | (_, None) => object(vec![tagged]),
                    (_, Some(held)) => format!("{} & {}", object(vec![tagged]), in_brackets(held)),
                }
            }
            Tag::None => held.unwrap_or_else(|| "null".to_owned()),
        }
    }
}

fn object(members: Vec<String>) -> String {
    match members.len() {
        0 => "{}".to_owned(),
        1..=3 if members.iter().all(|member| member.len() < 40 && !member.contains('\n')) => {
            format!("{{ {} }}", members.join("; "))
        }
        _ => {
            let members: String = members.iter().map(|member| super::indent(&format!("{member};"), 1)).collect();
            format!("{{\n{members}}}")
        }
    }
}

/// A type as part of another: unions in brackets.
fn in_brackets(text: String) -> String {
    let is_whole = text.starts_with('{') && !text.contains(" & ") && !text.contains(" | ");
    if is_whole || text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '[' | ']')) {
        text
    } else {
        format!("({text})")
    }
}

fn in_union(text: String) -> String {
    if text.contains(" & ") { format!("({text})") } else { text }
}

fn key(name: &str) -> String {
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_word { name.to_owned() } else { quoted(name) }
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}
