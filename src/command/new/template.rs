//! What is written: files of the folder `templates`, with the names filled in.

use clap::ValueEnum;

/// An app to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Three services: a sensor, a filter, an average
    Minimal,
    /// A stream of readings, a window over them, and an alarm
    Stream,
    /// Requests with a body, and a service that calls another
    Api,
}

/// What a package holds beside its app: path and text.
const PACKAGE: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("../../../templates/package/Cargo.toml")),
    ("dyn.toml", include_str!("../../../templates/package/dyn.toml")),
    ("AGENTS.md", include_str!("../../../templates/package/AGENTS.md")),
    (".gitignore", include_str!("../../../templates/package/gitignore")),
    (".vscode/settings.json", include_str!("../../../templates/package/vscode/settings.json")),
    (".vscode/extensions.json", include_str!("../../../templates/package/vscode/extensions.json")),
    (".vscode/tasks.json", include_str!("../../../templates/package/vscode/tasks.json")),
    (".vscode/launch.json", include_str!("../../../templates/package/vscode/launch.json")),
];

/// The keys of `dyn.toml`, which names this file in its first line, for editors.
const SCHEMA: &str = "dyn.schema.json";

/// How an app names its tests, which a file alone has not.
const TESTS: &str = "\n#[cfg(test)]\nmod tests;\n";

/// What the files of a package are filled in with.
pub(super) struct Names<'a> {
    /// The package.
    pub(super) package: &'a str,
    /// The app on a cluster.
    pub(super) app: &'a str,
    /// The line of the manifest that names the runtime.
    pub(super) runtime: &'a str,
}

impl Template {
    pub(crate) const ALL: [Self; 3] = [Self::Minimal, Self::Stream, Self::Api];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Stream => "stream",
            Self::Api => "api",
        }
    }

    /// One line about it.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Minimal => "three services: a sensor, a filter, an average",
            Self::Stream => "a stream of readings, a window over them, and an alarm",
            Self::Api => "requests with a body, and a service that calls another",
        }
    }

    fn app(self) -> &'static str {
        match self {
            Self::Minimal => include_str!("../../../templates/minimal/app.rs"),
            Self::Stream => include_str!("../../../templates/stream/app.rs"),
            Self::Api => include_str!("../../../templates/api/app.rs"),
        }
    }

    fn tests(self) -> &'static str {
        match self {
            Self::Minimal => include_str!("../../../templates/minimal/tests.rs"),
            Self::Stream => include_str!("../../../templates/stream/tests.rs"),
            Self::Api => include_str!("../../../templates/api/tests.rs"),
        }
    }

    /// The app without its tests, for a file alone.
    pub(super) fn app_alone(self) -> &'static str {
        self.app().strip_suffix(TESTS).unwrap_or(self.app())
    }

    /// A service that takes an input, and an input for it.
    fn call(self) -> (&'static str, &'static str) {
        match self {
            Self::Minimal => ("warm", r#"{"celsius": 21.5}"#),
            Self::Stream => ("compare", r#"{"second": 1, "bar": 4.0}"#),
            Self::Api => ("checkout", r#"{"item": "tea", "count": 2}"#),
        }
    }

    /// The files of a package, by their path in it.
    pub(super) fn files(self, names: &Names<'_>) -> Vec<(&'static str, String)> {
        let (service, input) = self.call();
        let fill = |text: &str| {
            let pairs = [
                ("@NAME@", names.package),
                ("@APP@", names.app),
                ("@RUNTIME@", names.runtime),
                ("@SERVICE@", service),
                ("@INPUT@", input),
            ];
            pairs.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
        };
        let app = [("app.rs", self.app().to_owned()), ("tests.rs", self.tests().to_owned())];
        let around = PACKAGE.into_iter().map(|(path, text)| (path, fill(text)));
        let schema = (SCHEMA, format!("{:#}\n", kubernetes::settings::schema()));
        app.into_iter().chain(around).chain([schema]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in_and_a_file_alone_has_no_tests() {
        for template in Template::ALL {
            let names = Names { package: "plant", app: "plant", runtime: "dyninka = \"0.1\"" };
            for (path, text) in template.files(&names) {
                assert!(!text.contains('@'), "{path}: {text}");
                assert!(text.ends_with('\n'), "{path}");
            }
            let settings = template.files(&names).into_iter().find(|(path, _)| *path == "dyn.toml");
            assert!(settings.is_some_and(|(_, text)| text.starts_with(&format!("#:schema ./{SCHEMA}\n"))));
            assert!(template.app().ends_with(TESTS));
            assert!(!template.app_alone().contains("mod tests"));
            assert!(template.app().contains(&format!("fn {}(", template.call().0)));
            assert!(template.to_possible_value().is_some_and(|value| value.get_name() == template.name()));
        }
    }
}
