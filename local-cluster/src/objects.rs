//! Shared objects that a service's library needs and the host's image does not have, such as the libz of a
//! `#[link(name = "z")]`: put beside the library, where the loader in the container looks.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use images::elf::{Linked, needed, resolve};

use crate::backend::BackendError;

/// Puts what the libraries in a folder need beside them, but for what the host in the container has itself.
///
/// # Errors
/// Names the library and the object where this machine does not have it either.
pub(crate) fn complete(service: &str, folder: &Path, host: &Linked) -> Result<(), BackendError> {
    let known: BTreeSet<_> = host.objects.iter().filter_map(|object| object.file_name()).collect();
    let is_there = |name: &str| known.contains(OsStr::new(name)) || folder.join(name).exists();
    let entries = fs::read_dir(folder).map_err(BackendError::io(format!("list {}", folder.display())))?;
    let is_library = |path: &PathBuf| path.extension().is_some_and(|end| end == "so");
    for library in entries.flatten().map(|entry| entry.path()).filter(is_library) {
        let missing = needed(&library).map_err(BackendError::io(format!("read {}", library.display())))?;
        let mut missing = missing.unwrap_or_default();
        missing.retain(|name| !is_there(name));
        if missing.is_empty() {
            continue;
        }
        let lacks = |object: &str, why: String| BackendError::Lacks {
            service: service.to_owned(),
            object: object.to_owned(),
            why,
        };
        if let Some(named) = missing.iter().find(|name| name.contains('/')) {
            return Err(lacks(named, "the library names it by its path on this machine".to_owned()));
        }
        let first = missing.first().map_or("", String::as_str);
        let loader = host.loader.as_deref();
        let loader =
            loader.ok_or_else(|| lacks(first, "the host has no loader that could be asked for it".to_owned()))?;
        for (name, path) in resolve(&library, loader).map_err(|why| lacks(first, why.to_string()))? {
            if is_there(&name) {
                continue;
            }
            let path = path.ok_or_else(|| lacks(&name, "this machine does not have it".to_owned()))?;
            put(folder, &name, &path).map_err(BackendError::io(format!("copy {} for {service}", path.display())))?;
        }
    }
    Ok(())
}

/// Written aside and renamed, so that no loader reads a half.
fn put(folder: &Path, name: &str, from: &Path) -> std::io::Result<()> {
    let aside = folder.join(format!(".{name}.new"));
    fs::copy(from, &aside)?;
    fs::rename(aside, folder.join(name))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::process::Command;

    use super::*;

    /// Compiles a C text to a shared object.
    fn compile(folder: &Path, name: &str, text: &str, more: &[&str]) -> PathBuf {
        let (source, made) = (folder.join(format!("{name}.c")), folder.join(name));
        fs::write(&source, text).unwrap();
        let soname = format!("-Wl,-soname,{name}");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-nostdlib", &soname, "-o"]).arg(&made).arg(&source).args(more);
        assert!(compiler.status().unwrap().success());
        made
    }

    #[test]
    fn what_a_library_needs_goes_beside_it_or_is_named() {
        let base = tempfile::tempdir().unwrap();
        let (system, service) = (base.path().join("system"), base.path().join("service"));
        fs::create_dir(&system).unwrap();
        fs::create_dir(&service).unwrap();
        let (path, rpath) = (format!("-L{}", system.display()), format!("-Wl,-rpath,{}", system.display()));
        compile(&system, "libinner.so.1", "int inner(void) { return 7; }", &[]);
        let outer = "int inner(void); int outer(void) { return inner(); }";
        compile(&system, "libouter.so.2", outer, &[&path, "-l:libinner.so.1", &rpath]);
        let text = "int outer(void); int get(void) { return outer(); }";
        let made = compile(&service, "library.so", text, &[&path, "-l:libouter.so.2", &rpath]);
        assert_eq!(needed(&made).unwrap(), Some(vec!["libouter.so.2".to_owned()]));
        let host = std::env::current_exe().unwrap();
        let mut host = images::HostFiles::read(&host, None).unwrap().linked;
        complete("get", &service, &host).unwrap();
        assert!(service.join("libouter.so.2").is_file() && service.join("libinner.so.1").is_file());

        fs::remove_file(service.join("libouter.so.2")).unwrap();
        fs::remove_file(system.join("libouter.so.2")).unwrap();
        let error = complete("get", &service, &host).unwrap_err().to_string();
        assert!(error.contains("libouter.so.2") && error.contains("get"), "{error}");
        host.objects.insert(system.join("libouter.so.2"));
        complete("get", &service, &host).unwrap();
    }
}
