//! The one place where an error becomes words and an exit code. Libraries never print.

use std::fmt::Display;
use std::process::ExitCode;

use crate::speech;

/// What to do where nothing can be kept.
const HOME: &str = "set DYNINKA_HOME to a folder that can be written";

/// Why a command ended early: what happened, and what to do about it.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

/// The exit codes of `dyn --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The app or a call of it is wrong.
    App = 1,
    /// The command line asks for what cannot be.
    Usage = 2,
    /// This machine lacks something.
    Machine = 3,
    /// Another session has the app.
    Busy = 4,
    /// Nothing could be compared, so nothing is known.
    Uncompared = 5,
    /// A host's address is taken: for whoever started the host.
    AddressInUse = protocol::ADDRESS_IN_USE as isize,
    /// Ctrl-C before it was done.
    Interrupted = 130,
}

impl Fault {
    pub(crate) fn new(kind: Kind, message: impl Display) -> Self {
        Self { kind, message: message.to_string(), hint: None }
    }

    /// A command that has already said what is wrong.
    pub(crate) fn said(kind: Kind) -> Self {
        Self::new(kind, "")
    }

    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// All of it in one line, for a face that has no room for more.
    pub(crate) fn words(&self) -> String {
        let hint = self.hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{}{hint}", self.message)
    }

    /// Says it on stderr; the exit code tells it where nobody reads that.
    pub(crate) fn report(self) -> ExitCode {
        let code = ExitCode::from(self.kind as u8);
        speech::last_words(move || self.say());
        code
    }

    fn say(&self) {
        use anstyle::{AnsiColor, Style};
        let (red, cyan) = (
            Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
            Style::new().fg_color(Some(AnsiColor::Cyan.into())),
        );
        if !self.message.is_empty() {
            drop(speech::err(format_args!("{red}error{red:#}: {}", self.message)));
        }
        // Whatever was being done: what is missing is not what it was done with.
        let out_of_files = ["(os error 24)", "(os error 23)"].iter().any(|sign| self.message.contains(sign));
        let files = out_of_files.then(|| session::FILES_HINT.to_owned());
        if let Some(hint) = files.as_ref().or(self.hint.as_ref()) {
            drop(speech::err(format_args!("{cyan}hint{cyan:#}: {hint}")));
        }
    }
}

impl From<session_api::ClientError> for Fault {
    fn from(error: session_api::ClientError) -> Self {
        Self::new(Kind::Machine, error.to_string())
    }
}

impl From<session::HomeError> for Fault {
    fn from(error: session::HomeError) -> Self {
        let kind = if matches!(error, session::HomeError::Find { .. }) { Kind::App } else { Kind::Machine };
        let fault = Self::new(kind, error.to_string());
        match kind {
            Kind::Machine => fault.hint(HOME),
            _ => fault,
        }
    }
}

impl From<session::StartError> for Fault {
    fn from(error: session::StartError) -> Self {
        match error {
            session::StartError::Home(error) => error.into(),
            session::StartError::Lock(error) => error.into(),
            session::StartError::Build(error) => {
                error.hint().into_iter().fold(Self::new(Kind::Machine, error.to_string()), Self::hint)
            }
            session::StartError::Path(error) => Self::new(Kind::Usage, error)
                .hint("a field is a JSON pointer such as /user/token, or a name for wherever it is"),
            session::StartError::Folder { .. } => Self::new(Kind::Machine, error.to_string()).hint(HOME),
            session::StartError::Client(_) | session::StartError::Program { .. } | session::StartError::Measurer(_) => {
                Self::new(Kind::Machine, error.to_string())
            }
        }
    }
}

impl From<session::LockError> for Fault {
    fn from(error: session::LockError) -> Self {
        match error {
            session::LockError::Held { ref app, .. } => {
                let hint = format!(
                    "see it with `dyn dev --attach {0}`, call into it with `dyn shell {0}`, or end it with `dyn stop {0}`",
                    app.display()
                );
                Self::new(Kind::Busy, &error).hint(hint)
            }
            session::LockError::Io { .. } => Self::new(Kind::Machine, error.to_string()).hint(HOME),
        }
    }
}
