//! What the new version reads in the memory of the old one.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::model::{Made, Program};

/// Values that no two of are alike as far as their type goes, and the test that maps find what they hold.
const HEAD: &str = r#"
use std::collections::BTreeMap;
pub trait Held { fn fill(n: &mut u64) -> Self; fn holds(&self) -> bool { true } }
macro_rules! plain { ($($t:ty = |$n:ident| $e:expr),*) => { $(impl Held for $t { fn fill(n: &mut u64) -> Self { *n += 1; let $n = *n; $e } })* } }
plain!(u8 = |n| n as u8, u16 = |n| (n as u16).wrapping_mul(257), u32 = |n| (n as u32).wrapping_mul(65537), u64 = |n| n << 33 | n, i64 = |n| -(n as i64),
    bool = |n| n % 2 == 1, char = |n| char::from_u32(0x1f300 + n as u32 % 64).unwrap(), String = |n| format!("value {n}"));
impl<T: Held> Held for Vec<T> { fn fill(n: &mut u64) -> Self { (0..3).map(|_| T::fill(n)).collect() } fn holds(&self) -> bool { self.iter().all(T::holds) } }
impl<T: Held> Held for Option<T> { fn fill(n: &mut u64) -> Self { *n += 1; (*n % 3 != 0).then(|| T::fill(n)) } fn holds(&self) -> bool { self.iter().all(T::holds) } }
impl<T: Held> Held for Box<T> { fn fill(n: &mut u64) -> Self { Box::new(T::fill(n)) } fn holds(&self) -> bool { (**self).holds() } }
impl<A: Held, B: Held> Held for (A, B) { fn fill(n: &mut u64) -> Self { (A::fill(n), B::fill(n)) } fn holds(&self) -> bool { self.0.holds() && self.1.holds() } }
impl<T: Held, const N: usize> Held for [T; N] { fn fill(n: &mut u64) -> Self { std::array::from_fn(|_| T::fill(n)) } fn holds(&self) -> bool { self.iter().all(T::holds) } }
impl<K: Held + Ord, V: Held> Held for BTreeMap<K, V> {
    fn fill(n: &mut u64) -> Self { (0..9).map(|_| (K::fill(n), V::fill(n))).collect() }
    fn holds(&self) -> bool { self.iter().all(|(key, value)| self.contains_key(key) && key.holds() && value.holds()) }
}
#[repr(C)] struct Guarded<T> { before: [u64; 8], value: T, after: [u64; 8] }
const CANARY: [u64; 8] = [0xdead_beef_0bad_cafe; 8];
fn hand<Old: Held + std::fmt::Debug, New: Held + std::fmt::Debug>(pair: usize) {
    assert_eq!((size_of::<Old>(), align_of::<Old>()), (size_of::<New>(), align_of::<New>()), "pair {pair}: size and alignment");
    let guarded = Box::new(Guarded { before: CANARY, value: Old::fill(&mut 0), after: CANARY });
    let written = format!("{:?}", guarded.value);
    // What is shown: that both mean the same by this memory.
    let new = unsafe { &*(&raw const guarded.value).cast::<New>() };
    assert_eq!(format!("{new:?}"), written, "pair {pair}: what is read");
    assert!(new.holds(), "pair {pair}: a map lost what it holds");
    assert_eq!((guarded.before, guarded.after), (CANARY, CANARY), "pair {pair}: canaries");
    // The new version drops what the old one made.
    let old = std::mem::ManuallyDrop::new(guarded);
    drop(unsafe { (&raw const old.value).cast::<New>().read() });
}
"#;

/// Compiles all of them into one program and runs it.
pub(super) fn prove(pairs: &[(Program, Program)]) {
    if pairs.is_empty() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (mut text, mut main) = (HEAD.to_owned(), String::new());
    for (number, (old, new)) in pairs.iter().enumerate() {
        for (name, program) in [("old", old), ("new", new)] {
            let file = folder.path().join(format!("{name}{number}.in"));
            fs::write(&file, program.included()).expect("a file");
            let items = program.items(file.to_str().expect("a name"));
            let _ = write!(
                text,
                "mod {name}{number} {{\n{items}{}pub type State = {}; }}\n",
                fills(program),
                program.state
            );
        }
        let _ = write!(main, "hand::<old{number}::State, new{number}::State>({number});");
    }
    let _ = writeln!(text, "fn main() {{ {main} }}");
    let (source, binary) = (folder.path().join("pairs.rs"), folder.path().join("pairs"));
    fs::write(&source, &text).expect("the program");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiled = Command::new(rustc)
        .args(["--edition=2024", "-Awarnings", "-Cdebuginfo=0", "-Cstrip=symbols", "-o"])
        .args([&binary, &source])
        .output()
        .expect("rustc");
    assert!(compiled.status.success(), "{}\n{text}", String::from_utf8_lossy(&compiled.stderr));
    // Memory that is given back is overwritten, so that whoever reads on is seen.
    let ran = Command::new(&binary).env("MALLOC_PERTURB_", "165").output().expect("the program starts");
    assert!(ran.status.success(), "{}: {}\n{text}", ran.status, String::from_utf8_lossy(&ran.stderr));
}

/// How the types of a program are filled.
fn fills(program: &Program) -> String {
    let fill = |record: &super::model::Record| {
        let name = &record.name;
        let names = || record.fields.iter().map(|(field, _)| field.as_str());
        let (made, holds) = if record.made == Made::Enum {
            let count = names().count();
            let arms = names().enumerate().map(|(at, name)| format!("{at} => Self::V{name}(Held::fill(n)),"));
            let arms = arms.collect::<String>();
            let held = names().map(|name| format!("Self::V{name}(held) => held.holds(),")).collect::<String>();
            (
                format!("{{ *n += 1; match *n % {count} {{ {arms} _ => unreachable!() }} }}"),
                format!("match self {{ {held} }}"),
            )
        } else {
            // By name, in an order of their own: the same values go into the same fields, wherever those are.
            let mut sorted: Vec<&str> = names().collect();
            sorted.sort_unstable();
            let fields = sorted.iter().map(|name| format!("{name}: Held::fill(n)")).collect::<Vec<_>>().join(", ");
            let held = sorted.iter().map(|name| format!("self.{name}.holds()")).collect::<Vec<_>>().join(" && ");
            (format!("{{ Self {{ {fields} }} }}"), held)
        };
        format!(
            "impl Held for {name} {{ fn fill(n: &mut u64) -> Self {made} fn holds(&self) -> bool {{ {holds} }} }}\n"
        )
    };
    format!("use super::Held;\n{}", program.records.iter().map(fill).collect::<String>())
}
