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

/// A credential.
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

    #[test]
    fn what_is_wrong_with_them_is_said_without_them() {
        let folder = config("{\"auths\": 1}");
        let said = find(folder.path(), "ghcr.io").unwrap_err().to_string();
        assert!(said.starts_with("get credentials for ghcr.io: ") && said.contains("not JSON"), "{said}");
        let folder = config(r#"{"credHelpers": {"ghcr.io": "no-such-helper-here"}}"#);
        let said = find(folder.path(), "ghcr.io").unwrap_err().to_string();
        assert!(said.contains("does not run"), "{said}");
        let credential = Credential::Basic("me".into(), "secret".into());
        assert_eq!(format!("{credential:?}"), "Credential");
    }
}
