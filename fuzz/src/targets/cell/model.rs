//! A program with a placed value, and edits of it.

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::{IndexedMutRandom, IndexedRandom, SliceRandom};

/// Types of their own that hold nothing else; every one is ordered, and none is `usize`.
const PLAIN: [&str; 8] = ["u8", "u16", "u32", "u64", "i64", "bool", "char", "String"];

/// What stands beside the types, one thing a line: every line has something that a length or a type rests on.
const BESIDE: [&str; 13] = [
    "pub const N: usize = 2 + M;",
    "pub const M: usize = 1;",
    "pub const fn size() -> usize { half(4) }",
    "pub const fn half(n: usize) -> usize { n / 2 + 1 }",
    "pub struct K; impl K { pub const N: usize = 2; }",
    "pub trait Has { type V; } impl Has for K { type V = u64; }",
    "pub mod a { pub const PICK: usize = 2; pub type Way = u32; }",
    "pub mod b { pub const PICK: usize = 3; pub type Way = i64; }",
    "use a::PICK; use b::Way;",
    "pub type Alias = Vec<u16>;",
    "macro_rules! len { () => { 3 } }",
    "#[cfg(any())] pub type Chosen = u8; #[cfg(not(any()))] pub type Chosen = u32;",
    "pub fn other() -> u64 { 7 }",
];

/// Lengths of arrays.
const LENGTHS: [&str; 7] = ["2", "N", "size()", "K::N", "a::PICK", "PICK", "len!()"];

/// Types that rest on what stands beside.
const RESTING: [&str; 5] = ["<K as Has>::V", "Way", "b::Way", "Alias", "Chosen"];

#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Types, each of which may hold those after it.
    pub(super) records: Vec<Record>,
    beside: Vec<String>,
    /// The type of the placed value.
    pub(super) state: String,
    function: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) made: Made,
    attribute: &'static str,
    /// Of an enum, its variants.
    pub(super) fields: Vec<(String, String)>,
    /// Whether it is ordered by hand, and then by which field first and in which direction.
    order: Option<(usize, bool)>,
}

/// How a type comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Written,
    Enum,
    Macro,
    Included,
}

/// What an edit touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Function,
    Other,
}

impl Program {
    pub(super) fn random(random: &mut SmallRng) -> Self {
        let count = random.random_range(2..5);
        let mut records: Vec<Record> = Vec::new();
        // The last first: a type knows those that it may hold.
        for number in (0..count).rev() {
            let record = Record::random(random, number, &records);
            records.insert(0, record);
        }
        let held = records[0].name.clone();
        let state = match random.random_range(0..5) {
            0 => format!("Vec<{held}>"),
            1 => format!("Option<Box<{held}>>"),
            2 => format!("({held}, {})", ty(random, &records[1..], 2)),
            _ => held,
        };
        Self { records, beside: BESIDE.map(str::to_owned).to_vec(), state, function: 0 }
    }

    /// The program after one edit, or a few.
    pub(super) fn edited(&self, random: &mut SmallRng) -> (Self, Edit) {
        let mut new = self.clone();
        if random.random_ratio(1, 8) {
            new.function += 1;
            return (new, Edit::Function);
        }
        for _ in 0..random.random_range(1..3) {
            new.edit(random);
        }
        (new, Edit::Other)
    }

    fn edit(&mut self, random: &mut SmallRng) {
        let last = self.records.len() - 1;
        let record = random.random_range(0..=last);
        let later = self.records[record + 1..].to_vec();
        match random.random_range(0..12) {
            0..=4 => beside(random, &mut self.beside),
            5 => {
                let (one, other) =
                    (random.random_range(0..self.beside.len()), random.random_range(0..self.beside.len()));
                self.beside.swap(one, other);
            }
            6 => self.records[record].fields.shuffle(random),
            7 => {
                let count = self.records[record].fields.len();
                self.records[record].fields.push((format!("x{count}"), ty(random, &later, 1)));
            }
            8 => {
                let field = random.random_range(0..self.records[record].fields.len());
                self.records[record].fields[field].1 = ty(random, &later, 2);
            }
            9 | 10 => {
                let record = &mut self.records[record];
                record.order = record.order.map(|(first, up)| (first, !up));
            }
            _ => self.records[record].attribute = attribute(random, self.records[record].made),
        }
    }

    /// The file that `dyn` reads.
    pub(super) fn app(&self) -> String {
        format!(
            "use dyninka::prelude::*;\n#[placed(look)] static STATE: Placed<{}> = Placed::new(Default::default);\n{}\
             #[service] fn look() -> u64 {{ {} }}\nfn main() {{ look() }}\n",
            self.state,
            self.items("types.in"),
            self.function
        )
    }

    /// What is neither service nor placed value. `file` has what is included.
    pub(super) fn items(&self, file: &str) -> String {
        let mut lines = vec!["use std::cmp::Ordering; use std::collections::BTreeMap;".to_owned()];
        lines.push(
            "macro_rules! record { ($(#[$m:meta])* $n:ident { $($f:ident: $t:ty),* }) => \
             { $(#[$m])* pub struct $n { $(pub $f: $t),* } } }"
                .to_owned(),
        );
        lines.extend(self.beside.iter().cloned());
        lines.extend(self.records.iter().filter(|record| record.made != Made::Included).map(Record::written));
        if self.records.iter().any(|record| record.made == Made::Included) {
            lines.push(format!("include!({file:?});"));
        }
        lines.join("\n") + "\n"
    }

    pub(super) fn included(&self) -> String {
        let within = self.records.iter().filter(|record| record.made == Made::Included);
        within.map(Record::written).collect::<Vec<_>>().join("\n")
    }
}

impl Record {
    fn random(random: &mut SmallRng, number: usize, later: &[Self]) -> Self {
        let made = match random.random_range(0..10) {
            0 | 1 => Made::Macro,
            2 => Made::Included,
            3 | 4 => Made::Enum,
            _ => Made::Written,
        };
        let fields: Vec<_> =
            (0..random.random_range(1..4)).map(|at| (format!("f{at}"), ty(random, later, 2))).collect();
        let order = random.random_bool(0.4).then(|| (random.random_range(0..fields.len()), true));
        let order = order.filter(|_| made != Made::Enum);
        Self { name: format!("T{number}"), made, attribute: attribute(random, made), fields, order }
    }

    fn written(&self) -> String {
        let Self { name, attribute, .. } = self;
        let derived = if self.order.is_some() { "" } else { ", PartialOrd, Ord" };
        let derive = format!("#[derive(Debug, Clone, PartialEq, Eq{derived})] {attribute}");
        let list = |before: &str, between: [&str; 2]| {
            let fields =
                self.fields.iter().map(|(field, ty)| format!("{before}{field}{}{ty}{}", between[0], between[1]));
            fields.collect::<Vec<_>>().join(", ")
        };
        let ty = match self.made {
            Made::Enum => format!("{derive} pub enum {name} {{ {} }}", list("V", ["(", ")"])),
            Made::Macro => format!("record!({derive} {name} {{ {} }});", list("", [": ", ""])),
            Made::Written | Made::Included => format!("{derive} pub struct {name} {{ {} }}", list("pub ", [": ", ""])),
        };
        let Some((first, up)) = self.order else { return ty };
        // The field that counts first, then all of them: an order in full, as a map wants it.
        let fields = self.fields.get(first).into_iter().chain(&self.fields);
        let parts = fields.map(|(field, _)| {
            if up { format!("self.{field}.cmp(&other.{field})") } else { format!("other.{field}.cmp(&self.{field})") }
        });
        let parts: Vec<String> = parts.collect();
        let order = parts.join(").then(");
        format!(
            "{ty}\nimpl Ord for {name} {{ fn cmp(&self, other: &Self) -> Ordering {{ Ordering::Equal.then({order}) }} }}\n\
             impl PartialOrd for {name} {{ fn partial_cmp(&self, other: &Self) -> Option<Ordering> {{ Some(self.cmp(other)) }} }}"
        )
    }
}

fn attribute(random: &mut SmallRng, made: Made) -> &'static str {
    let choice: &[&str] =
        if made == Made::Enum { &["", "", "#[repr(u16)]"] } else { &["", "", "#[repr(C)]", "#[repr(align(16))]"] };
    choice.choose(random).copied().unwrap_or_default()
}

fn ty(random: &mut SmallRng, later: &[Record], depth: u8) -> String {
    let below = |random: &mut SmallRng| ty(random, later, depth - 1);
    let plain = |random: &mut SmallRng| *PLAIN.choose(random).unwrap_or(&"u8");
    match random.random_range(0..if depth == 0 { 6 } else { 15 }) {
        0 => plain(random).to_owned(),
        1 | 2 => (*RESTING.choose(random).unwrap_or(&"u8")).to_owned(),
        3..=5 => format!("[{}; {}]", plain(random), LENGTHS.choose(random).unwrap_or(&"2")),
        6 => format!("Vec<{}>", below(random)),
        7 => format!("Option<{}>", below(random)),
        8 => format!("({}, {})", below(random), below(random)),
        // What a map is ordered by is the most that can be wrong without another layout.
        9..=11 => {
            let key = later.choose(random).map_or_else(|| plain(random), |record| record.name.as_str());
            format!("BTreeMap<{key}, {}>", plain(random))
        }
        _ => later.choose(random).map_or_else(|| "u64".to_owned(), |record| record.name.clone()),
    }
}

/// Another number, another type, another path, or the other of two conditions, in one line.
fn beside(random: &mut SmallRng, lines: &mut [String]) {
    let Some(line) = lines.choose_mut(random) else { return };
    let new = match random.random_range(0..3) {
        0 => {
            let digits: Vec<usize> = (1..line.len()).filter(|at| is_number(line, *at)).collect();
            let Some(at) = digits.choose(random) else { return };
            let digit = random.random_range(1..6).to_string();
            format!("{}{digit}{}", &line[..*at], &line[at + 1..])
        }
        1 => {
            let found: Vec<&&str> = PLAIN.iter().filter(|ty| line.contains(&format!("= {ty};"))).collect();
            let Some(from) = found.choose(random) else { return };
            line.replacen(&format!("= {from};"), &format!("= {};", PLAIN.choose(random).unwrap_or(from)), 1)
        }
        _ if line.starts_with("use a") => "use b::PICK; use a::Way;".to_owned(),
        _ => line.replace("cfg(any())", "cfg(all())").replace("cfg(not(any()))", "cfg(not(all()))"),
    };
    *line = new;
}

/// Whether a lone digit stands there: none of a name.
fn is_number(line: &str, at: usize) -> bool {
    let bytes = line.as_bytes();
    bytes[at].is_ascii_digit()
        && bytes[at - 1] == b' '
        && bytes.get(at + 1).is_none_or(|next| !next.is_ascii_alphanumeric())
}
