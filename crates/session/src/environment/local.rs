//! Values that are this machine's own: variables of the shell, the files that `env_file` in `dyn.toml` names, and secrets.
//!
//! A secret is looked up in the shell (`DYN_SECRET_NAME_KEY`), then in `.secrets.toml` beside the app's file. No message
//! here holds a value, or a line that may hold one.

use std::collections::{BTreeMap, BTreeSet};
use std::env::VarError;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use kubernetes::settings::{self, AppSettings, ENV_FILE_HELP, LONGEST_VALUE, SecretKey, SettingsMistake, Variable};
use kubernetes::settings_file;

use crate::store::home::explain;

/// Looks a variable of the shell up: [`std::env::var`].
pub type Shell<'a> = &'a dyn Fn(&str) -> Result<String, VarError>;

/// The file of secrets, beside the app's.
const SECRETS: &str = ".secrets.toml";
/// The most that is read of a file, in bytes.
const LONGEST: u64 = 1 << 20;

/// What this machine gives an app's services.
pub struct LocalValues<'a> {
    pub(super) shell: Shell<'a>,
    /// By the name that `dyn.toml` gives a file.
    pub(super) files: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) secrets: BTreeMap<SecretKey, String>,
}

/// What this machine lacks of an app's environment; each with its place in `dyn.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalMistakes {
    /// Files that cannot be used.
    pub files: Vec<SettingsMistake>,
    /// Secrets that have no value here.
    pub secrets: Vec<SettingsMistake>,
}

/// Files beside the app's that its services' environments rest on, whether they are there or not.
pub(crate) fn files(file: &Path, settings: &AppSettings) -> BTreeSet<PathBuf> {
    let all = settings.services.values();
    let named = all.clone().filter_map(|said| said.env_file.as_deref());
    let mut variables = all.flat_map(|said| said.env.iter().filter(|(name, _)| !said.resources.contains_key(*name)));
    let stores = settings.data.settings.as_deref();
    let has_secret = variables.any(|(_, variable)| matches!(variable, Variable::Secret(_)));
    named.chain(has_secret.then_some(SECRETS)).chain(stores).map(|name| file.with_file_name(name)).collect()
}

impl<'a> LocalValues<'a> {
    /// Reads what these services of the app in `file` ask for.
    pub fn read(
        file: &Path,
        settings: &AppSettings,
        services: &BTreeSet<&str>,
        shell: Shell<'a>,
    ) -> (Self, LocalMistakes) {
        let mut local = Self { shell, files: BTreeMap::new(), secrets: BTreeMap::new() };
        let mut mistakes = LocalMistakes::default();
        let mut looked_up = Lookup { path: file.with_file_name(SECRETS), kept: None };
        for (service, said) in settings.services.iter().filter(|(name, _)| services.contains(name.as_str())) {
            let mistake = |key: &[&str], (message, help): Wrong| {
                let own = [&["services", service], key].concat();
                settings_file::mistake(file, &[own, [&["defaults"], key].concat()], message, help)
            };
            if let Some(name) = &said.env_file {
                match read_variables(&file.with_file_name(name)) {
                    Ok(values) => drop(local.files.insert(name.clone(), values)),
                    Err(wrong) => mistakes.files.extend(wrong.into_iter().map(|wrong| mistake(&["env_file"], wrong))),
                }
            }
            for (name, variable) in &said.env {
                let Variable::Secret(key) = variable else { continue };
                // It is the session's own server's.
                if said.resources.contains_key(name) {
                    continue;
                }
                // The shell's own value goes before it.
                if said.inherit.contains(name) && shell(name).is_ok() {
                    continue;
                }
                match looked_up.find(key, shell) {
                    Ok(Some(value)) => drop(local.secrets.insert(key.clone(), value)),
                    Ok(None) => {
                        let wrong = missing(key, &looked_up.path);
                        mistakes.secrets.push(mistake(&["env", name], wrong));
                    }
                    Err(wrong) => mistakes.files.push(mistake(&["env", name], wrong)),
                }
            }
        }
        for mistakes in [&mut mistakes.files, &mut mistakes.secrets] {
            // Of all services that have it from one place, told once.
            let place = |one: &SettingsMistake| (one.line, one.column, one.message.clone());
            mistakes.sort_by_key(place);
            mistakes.dedup();
        }
        (local, mistakes)
    }
}

/// What is wrong, and how to mend it.
type Wrong = (String, String);

fn missing(key: &SecretKey, path: &Path) -> Wrong {
    let SecretKey { secret, key: of } = key;
    let message = format!("the secret {secret} has no {of} on this machine");
    let help = format!(
        "write {of} = \"…\" below [{secret}] in {} (chmod 600), or set {} in the shell",
        path.display(),
        variable(key)
    );
    (message, help)
}

/// The variable of the shell that holds a secret: `DYN_SECRET_DB_URL` for the key `url` of `db`.
fn variable(key: &SecretKey) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("DYN_SECRET_{}_{}", key.secret, key.key).chars().map(fit).collect()
}

/// Where secrets are looked up. The file is read where one is asked for that the shell does not have.
struct Lookup {
    path: PathBuf,
    kept: Option<Result<BTreeMap<SecretKey, String>, Wrong>>,
}

impl Lookup {
    fn find(&mut self, key: &SecretKey, shell: Shell<'_>) -> Result<Option<String>, Wrong> {
        let value = match shell(&variable(key)) {
            Ok(value) => Some(value),
            Err(VarError::NotUnicode(_)) => {
                return Err((format!("{} is no UTF-8", variable(key)), "give it a text".to_owned()));
            }
            Err(VarError::NotPresent) => {
                let path = &self.path;
                self.kept.get_or_insert_with(|| secrets(path)).as_ref().map_err(Clone::clone)?.get(key).cloned()
            }
        };
        let is_fit = |value: &String| value.len() <= LONGEST_VALUE && !value.contains('\0');
        if value.as_ref().is_some_and(|value| !is_fit(value)) {
            let message = format!("the {} of the secret {} fits in no environment", key.key, key.secret);
            return Err((message, format!("give it at most {LONGEST_VALUE} bytes, none of them NUL")));
        }
        Ok(value)
    }
}

/// Reads `.secrets.toml`; empty where there is none.
fn secrets(path: &Path) -> Result<BTreeMap<SecretKey, String>, Wrong> {
    let text = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => opened.and_then(|(file, owner, mode)| {
            if owner != rustix::process::getuid().as_raw() && owner != 0 {
                return Ok(Err(format!("{} belongs to another user", path.display())));
            }
            if mode & 0o077 != 0 {
                return Ok(Err(format!("{} can be used by other users (its mode is {mode:o})", path.display())));
            }
            text_of(file).map(Ok)
        }),
    };
    let unread = |error: io::Error| {
        (format!("cannot read {}: {}", path.display(), explain(&error)), format!("chmod 600 {}", path.display()))
    };
    let text = text.map_err(unread)?.map_err(|message| (message, format!("chmod 600 {}", path.display())))?;
    settings::secrets(&text).map_err(|(line, why)| {
        let help = "write it as [name] and below it key = \"value\"".to_owned();
        (format!("{}:{line}: {why}", path.display()), help)
    })
}

fn read_variables(path: &Path) -> Result<BTreeMap<String, String>, Vec<Wrong>> {
    let text = open(path).and_then(|(file, ..)| text_of(file)).map_err(|error| {
        let help = "write the file, or take env_file out".to_owned();
        vec![(format!("cannot read {}: {}", path.display(), explain(&error)), help)]
    })?;
    settings::variables(&text).map_err(|mistakes| {
        let told =
            |(line, why): (usize, String)| (format!("{}:{line}: {why}", path.display()), ENV_FILE_HELP.to_owned());
        mistakes.into_iter().map(told).collect()
    })
}

/// A file with its owner and mode, as they are while it is open.
fn open(path: &Path) -> io::Result<(fs::File, u32, u32)> {
    // A pipe that nobody writes to would be waited for, without an end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = fs::File::open(path)?;
    let data = file.metadata()?;
    Ok((file, data.uid(), data.mode() & 0o777))
}

fn text_of(file: fs::File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SAID: &str = "[defaults]\nenv_file = \".env\"\nenv.URL = { secret = \"my-db\", key = \"url\" }\n\
                        [services.one]\nenv.KEY = { secret = \"api\", key = \"key\" }\n";

    struct Case {
        folder: tempfile::TempDir,
        app: app::App,
    }

    impl Case {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut sources = app::Sources { root: folder.path().join("app.rs"), ..app::Sources::default() };
            let text = "use dyninka::prelude::*; #[service] fn one() -> u8 { 1 } #[service] fn two(v: u8) -> u8 { v } fn main() { one().two() }";
            sources.texts.insert(sources.root.clone(), text.into());
            let (app, findings) = app::parse(&sources);
            assert_eq!(findings, []);
            fs::write(folder.path().join("dyn.toml"), SAID).unwrap();
            fs::write(folder.path().join(".env"), "A=1\n").unwrap();
            Self { folder, app }
        }

        fn secrets(&self, text: &str, mode: u32) {
            let path = self.folder.path().join(SECRETS);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }

        fn read(&self, services: &[&str], shell: Shell<'_>) -> (BTreeMap<String, String>, Vec<String>, Vec<String>) {
            let file = self.folder.path().join("app.rs");
            let settings = settings_file::load(&file, &self.app).unwrap();
            let (local, mistakes) = LocalValues::read(&file, &settings, &services.iter().copied().collect(), shell);
            let folder = self.folder.path().display().to_string() + "/";
            let told = |mistakes: Vec<SettingsMistake>| {
                mistakes.iter().map(|one| format!("{one} ({})", one.help).replace(&folder, "")).collect::<Vec<_>>()
            };
            let secrets = local.secrets.into_iter().map(|(key, value)| (variable(&key), value)).collect();
            (secrets, told(mistakes.files), told(mistakes.secrets))
        }
    }

    fn none(_: &str) -> Result<String, VarError> {
        Err(VarError::NotPresent)
    }

    #[test]
    fn a_secret_comes_from_the_shell_then_from_the_file_and_a_missing_one_has_its_place() {
        let case = Case::new();
        let (found, files, missing) = case.read(&["one", "two"], &none);
        assert_eq!((found.len(), files.len()), (0, 0));
        let told = [
            "dyn.toml:3:5: the secret my-db has no url on this machine (write url = \"…\" below [my-db] in .secrets.toml \
             (chmod 600), or set DYN_SECRET_MY_DB_URL in the shell)",
            "dyn.toml:5:5: the secret api has no key on this machine (write key = \"…\" below [api] in .secrets.toml \
             (chmod 600), or set DYN_SECRET_API_KEY in the shell)",
        ];
        assert_eq!(missing, told);
        assert_eq!(case.read(&["two"], &none).2, told[..1], "of services that are not started nothing is asked");
        case.secrets("[my-db]\nurl = \"of the file\"\n[api]\nkey = \"k\"\n", 0o600);
        let shell =
            |name: &str| if name == "DYN_SECRET_MY_DB_URL" { Ok("of the shell".to_owned()) } else { none(name) };
        let (found, files, missing) = case.read(&["one", "two"], &shell);
        assert_eq!((files.len(), missing.len()), (0, 0));
        assert_eq!((&*found["DYN_SECRET_MY_DB_URL"], &*found["DYN_SECRET_API_KEY"]), ("of the shell", "k"));
    }

    #[test]
    fn a_file_of_secrets_that_others_may_read_or_that_does_not_read_is_refused_without_its_values() {
        let case = Case::new();
        case.secrets("[my-db]\nurl = \"s3cret\"\n", 0o640);
        let (found, files, _) = case.read(&["two"], &none);
        assert_eq!(found.len(), 0);
        let told = "dyn.toml:3:5: .secrets.toml can be used by other users (its mode is 640) (chmod 600 .secrets.toml)";
        assert_eq!(files, [told]);
        for wrong in ["[my-db]\nurl = s3cret\n", "[my-db]\nurl = [\"s3cret\"]\n", "my-db = \"s3cret\"\n"] {
            case.secrets(wrong, 0o600);
            let (_, files, _) = case.read(&["two"], &none);
            assert!(files.len() == 1 && files[0].contains(".secrets.toml:"), "{files:?}");
            assert!(!files[0].contains("s3cret"), "{files:?}");
        }
    }

    #[test]
    fn a_missing_or_broken_env_file_has_its_place_once() {
        let case = Case::new();
        case.secrets("[my-db]\nurl = \"u\"\n[api]\nkey = \"k\"\n", 0o600);
        fs::write(case.folder.path().join(".env"), "A=1\nB\n1C=s3cret\n").unwrap();
        let (_, files, _) = case.read(&["one", "two"], &none);
        assert_eq!(files.len(), 2, "{files:?}");
        assert!(
            files.iter().all(|told| told.starts_with("dyn.toml:2:1: .env:") && !told.contains("s3cret")),
            "{files:?}"
        );
        fs::remove_file(case.folder.path().join(".env")).unwrap();
        let (_, files, _) = case.read(&["one", "two"], &none);
        assert_eq!(files, ["dyn.toml:2:1: cannot read .env: no such file (write the file, or take env_file out)"]);
    }
}
