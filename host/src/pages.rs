//! Memory of libraries that serve no more. They stay mapped (thread-local destructors may still point into them), but
//! what the kernel can read again from their file need not stay in memory.

use std::fs;
use std::path::Path;

use rustix::mm::{Advice, madvise};

/// Lets the kernel take the pages of a mapped file. What was written to since it was mapped stays where it is.
pub(crate) fn release(file: &Path) {
    let maps = match fs::read_to_string("/proc/self/maps") {
        Ok(maps) => maps,
        // Only memory is lost, and that is said where memory is looked at.
        Err(error) => return eprintln!("dyninka: the pages of {} stay in memory: {error}", file.display()),
    };
    for (start, length) in mappings(&maps, file) {
        // SAFETY: the range is a mapping of this process, and MADV_PAGEOUT (madvise(2)) changes no content: pages come
        // back from the file, or from swap, when they are used again.
        let advised = unsafe { madvise(start as *mut _, length, Advice::LinuxPageOut) };
        // A kernel without it (before 5.4) takes pages back when it needs them.
        if advised.is_err() {
            return;
        }
    }
}

/// Start and length of every mapping of a file (proc(5): `start-end perms offset dev inode path`).
fn mappings(maps: &str, file: &Path) -> Vec<(usize, usize)> {
    let name = file.display().to_string();
    let of_file = |line: &&str| {
        line.split_once('/').is_some_and(|(_, path)| format!("/{path}").trim_end_matches(" (deleted)") == name)
    };
    let range = |line: &str| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        Some((start, end.checked_sub(start)?))
    };
    maps.lines().filter(of_file).filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mappings_of_the_file_are_found() {
        let maps = "\
7f00a000-7f00b000 r-xp 00000000 fe:00 12 /folder/lib-a.so
7f00b000-7f00d000 rw-p 00001000 fe:00 12 /folder/lib-a.so (deleted)
7f00d000-7f00e000 r-xp 00000000 fe:00 13 /folder/lib-ab.so
7f00e000-7f00f000 rw-p 00000000 00:00 0
";
        assert_eq!(mappings(maps, Path::new("/folder/lib-a.so")), [(0x7f00_a000, 0x1000), (0x7f00_b000, 0x2000)]);
    }

    #[test]
    fn what_is_released_reads_as_before() {
        let program = std::env::current_exe().unwrap_or_default();
        release(&program);
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        assert!(!mappings(&maps, &program).is_empty());
    }
}
