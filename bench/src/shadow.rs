//! A PATH on which some programs cannot be found.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

/// A search path and the links it needs.
#[derive(Debug)]
pub(crate) struct Shadow {
    pub(crate) path: OsString,
    /// Folders of links, gone with this.
    _links: TempDir,
}

/// The search path of this process, where each folder that holds one of these programs is replaced by links to
/// everything else in it.
pub(crate) fn without(programs: &[&str]) -> anyhow::Result<Shadow> {
    let links = tempfile::tempdir().context("make a folder of links")?;
    let mut folders = Vec::new();
    let path = env::var_os("PATH").context("PATH is not set")?;
    for (number, folder) in env::split_paths(&path).enumerate() {
        if !programs.iter().any(|program| folder.join(program).is_file()) {
            folders.push(folder);
            continue;
        }
        let beside = links.path().join(number.to_string());
        mirror(&folder, &beside, programs).with_context(|| format!("link what is in {}", folder.display()))?;
        folders.push(beside);
    }
    Ok(Shadow { path: env::join_paths(folders).context("join folders to a PATH")?, _links: links })
}

fn mirror(folder: &Path, beside: &Path, without: &[&str]) -> std::io::Result<()> {
    std::fs::create_dir(beside)?;
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        if !without.iter().any(|program| name == *program) {
            symlink(entry.path(), beside.join(name))?;
        }
    }
    Ok(())
}

/// Where a program is found by PATH.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_shadowed_is_gone_and_what_stood_beside_it_is_not() {
        let shell = find("sh").unwrap();
        let beside = shell.parent().unwrap().read_dir().unwrap().flatten();
        let beside = beside.map(|entry| entry.file_name()).find(|name| name != "sh").unwrap();
        let shadow = without(&["sh"]).unwrap();
        let folders: Vec<_> = env::split_paths(&shadow.path).collect();
        assert!(folders.iter().all(|folder| !folder.join("sh").is_file()));
        assert!(folders.iter().any(|folder| folder.join(&beside).symlink_metadata().is_ok()));
    }
}
