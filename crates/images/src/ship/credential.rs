//! Who we are to a registry: what Docker's configuration says, its helpers and stores included. A credential is told
//! to the registry and to nobody else, and has no words for people.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError as Failure, DockerCredential};
use hyper::header::HeaderValue;

use super::ShipError;

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// User and password.
    Basic(String, String),
    /// A token that tokens are given for.
    Identity(String),
}

impl Credential {
    /// User and password as a header's value; a token for tokens is none.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let Self::Basic(user, password) = self else { return None };
        let mut header =
            HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Credential")
    }
}

/// The credential for a registry, under the name Docker has for it; none where it keeps none.
pub(crate) fn find(folder: &Path, login: &str) -> Result<Option<Credential>, ShipError> {
    let file = folder.join("config.json");
    let refuse = |words: String| ShipError::Credentials { registry: login.to_owned(), words };
    let config = match File::open(&file) {
        Ok(config) => config,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse(format!("{} cannot be read: {error}", file.display()))),
    };
    match docker_credential::get_credential_from_reader(std::io::BufReader::new(config), login) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Credential::Basic(user, password))),
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::Identity(token))),
        Err(Failure::NoCredentialConfigured) => Ok(None),
        // What helpers say where they keep nothing for a registry.
        Err(Failure::HelperFailure { stdout, stderr, .. })
            if [&stdout, &stderr].iter().any(|said| said.contains("credentials not found")) =>
        {
            Ok(None)
        }
        // Its standard output may hold what is not to be told.
        Err(Failure::HelperFailure { helper, stderr, .. }) => Err(refuse(format!("{helper} says {:?}", stderr.trim()))),
        Err(Failure::HelperCommunicationError) => {
            Err(refuse(format!("the credential helper that {} names does not run", file.display())))
        }
        Err(Failure::MalformedHelperResponse) => Err(refuse("the credential helper's answer is not JSON".to_owned())),
        Err(Failure::ConfigReadError) => Err(refuse(format!("{} is not JSON as Docker writes it", file.display()))),
        Err(error) => Err(refuse(format!("{}: {error}", file.display()))),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn config(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        folder
    }

    #[test]
    fn what_docker_keeps_is_found() {
        // "me:pass:word"
        let folder = config(
            r#"{"auths": {"localhost:5000": {"auth": "bWU6cGFzczp3b3Jk"}, "ghcr.io": {"identitytoken": "t"}, "empty.io": {}}}"#,
        );
        let find = |login| find(folder.path(), login).unwrap();
        assert!(find("localhost:5000") == Some(Credential::Basic("me".into(), "pass:word".into())));
        assert!(find("ghcr.io") == Some(Credential::Identity("t".into())));
        assert!(find("other.io").is_none() && find("empty.io").is_none());
        assert!(super::find(&folder.path().join("none"), "ghcr.io").unwrap().is_none());
    }

    /// A helper is found on PATH, which belongs to a whole process: this test runs itself again with another.
    #[test]
    fn a_helper_is_asked() {
        const CHILD: &str = "DYNINKA_TEST_HELPERS";
        if let Some(folder) = std::env::var_os(CHILD) {
            let find = |login| find(Path::new(&folder), login).unwrap();
            assert!(find("ghcr.io") == Some(Credential::Basic("me".into(), "of-helper".into())));
            assert!(find("quay.io") == Some(Credential::Identity("of-store".into())));
            assert!(find("none.io").is_none());
            let said = super::find(Path::new(&folder), "locked.io").unwrap_err().to_string();
            assert!(said.contains("docker-credential-store says \"the keychain is locked\""), "{said}");
            assert!(!said.contains("hidden"), "{said}");
            return;
        }
        let folder = config(r#"{"credsStore": "store", "credHelpers": {"ghcr.io": "own"}}"#);
        let helper = |name: &str, text: &str| {
            let file = folder.path().join(format!("docker-credential-{name}"));
            crate::testing::executable(&file, format!("#!/bin/sh\nread -r server\n{text}\n").as_bytes());
        };
        helper("own", r#"echo '{"Username": "me", "Secret": "of-helper"}'"#);
        helper(
            "store",
            r#"case $server in
            quay.io) echo '{"Username": "<token>", "Secret": "of-store"}' ;;
            locked.io) echo hidden; echo 'the keychain is locked' >&2; exit 1 ;;
            *) echo 'credentials not found in native keychain'; exit 1 ;;
            esac"#,
        );
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "ship::credential::tests::a_helper_is_asked"]);
        let output = again.env("PATH", path).env(CHILD, folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn what_is_wrong_with_them_is_said_without_them() {
        let folder = config("{\"auths\": 1}");
        let said = find(folder.path(), "ghcr.io").unwrap_err().to_string();
        assert!(said.starts_with("cannot get credentials for ghcr.io: ") && said.contains("not JSON"), "{said}");
        let folder = config(r#"{"credHelpers": {"ghcr.io": "no-such-helper-here"}}"#);
        let said = find(folder.path(), "ghcr.io").unwrap_err().to_string();
        assert!(said.contains("does not run"), "{said}");
        let credential = Credential::Basic("me".into(), "secret".into());
        assert_eq!(format!("{credential:?}"), "Credential");
    }
}
