//! A folder with an app in it, and a cache whose dependencies all tests share.

use std::fs;
use std::path::{Path, PathBuf};

use app::{App, Missing, Sources};
use compiler::Builder;

/// A folder with the user's files.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
}

impl House {
    /// With this text in `app.rs`.
    pub(crate) fn new(text: &str) -> Self {
        let house = Self { folder: tempfile::tempdir().unwrap() };
        house.write("app.rs", text);
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub(crate) fn builder(&self) -> Builder {
        self.builder_of("app.rs")
    }

    pub(crate) fn builder_of(&self, root: &str) -> Builder {
        Builder::open(&self.path(root), &cache(), |_| {}).unwrap()
    }

    /// A builder with a folder of its own for what it builds.
    pub(crate) async fn builder_in(&self, own: &Path) -> Builder {
        self.builder().prepare(&self.app()).await.unwrap();
        fs::create_dir_all(own).unwrap();
        for shared in ["target", "linkers", "runtime", "deps"] {
            std::os::unix::fs::symlink(cache().join(shared), own.join(shared)).unwrap();
        }
        let builder = Builder::open(&self.path("app.rs"), own, |_| {}).unwrap();
        builder.prepare(&self.app()).await.unwrap();
        builder
    }

    pub(crate) fn app(&self) -> App {
        self.app_of("app.rs")
    }

    /// What stands in a file and in those it mentions. No diagnostics: most texts here have no flow.
    pub(crate) fn app_of(&self, root: &str) -> App {
        let root = self.path(root);
        let mut sources = Sources { root: root.clone(), ..Sources::default() };
        sources.texts.insert(root.clone(), fs::read_to_string(&root).unwrap().into());
        loop {
            let missing = app::wanted(&sources);
            if missing.is_empty() {
                return app::parse(&sources).0;
            }
            for missing in missing {
                match missing {
                    Missing::Module(files) => {
                        let file = files.iter().find(|file| file.is_file()).unwrap();
                        sources.texts.insert(file.clone(), fs::read_to_string(file).unwrap().into());
                    }
                    Missing::Included(file) => {
                        let content = fs::read_to_string(&file).unwrap();
                        sources.included.insert(file, content);
                    }
                }
            }
        }
    }
}

/// Shared by all tests and kept between runs: dependencies are compiled once.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}
