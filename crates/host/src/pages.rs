//! Memory that can be read again from its file and need not stay: of libraries that serve no more, which stay mapped
//! (thread-local destructors may still point into them), and of what only the start of a host needed.

use std::fs;
use std::path::Path;

use rustix::mm::{Advice, madvise};

/// Lets the pages of a mapped library go that nothing was ever written to: its code, and its head with constants and
/// tables. What relocation or the program wrote to stays where it is.
pub(crate) fn release(file: &Path) {
    release_where(&file.display().to_string(), |mapped| mapped == file);
}

/// Lets pages of this program and all it is linked to go, once, that nothing was ever written to: most of what a start has
/// touched (the linker's tables, arguments, the loading of a library) is never touched again, and there may be hundreds of
/// hosts that wait for work. What is touched again comes back from the page cache, some microseconds for each 64 KiB.
pub fn release_start() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| release_where("the program", |_| true));
}

fn release_where(what: &str, wanted: impl Fn(&Path) -> bool) {
    let maps = match fs::read_to_string("/proc/self/maps") {
        Ok(maps) => maps,
        // Only memory is lost, and that is said where memory is looked at.
        Err(error) => return eprintln!("dyninka: the pages of {what} stay in memory: {error}"),
    };
    for (start, length) in untouched(&maps, wanted) {
        // SAFETY: the range is a private mapping of a program's or library's file, which is replaced and never
        // written again, and the mapping itself was never writable: whoever comes back to it reads the same bytes
        // from the file.
        let advised = unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed) };
        if let Err(error) = advised {
            return eprintln!("dyninka: the pages of {what} stay in memory: {error}");
        }
    }
}

/// A line of proc(5)'s `start-end perms offset dev inode path`.
struct Mapping<'a> {
    start: usize,
    length: usize,
    perms: &'a str,
    is_head: bool,
    file: &'a Path,
}

impl<'a> Mapping<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let file = Path::new(line[line.find('/')?..].trim_end_matches(" (deleted)"));
        let mut words = line.split_whitespace();
        let ((start, end), perms, offset) = (words.next()?.split_once('-')?, words.next()?, words.next()?);
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        let is_head = offset.bytes().all(|digit| digit == b'0');
        Some(Self { start, length: end.checked_sub(start)?, perms, is_head, file })
    }
}

/// Start and length of every mapping of some programs and libraries that was never writable. The linker's script puts
/// what relocation writes to, and what is then made read-only, after the code: a read-only mapping is untouched only
/// at the head of the file. A file without code is none of them.
fn untouched(maps: &str, wanted: impl Fn(&Path) -> bool) -> Vec<(usize, usize)> {
    let mappings: Vec<_> = maps.lines().filter_map(Mapping::read).filter(|mapping| wanted(mapping.file)).collect();
    let has_code = |file: &Path| mappings.iter().any(|mapping| mapping.file == file && mapping.perms == "r-xp");
    let is_untouched = |mapping: &&Mapping<'_>| {
        mapping.perms == "r-xp" || mapping.perms == "r--p" && mapping.is_head && has_code(mapping.file)
    };
    mappings.iter().filter(is_untouched).map(|mapping| (mapping.start, mapping.length)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_to_is_let_go() {
        let maps = "\
7f009000-7f00a000 r--p 00000000 fe:00 12 /folder/lib-a.so
7f00a000-7f00b000 r-xp 00001000 fe:00 12 /folder/lib-a.so (deleted)
7f00b000-7f00c000 r--p 00002000 fe:00 12 /folder/lib-a.so
7f00c000-7f00d000 rw-p 00003000 fe:00 12 /folder/lib-a.so
7f00d000-7f00e000 r-xp 00000000 fe:00 13 /folder/lib-ab.so
7f00e000-7f00f000 rw-p 00000000 00:00 0
7f00f000-7f010000 r--p 00000000 fe:00 14 /folder/data
7f010000-7f011000 r-xp 00000000 00:00 0  [vdso]
";
        let expected = [(0x7f00_9000, 0x1000), (0x7f00_a000, 0x1000)];
        assert_eq!(untouched(maps, |file| file == Path::new("/folder/lib-a.so")), expected);
        assert_eq!(untouched(maps, |_| true), [expected[0], expected[1], (0x7f00_d000, 0x1000)]);
    }

    #[test]
    fn a_program_goes_on_when_its_own_pages_were_let_go() {
        let program = std::env::current_exe().unwrap_or_default();
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        assert!(!untouched(&maps, |file| file == program).is_empty());
        release(&program);
        release_start();
        assert_eq!((1..=10).product::<u64>(), 3_628_800);
    }
}
