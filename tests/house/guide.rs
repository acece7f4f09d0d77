//! The guide is a book that mdBook can build, and no link of a document leads nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::documents::{self, Document, GUIDE};

/// Where links lead: what is between `](` and `)`, code left out.
fn links(document: &Document) -> Vec<String> {
    let prose = document.prose().join("\n");
    let text: String = prose.split('`').step_by(2).collect();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// Anchors of a document's headings, as GitHub and mdBook write them.
fn anchors(document: &Document) -> BTreeSet<String> {
    let headings = document.prose().into_iter().filter(|line| line.starts_with('#'));
    let slug = |c: char| match c {
        ' ' => Some('-'),
        c => (c.is_alphanumeric() || c == '-' || c == '_').then_some(c),
    };
    headings.map(|line| line.trim_start_matches('#').trim().to_lowercase().chars().filter_map(slug).collect()).collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            part => path.push(part),
        }
        path
    })
}

#[test]
fn links_of_documents_lead_somewhere() {
    let documents = documents::all();
    let mut looked = 0;
    for document in &documents {
        let folder = Path::new(&document.name).parent().expect("a folder");
        for link in links(document) {
            let (path, anchor) = link.split_once('#').map_or((&link[..], None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { PathBuf::from(&document.name) } else { plain(&folder.join(path)) };
            assert!(documents::root().join(&target).exists(), "{} leads to {link}, which is not there", document.name);
            if let Some(anchor) = anchor {
                let to = documents.iter().find(|other| Path::new(&other.name) == target);
                let to = to.unwrap_or_else(|| panic!("{} leads to {link}, which has no headings", document.name));
                assert!(anchors(to).contains(anchor), "{} leads to {link}, which has no such heading", document.name);
            }
            // A book holds its own folder and nothing beside it.
            let is_of_guide = folder == Path::new(GUIDE);
            assert!(!is_of_guide || target.starts_with(GUIDE), "{} leads out of the book: {link}", document.name);
            looked += 1;
        }
    }
    assert!(looked > 50, "{looked}");
}

#[test]
fn the_summary_of_the_guide_lists_every_chapter_once() {
    let chapters = documents::folder(GUIDE);
    let (summary, chapters): (Vec<_>, Vec<_>) =
        chapters.into_iter().partition(|document| document.name.ends_with("/SUMMARY.md"));
    let listed = links(&summary[0]);
    let there: BTreeSet<String> =
        chapters.iter().map(|chapter| chapter.name[GUIDE.len()..].trim_start_matches('/').to_owned()).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(listed.len(), there.len(), "a chapter is listed twice");
    for chapter in &chapters {
        assert!(chapter.text.starts_with("# "), "{} has no title", chapter.name);
    }
    let book = fs::read_to_string(documents::root().join("docs/guide/book.toml")).expect("book.toml");
    assert!(book.starts_with("[book]\n"));
}
