//! Types of the standard library whose values both versions may use: plain data, and what keeps nothing for a thread or
//! for the program in a static, of which each library has its own.

use std::ops::RangeInclusive;

/// What there is to know of a type: how many types it takes, and which of them its values hold.
pub(super) struct Standard {
    pub(super) arguments: RangeInclusive<usize>,
    pub(super) holds: Holds,
}

/// What of its arguments a type's values are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Arguments,
    /// None.
    Nothing,
    /// What `ToOwned` makes of it.
    Owned,
}

/// Names in scope everywhere.
const PRELUDE: [&str; 22] = [
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64", "Box", "Option", "Result", "String", "Vec",
];

/// Types that take none.
const BARE: [&str; 44] = [
    "bool",
    "char",
    "str",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "String",
    "PathBuf",
    "Path",
    "OsString",
    "OsStr",
    "CString",
    "CStr",
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
    "Duration",
    "Instant",
    "SystemTime",
    "Ordering",
    "RandomState",
    "PhantomPinned",
    "RangeFull",
    "File",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "Infallible",
];

/// A type of the standard library, by its name.
pub(super) fn find(name: &str) -> Option<Standard> {
    let held = |arguments| Some(Standard { arguments, holds: Holds::Arguments });
    match name {
        _ if BARE.contains(&name) => held(0..=0),
        _ if ["Atomic", "NonZero"].iter().any(|start| is_number(name, start)) => held(0..=0),
        "Option" | "Vec" | "VecDeque" | "LinkedList" | "BTreeSet" | "BinaryHeap" | "Box" | "Arc" | "Rc" | "Cell"
        | "RefCell" | "OnceCell" | "OnceLock" | "Mutex" | "RwLock" | "Wrapping" | "Saturating" | "Reverse"
        | "NonZero" | "Range" | "RangeInclusive" | "RangeFrom" | "RangeTo" | "RangeToInclusive" | "Bound" | "Pin"
        | "ManuallyDrop" => held(1..=1),
        "HashSet" => held(1..=2),
        "Result" | "BTreeMap" => held(2..=2),
        "HashMap" => held(2..=3),
        "Cow" => Some(Standard { arguments: 1..=1, holds: Holds::Owned }),
        "PhantomData" | "BuildHasherDefault" => Some(Standard { arguments: 1..=1, holds: Holds::Nothing }),
        _ => None,
    }
}

/// Whether a name needs no import.
pub(super) fn is_in_scope(name: &str) -> bool {
    PRELUDE.contains(&name)
}

/// Whether a name is a number's, which nobody gives to something else.
pub(super) fn is_primitive(name: &str) -> bool {
    is_in_scope(name) && name.starts_with(char::is_lowercase)
}

fn is_number(name: &str, start: &str) -> bool {
    name.strip_prefix(start).is_some_and(|rest| {
        let rest = rest.to_ascii_lowercase();
        rest != "str" && rest != "string" && is_primitive(&rest)
    })
}
