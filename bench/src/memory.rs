//! What processes use: memory and processor time, as the kernel counts them.

use std::time::Duration;

use anyhow::Context;
use procfs::process::Process;

/// Bytes in a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// Resident memory of a process, in MiB.
pub(crate) fn resident(pid: u32) -> anyhow::Result<f64> {
    let status = process(pid)?.status().with_context(|| format!("read the status of process {pid}"))?;
    let kib = status.vmrss.with_context(|| format!("process {pid} has no memory of its own"))?;
    Ok(kib as f64 * 1024.0 / MIB)
}

/// Memory of a process that is of no file, and so shared with nobody, in MiB.
pub(crate) fn own(pid: u32) -> anyhow::Result<f64> {
    let status = process(pid)?.status().with_context(|| format!("read the status of process {pid}"))?;
    let kib = status.rssanon.with_context(|| format!("the kernel does not tell what process {pid} shares"))?;
    Ok(kib as f64 * 1024.0 / MIB)
}

/// Memory of a process where every shared page counts by its share, in MiB.
pub(crate) fn proportional(pid: u32) -> anyhow::Result<f64> {
    let rollup = process(pid)?.smaps_rollup().with_context(|| format!("read the memory map of process {pid}"))?;
    let bytes = rollup.memory_map_rollup.iter().filter_map(|map| map.extension.map.get("Pss")).sum::<u64>();
    Ok(bytes as f64 / MIB)
}

/// Processor time a process has used so far.
pub(crate) fn processor(pid: u32) -> anyhow::Result<Duration> {
    let stat = process(pid)?.stat().with_context(|| format!("read the times of process {pid}"))?;
    let ticks = (stat.utime + stat.stime) as f64;
    Ok(Duration::from_secs_f64(ticks / procfs::ticks_per_second() as f64))
}

/// The same with what the programs used that it started and that have ended.
pub(crate) fn processor_with_children(pid: u32) -> anyhow::Result<Duration> {
    let stat = process(pid)?.stat().with_context(|| format!("read the times of process {pid}"))?;
    let ended = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    let ticks = (stat.utime + stat.stime + ended) as f64;
    Ok(Duration::from_secs_f64(ticks / procfs::ticks_per_second() as f64))
}

/// Hosts that a process has started: pid and the folder of the service.
pub(crate) fn hosts(parent: u32) -> anyhow::Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for process in procfs::process::all_processes().context("list processes")?.flatten() {
        // One that has ended meanwhile is none.
        let (Ok(stat), Ok(words)) = (process.stat(), process.cmdline()) else { continue };
        if u32::try_from(stat.ppid) != Ok(parent) {
            continue;
        }
        if let [_, host, folder, ..] = words.as_slice()
            && host == "host"
            && let Ok(pid) = u32::try_from(process.pid())
        {
            found.push((pid, folder.clone()));
        }
    }
    Ok(found)
}

/// The program that a process has started with this word as its first argument.
pub(crate) fn child(parent: u32, word: &str) -> anyhow::Result<u32> {
    let is_it = |process: &Process| {
        let of = process.stat().is_ok_and(|stat| u32::try_from(stat.ppid) == Ok(parent));
        of && process.cmdline().is_ok_and(|words| words.get(1).is_some_and(|known| known == word))
    };
    let found = procfs::process::all_processes().context("list processes")?.flatten().find(is_it);
    let pid = found.and_then(|process| u32::try_from(process.pid()).ok());
    pid.with_context(|| format!("process {parent} has started no {word}"))
}

fn process(pid: u32) -> anyhow::Result<Process> {
    let known = i32::try_from(pid).with_context(|| format!("process {pid}"))?;
    Process::new(known).with_context(|| format!("find process {pid}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_fills_memory_and_counts_is_seen_to() {
        let own = std::process::id();
        let before = resident(own).unwrap();
        let filled = vec![1_u8; 64 << 20];
        assert!(resident(own).unwrap() > before + 48.0);
        assert!(proportional(own).unwrap() > 48.0);
        let used = processor(own).unwrap();
        // It ends: what this counts, and what other tests do meanwhile, is seen.
        while processor(own).unwrap() < used + Duration::from_millis(30) {
            std::hint::black_box(filled.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        }
    }

    #[test]
    fn nobody_is_no_process() {
        assert!(resident(u32::MAX).is_err());
        assert_eq!(hosts(std::process::id()).unwrap(), []);
        assert!(child(std::process::id(), "job-server").is_err());
    }
}
