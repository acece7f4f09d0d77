//! Why a resource is not there, and what to do about it.

use std::io;

use super::ResourceProgram;

/// A resource that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// Its server is not on this machine.
    #[error("{program} is not installed", program = .program.name())]
    NotInstalled { program: ResourceProgram },
    /// A part of its server is not.
    #[error("{part}, which {program} needs, is not installed", program = .program.name())]
    Incomplete { program: ResourceProgram, part: &'static str },
    /// The port that `dyn.toml` names is somebody else's.
    #[error("port {port} is taken by {holder}")]
    PortTaken { port: u16, holder: String },
    /// Its data was written by a server of another version than any that is installed.
    #[error("its data is of {program} {data}, and {installed} is installed", program = .program.name())]
    OtherVersion { program: ResourceProgram, data: u32, installed: String },
    /// The server does not run as root, and there is nobody else to run it as.
    #[error("{program} does not run as root, and {why}", program = .program.name())]
    Root { program: ResourceProgram, why: String },
    /// A file or a program cannot be used.
    #[error("cannot {doing}: {source}")]
    Io { doing: String, source: io::Error },
    /// The server, or what makes its data, ended.
    #[error("{program} ended with {how}{lines}", lines = said(.lines))]
    Ended {
        program: String,
        how: String,
        /// The last that it wrote.
        lines: Vec<String>,
    },
    /// The server runs and does not answer.
    #[error("{program} does not answer on port {port} after {seconds} s{lines}", program = .program.name(), lines = said(.lines))]
    Silent {
        program: ResourceProgram,
        port: u16,
        seconds: u64,
        /// The last that it wrote.
        lines: Vec<String>,
    },
    /// The session ends.
    #[error("the session ends")]
    Closing,
}

impl ResourceError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let without_data = "`dyn stop FILE --data` removes the data of the app's resources";
        match self {
            Self::NotInstalled { program } => format!(
                "install it: `apt install {}` on Debian and Ubuntu; beside containers an image will do: `docker pull {}`",
                program.package(),
                program.image()
            ),
            Self::Incomplete { program, .. } => {
                format!("install it: `apt install {}` on Debian and Ubuntu", program.package())
            }
            Self::PortTaken { .. } => "name another port, or none to have a free one".to_owned(),
            Self::OtherVersion { program: ResourceProgram::Postgres, data, .. } => {
                format!("install it: `apt install postgresql-{data}`; or start without it: {without_data}")
            }
            Self::OtherVersion { program, data, .. } => {
                format!("install {} {data} or a later one; or start without it: {without_data}", program.name())
            }
            Self::Root { .. } => "start `dyn` as another user".to_owned(),
            Self::Io { .. } => "`dyn doctor` lists the folders that dyn uses".to_owned(),
            Self::Ended { .. } | Self::Silent { .. } => {
                format!("mend what it says; where its data is damaged, {without_data}")
            }
            Self::Closing => "start it again".to_owned(),
        }
    }

    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

fn said(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!(": {}", lines.join(" / ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        let told = |error: ResourceError| format!("{error} ({})", error.hint());
        let redis = ResourceProgram::Redis;
        assert_eq!(
            told(ResourceError::NotInstalled { program: redis }),
            "redis-server is not installed (install it: `apt install redis-server` on Debian and Ubuntu; beside containers \
             an image will do: `docker pull redis`)"
        );
        assert_eq!(
            told(ResourceError::PortTaken { port: 6379, holder: "redis-server (pid 7)".to_owned() }),
            "port 6379 is taken by redis-server (pid 7) (name another port, or none to have a free one)"
        );
        let installed = "15".to_owned();
        assert_eq!(
            told(ResourceError::OtherVersion { program: ResourceProgram::Postgres, data: 14, installed }),
            "its data is of postgres 14, and 15 is installed (install it: `apt install postgresql-14`; or start without \
             it: `dyn stop FILE --data` removes the data of the app's resources)"
        );
        let ended = ResourceError::Ended {
            program: "initdb".to_owned(),
            how: "exit code 1".to_owned(),
            lines: vec!["one".to_owned(), "two".to_owned()],
        };
        assert!(ended.to_string().ends_with("ended with exit code 1: one / two"), "{ended}");
    }
}
