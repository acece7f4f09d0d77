//! What there is to know of a program before it goes into an image: what it needs, for which machine it is, and how
//! much of it is there for debuggers alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef, elf};

use crate::ImageError;

type Header = elf::FileHeader64<Endianness>;

/// Head of an ELF file, read.
struct Elf<'a> {
    header: &'a Header,
    segments: &'a [elf::ProgramHeader64<Endianness>],
    endian: Endianness,
}

fn read<'a>(path: &Path, content: &'a [u8]) -> Result<Elf<'a>, ImageError> {
    let refuse = |words: &dyn ToString| ImageError::NoProgram { path: path.to_owned(), words: words.to_string() };
    let header = Header::parse(content).map_err(|error| refuse(&error))?;
    let endian = header.endian().map_err(|error| refuse(&error))?;
    let segments = header.program_headers(endian, content).map_err(|error| refuse(&error))?;
    Ok(Elf { header, segments, endian })
}

/// The machine a program is for, as images name it.
pub(crate) fn architecture(path: &Path, content: &[u8]) -> Result<&'static str, ImageError> {
    let Elf { header, endian, .. } = read(path, content)?;
    match header.e_machine(endian) {
        elf::EM_X86_64 => Ok("amd64"),
        elf::EM_AARCH64 => Ok("arm64"),
        other => Err(ImageError::NoProgram {
            path: path.to_owned(),
            words: format!("it is for the unknown machine {other}"),
        }),
    }
}

/// The loader a program names; none where it is static, or a library.
pub(crate) fn interpreter(path: &Path, content: &[u8]) -> Result<Option<PathBuf>, ImageError> {
    let Elf { segments, endian, .. } = read(path, content)?;
    let named = segments.iter().find_map(|segment| segment.interpreter(endian, content).transpose());
    let named =
        named.transpose().map_err(|error| ImageError::NoProgram { path: path.to_owned(), words: error.to_string() })?;
    Ok(named.map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned())))
}

/// The program without what no loader looks at: symbols, debug information, the table of sections. Such a file begins
/// with the segments, and the system maps segments.
pub(crate) fn strip(path: &Path, mut content: Vec<u8>) -> Result<Vec<u8>, ImageError> {
    let Elf { header, segments, endian } = read(path, &content)?;
    let count = u64::from(header.e_phnum(endian));
    let table = header.e_phoff(endian) + count * u64::from(header.e_phentsize(endian));
    let ends = segments.iter().map(|segment| segment.p_offset(endian).saturating_add(segment.p_filesz(endian)));
    let end = ends.chain([table]).max().unwrap_or(table);
    let end = usize::try_from(end)
        .ok()
        .filter(|end| *end <= content.len())
        .ok_or_else(|| ImageError::NoProgram { path: path.to_owned(), words: "it is cut short".to_owned() })?;
    let mut bare = *header;
    bare.e_shoff.set(endian, 0);
    bare.e_shnum.set(endian, 0);
    bare.e_shstrndx.set(endian, elf::SymbolSection(0));
    let bare = object::bytes_of(&bare);
    content[..bare.len()].copy_from_slice(bare);
    content.truncate(end);
    Ok(content)
}

/// What a program is started with.
#[derive(Clone, Debug)]
pub struct Linked {
    /// The loader it names; none where it is static.
    pub loader: Option<PathBuf>,
    /// Shared objects, the loader among them.
    pub objects: BTreeSet<PathBuf>,
}

impl Linked {
    pub(crate) fn of(path: &Path, content: &[u8]) -> Result<Self, ImageError> {
        let loader = interpreter(path, content)?;
        let objects = loader.as_deref().map_or_else(|| Ok(BTreeSet::new()), |loader| shared_objects(path, loader))?;
        Ok(Self { loader, objects })
    }
}

/// The names of the shared objects that an ELF file needs (`DT_NEEDED`). None where it is no ELF file. Of a large file only
/// what says so is read.
pub fn needed(file: &Path) -> io::Result<Option<Vec<String>>> {
    Ok(needed_by(&ReadCache::new(File::open(file)?)))
}

fn needed_by<'data>(content: impl ReadRef<'data>) -> Option<Vec<String>> {
    let header = Header::parse(content).ok()?;
    let endian = header.endian().ok()?;
    let table = header.sections(endian, content).ok()?.dynamic_table(endian, content).ok()?;
    let names = table.iter().filter(|entry| entry.tag == elf::DT_NEEDED).filter_map(|entry| table.string(entry).ok());
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// The shared objects a program or library is loaded with by a loader, that loader among them.
pub(crate) fn shared_objects(path: &Path, loader: &Path) -> Result<BTreeSet<PathBuf>, ImageError> {
    let mut objects = BTreeSet::from([loader.to_owned()]);
    for (object, found) in resolve(path, loader)? {
        let missing = || ImageError::Missing { object, program: path.to_owned() };
        objects.insert(found.ok_or_else(missing)?);
    }
    Ok(objects)
}

/// The shared objects a program or library is loaded with, by name; none where this machine does not have it. The
/// loader itself is asked: it knows its paths, its cache and what the objects need in turn.
pub fn resolve(path: &Path, loader: &Path) -> Result<BTreeMap<String, Option<PathBuf>>, ImageError> {
    let refuse = |words: &str| ImageError::Loader {
        loader: loader.to_owned(),
        program: path.to_owned(),
        words: words.to_owned(),
    };
    // A program whose file is gone is read by a link that leads nowhere.
    let program = path.canonicalize().or_else(|_| std::path::absolute(path)).map_err(ImageError::read(path))?;
    let output = Command::new(loader).arg("--list").arg(&program).output();
    let output = output.map_err(|error| refuse(&error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let mut objects = listed(&said);
    // musl lists what is missing, glibc stops there. A program that needs nothing is a complaint to some loaders.
    if let Some((_, rest)) = complaint.split_once("error while loading shared libraries: ") {
        objects.insert(rest.split(':').next().unwrap_or(rest).trim().to_owned(), None);
    } else if !output.status.success() && ![&said, &complaint].iter().any(|it| it.contains("statically linked")) {
        return Err(refuse(complaint.trim()));
    }
    Ok(objects)
}

/// A loader's list: `NAME => PATH (ADDRESS)`, `NAME => not found`, or `PATH (ADDRESS)`.
fn listed(said: &str) -> BTreeMap<String, Option<PathBuf>> {
    let objects = said.lines().map(str::trim).filter_map(|line| {
        let bare = |text: &str| text.rsplit_once(" (").map_or(text, |(text, _)| text).trim().to_owned();
        let Some((name, path)) = line.split_once("=>") else {
            let path = PathBuf::from(bare(line));
            let name = path.is_absolute().then(|| path.file_name())??.to_string_lossy().into_owned();
            return Some((name, Some(path)));
        };
        let path = PathBuf::from(bare(path));
        Some((name.trim().to_owned(), path.is_absolute().then_some(path)))
    });
    objects.collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn own() -> (PathBuf, Vec<u8>) {
        let path = std::env::current_exe().unwrap();
        let content = std::fs::read(&path).unwrap();
        (path, content)
    }

    #[test]
    fn a_stripped_program_runs_and_is_smaller() {
        let (path, content) = own();
        let stripped = strip(&path, content.clone()).unwrap();
        assert!(stripped.len() < content.len());
        assert_eq!(stripped, strip(&path, stripped.clone()).unwrap(), "nothing is left to strip");
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        crate::testing::executable(&copy, &stripped);
        let output = Command::new(&copy).arg("--list").output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("a_stripped_program_runs_and_is_smaller"));
    }

    #[test]
    fn the_loader_tells_what_this_program_needs() {
        let (path, content) = own();
        let Linked { loader, objects } = Linked::of(&path, &content).unwrap();
        let loader = loader.unwrap();
        assert!(objects.contains(&loader), "{objects:?}");
        assert!(objects.iter().any(|object| object.to_string_lossy().contains("libc.so")), "{objects:?}");
        assert!(objects.iter().all(|object| object.is_file()), "{objects:?}");
    }

    #[test]
    fn what_is_no_program_is_refused_and_not_followed() {
        for content in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0]] {
            let refused = strip(Path::new("app"), content.to_vec()).unwrap_err().to_string();
            assert!(refused.starts_with("cannot read app as a program: "), "{refused}");
        }
        let (path, content) = own();
        let refused = strip(&path, content[..content.len() / 3].to_vec()).unwrap_err().to_string();
        assert!(refused.contains("cut short"), "{refused}");
    }

    #[test]
    fn lists_of_both_libcs_are_read() {
        let glibc = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/my libs/libm.so.6 (0x00007f)\n\
                     \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let musl = "\t/lib/ld-musl-x86_64.so.1 (0x7f)\n\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f)\n";
        let read =
            |said| listed(said).into_values().map(|path| path.unwrap().display().to_string()).collect::<Vec<_>>();
        assert_eq!(read(glibc), ["/lib64/ld-linux-x86-64.so.2", "/lib/my libs/libm.so.6"]);
        assert_eq!(read(musl), ["/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-x86_64.so.1"]);
        assert_eq!(listed("\tliby.so => not found\n"), BTreeMap::from([("liby.so".to_owned(), None)]));
        assert_eq!(needed_by(&b"no library"[..]), None);
    }
}
