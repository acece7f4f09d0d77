//! Memory of libraries that serve no more. They stay mapped (thread-local destructors may still point into them), but
//! what can be read again from their file need not stay in memory.

use std::fs;
use std::path::Path;

use rustix::mm::{Advice, madvise};

/// Lets the pages of a mapped library go that nothing was ever written to: its code, and its head with constants and
/// tables. What relocation or the program wrote to stays where it is.
pub(crate) fn release(file: &Path) {
    let maps = match fs::read_to_string("/proc/self/maps") {
        Ok(maps) => maps,
        // Only memory is lost, and that is said where memory is looked at.
        Err(error) => return eprintln!("dyninka: the pages of {} stay in memory: {error}", file.display()),
    };
    for (start, length) in untouched(&maps, file) {
        // SAFETY: the range is a private mapping of a file that is named by its content and never written again, and
        // the mapping itself was never writable: whoever comes back to it reads the same bytes from the file.
        let advised = unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed) };
        if let Err(error) = advised {
            return eprintln!("dyninka: the pages of {} stay in memory: {error}", file.display());
        }
    }
}

/// Start and length of every mapping of a file that was never writable (proc(5): `start-end perms offset dev inode
/// path`). The linker's script puts what relocation writes to, and what is then made read-only, after the code: a
/// read-only mapping is untouched only at the head of the file.
fn untouched(maps: &str, file: &Path) -> Vec<(usize, usize)> {
    let name = file.display().to_string();
    let range = |line: &str| {
        let (_, path) = line.split_once('/')?;
        let mut words = line.split_whitespace();
        let ((start, end), perms, offset) = (words.next()?.split_once('-')?, words.next()?, words.next()?);
        let is_untouched = perms == "r-xp" || perms == "r--p" && offset.bytes().all(|digit| digit == b'0');
        let is_its = format!("/{path}").trim_end_matches(" (deleted)") == name;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        (is_its && is_untouched).then_some((start, end.checked_sub(start)?))
    };
    maps.lines().filter_map(range).collect()
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
";
        let expected = [(0x7f00_9000, 0x1000), (0x7f00_a000, 0x1000)];
        assert_eq!(untouched(maps, Path::new("/folder/lib-a.so")), expected);
    }

    #[test]
    fn a_program_goes_on_when_its_own_pages_were_let_go() {
        let program = std::env::current_exe().unwrap_or_default();
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        assert!(!untouched(&maps, &program).is_empty());
        release(&program);
        assert_eq!((1..=10).product::<u64>(), 3_628_800);
    }
}
