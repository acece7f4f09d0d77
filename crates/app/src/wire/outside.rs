//! Types that are not the user's: what serde makes of those of the standard library.

use std::collections::BTreeMap;

use super::{Field, Form, SchemaRecord, SchemaVariant, Tag, Variant};

/// What serde makes of a type with arguments; none for what is not known here. `origin` is the crate it comes from.
pub(super) fn form(origin: Origin, name: &str, arguments: &[Form]) -> Option<Form> {
    if origin == Origin::Json && name == "Value" {
        return Some(Form::Any);
    }
    if origin != Origin::Standard {
        return None;
    }
    let first = || arguments.first().cloned().map(Box::new);
    let second = || arguments.get(1).cloned().map(Box::new);
    let number = |name: &str| Form::Number(name.to_owned());
    Some(match name {
        "bool" | "AtomicBool" => Form::Bool,
        "u8" | "u16" | "u32" | "u64" | "u128" | "i8" | "i16" | "i32" | "i64" | "i128" | "f32" | "f64" => number(name),
        // A pod's address space has 64 bits.
        "usize" | "AtomicUsize" => number("u64"),
        "isize" | "AtomicIsize" => number("i64"),
        "NonZero" => not_zero(*first()?)?,
        _ if name.starts_with("NonZero") => {
            not_zero(form(origin, &name["NonZero".len()..].to_ascii_lowercase(), &[])?)?
        }
        _ if name.starts_with("Atomic") => return form(origin, &name["Atomic".len()..].to_ascii_lowercase(), &[]),
        "String" | "str" | "PathBuf" | "Path" => Form::Text,
        // They are written as text, and not every text is one.
        "char" | "IpAddr" | "Ipv4Addr" | "Ipv6Addr" | "SocketAddr" | "SocketAddrV4" | "SocketAddrV6" => {
            Form::Word(name.to_owned())
        }
        // Bytes, as serde writes them.
        "CString" => Form::List(Box::new(number("u8"))),
        "Option" => Form::Optional(first()?),
        "Vec" | "VecDeque" | "LinkedList" | "HashSet" | "BTreeSet" | "BinaryHeap" => Form::List(first()?),
        "HashMap" | "BTreeMap" => Form::Map(first()?, second()?),
        "Box" | "Arc" | "Rc" | "Cow" | "Cell" | "RefCell" | "Mutex" | "RwLock" | "Wrapping" | "Saturating"
        | "Reverse" => *first()?,
        "PhantomData" => Form::Null,
        "Duration" => record(&[("secs", number("u64")), ("nanos", number("u32"))]),
        "SystemTime" => record(&[("secs_since_epoch", number("u64")), ("nanos_since_epoch", number("u32"))]),
        "Range" | "RangeInclusive" => record(&[("start", *first()?), ("end", *first()?)]),
        "Result" => choice(&[("Ok", *first()?), ("Err", *second()?)]),
        _ => return None,
    })
}

/// A number that is never zero: `NonZeroU8`.
fn not_zero(form: Form) -> Option<Form> {
    match form {
        Form::Number(name) => Some(Form::Number(format!("NonZero{}", name.to_ascii_uppercase()))),
        _ => None,
    }
}

/// Whether a name is in scope everywhere without a `use`.
pub(super) fn is_everywhere(name: &str) -> bool {
    let numbers =
        ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64"];
    numbers.contains(&name) || ["bool", "char", "str", "String", "Vec", "Option", "Result", "Box"].contains(&name)
}

/// The crate a type comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `std`, `core`, `alloc`, or in scope without being named.
    Standard,
    /// `serde_json`.
    Json,
    Other,
}

impl Origin {
    /// By the first word of a path.
    pub(super) fn of(first: &str) -> Self {
        match first {
            "std" | "core" | "alloc" => Self::Standard,
            "serde_json" => Self::Json,
            _ => Self::Other,
        }
    }
}

fn record(fields: &[(&str, Form)]) -> Form {
    let field = |(name, form): &(&str, Form)| {
        let name = (*name).to_owned();
        let field = Field {
            written: Some(name.clone()),
            read: vec![name.clone()],
            needed: true,
            always: true,
            form: form.clone(),
        };
        (name, field)
    };
    Form::Record(SchemaRecord { fields: fields.iter().map(field).collect(), closed: false })
}

fn choice(variants: &[(&str, Form)]) -> Form {
    let variant = |(name, form): &(&str, Form)| {
        let name = (*name).to_owned();
        let variant =
            Variant { written: Some(name.clone()), read: vec![name.clone()], other: false, holds: Some(form.clone()) };
        (name, variant)
    };
    let variants: BTreeMap<_, _> = variants.iter().map(variant).collect();
    Form::Choice(SchemaVariant { tag: Tag::External, variants })
}
