//! Shared objects that a service's library needs and the host's image does not have, such as the libz of a
//! `#[link(name = "z")]`: put beside the library, where the loader in the container looks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::Endianness;
use object::elf;
use object::read::elf::FileHeader;

use crate::backend::BackendError;

/// The names of the shared objects that an ELF file needs (`DT_NEEDED`). None where it is no ELF file.
pub(crate) fn needed(content: &[u8]) -> Option<Vec<String>> {
    let header = elf::FileHeader64::<Endianness>::parse(content).ok()?;
    let endian = header.endian().ok()?;
    let table = header.sections(endian, content).ok()?.dynamic_table(endian, content).ok()?;
    let names = table.iter().filter(|entry| entry.tag == elf::DT_NEEDED).filter_map(|entry| table.string(entry).ok());
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Puts what the libraries in a folder need beside them. `known`: names that the image has.
///
/// # Errors
/// Names the library and the object where this machine does not have it either.
pub(crate) fn complete(service: &str, folder: &Path, known: &BTreeSet<String>) -> Result<(), BackendError> {
    let entries = fs::read_dir(folder).map_err(BackendError::io(format!("list {}", folder.display())))?;
    let is_library = |path: &PathBuf| path.extension().is_some_and(|end| end == "so");
    for library in entries.flatten().map(|entry| entry.path()).filter(is_library) {
        let content = fs::read(&library).map_err(BackendError::io(format!("read {}", library.display())))?;
        let foreign = |name: &String| !known.contains(name) && !folder.join(name).exists();
        let missing: Vec<String> = needed(&content).unwrap_or_default().into_iter().filter(foreign).collect();
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
        for (name, path) in found(&library).map_err(|why| lacks(first, why))? {
            if known.contains(&name) || folder.join(&name).exists() {
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

/// All that a library is loaded with, by name, as this machine's loader finds it: it knows its paths and its cache.
fn found(library: &Path) -> Result<BTreeMap<String, Option<PathBuf>>, String> {
    let own = fs::read("/proc/self/exe").map_err(|error| format!("cannot read this program: {error}"))?;
    let loader = crate::image::interpreter(&own).ok_or("this program has no loader that could be asked for it")?;
    let output = Command::new(&loader).arg("--list").arg(library).output();
    let output = output.map_err(|error| format!("cannot ask {loader}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let mut objects = listed(&String::from_utf8_lossy(&output.stdout));
    // glibc stops at what is missing, musl lists it.
    if let Some((_, rest)) = complaint.split_once("error while loading shared libraries: ") {
        objects.insert(rest.split(':').next().unwrap_or(rest).trim().to_owned(), None);
    } else if !output.status.success() {
        return Err(complaint.trim().to_owned());
    }
    Ok(objects)
}

/// A loader's list: `NAME => PATH (ADDRESS)`, `NAME => not found`, or `PATH (ADDRESS)`.
fn listed(said: &str) -> BTreeMap<String, Option<PathBuf>> {
    let objects = said.lines().filter_map(|line| {
        let (name, path) = line.trim().split_once(" => ")?;
        let path = path.rsplit_once(" (").map_or(path, |(path, _)| path);
        Some((name.to_owned(), path.starts_with('/').then(|| PathBuf::from(path))))
    });
    objects.collect()
}

/// Whether shared objects lie beside the libraries of a service.
pub(crate) fn are_in(folder: &Path) -> bool {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).any(|name| name.contains(".so") && !name.starts_with("lib-"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
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
        assert_eq!(needed(&fs::read(&made).unwrap()), Some(vec!["libouter.so.2".to_owned()]));
        complete("get", &service, &BTreeSet::new()).unwrap();
        assert!(service.join("libouter.so.2").is_file() && service.join("libinner.so.1").is_file());

        fs::remove_file(service.join("libouter.so.2")).unwrap();
        fs::remove_file(system.join("libouter.so.2")).unwrap();
        let error = complete("get", &service, &BTreeSet::new()).unwrap_err().to_string();
        assert!(error.contains("libouter.so.2") && error.contains("get"), "{error}");
        complete("get", &service, &BTreeSet::from(["libouter.so.2".to_owned()])).unwrap();
    }

    #[test]
    fn a_loaders_list_is_read() {
        let said = "\tlinux-vdso.so.1 (0x7)\n\tlibz.so.1 => /lib/libz.so.1 (0x7)\n\tliby.so => not found\n\t/lib64/ld.so (0x7)\n";
        let expected = [("liby.so".to_owned(), None), ("libz.so.1".to_owned(), Some(PathBuf::from("/lib/libz.so.1")))];
        assert_eq!(listed(said), expected.into());
        assert_eq!(needed(b"no library"), None);
    }
}
