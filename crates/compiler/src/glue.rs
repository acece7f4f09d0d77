//! What is written below the user's own lines of a slice: stubs of the services it calls, and the export of its own.
//!
//! Nothing comes before or between his lines, so whatever rustc says of them is at his line and column. Every part
//! of the glue that bears a type of his stands on a line of its own: a fault there tells by its line what it is about.

use app::{Output, PlacedStatic, Service, Stub};

/// Changes with the text made here, so that older libraries are not taken for what would be built now.
pub(crate) const FORMAT: &str = "glue 4";

/// The name by which a service knows the version of it that was compiled ahead.
pub(crate) const BEFORE: &str = "__dyninka_before";

/// Text, and what each line of it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Glue {
    pub(crate) text: String,
    pub(crate) subjects: Vec<Subject>,
}

/// What a line of the glue is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The service's input of this number.
    Input(usize),
    /// A placed static.
    State(String),
    /// An input or the output of a service that is called.
    Stub(String),
    /// The whole of it: what is left is the function and what it returns.
    Service,
}

/// The glue of a service. `state` answers the fingerprint of a placed static.
pub(crate) fn write(service: &Service, stubs: &[Stub], version: &str, state: &dyn Fn(&str) -> String) -> Glue {
    let mut glue = Glue::default();
    for called in stubs {
        for line in stub(called) {
            glue.line(Subject::Stub(called.name.clone()), &line);
        }
    }
    glue.line(Subject::Service, "::dyninka::__export! {");
    glue.line(Subject::Service, &format!("service: {:?},", service.name));
    glue.line(Subject::Service, &format!("version: {version:?},"));
    glue.function(service);
    glue.line(Subject::Service, "states: [");
    let states = states(service);
    for (number, placed) in states.iter().enumerate() {
        let comma = if number + 1 < states.len() { "," } else { "" };
        let apart = placed.apart.as_ref().map(|why| format!(" apart {why:?}")).unwrap_or_default();
        let line = format!("{}: {:?}{apart}{comma}", placed.name, state(&placed.name));
        glue.line(Subject::State(placed.name.clone()), &line);
    }
    glue.line(Subject::Service, "],");
    glue.line(Subject::Service, "}");
    glue
}

/// The text by which a service's generic code is compiled for its next version.
pub(crate) fn before(service: &Service, stubs: &[Stub]) -> String {
    let mut glue = Glue::default();
    for line in stubs.iter().flat_map(stub).chain(["::dyninka::__before! {".to_owned()]) {
        glue.line(Subject::Service, &line);
    }
    glue.function(service);
    let names: Vec<&str> = states(service).iter().map(|placed| placed.name.as_str()).collect();
    glue.line(Subject::Service, &format!("states: [{}],", names.join(", ")));
    glue.line(Subject::Service, "}");
    glue.text
}

fn states(service: &Service) -> Vec<&PlacedStatic> {
    service.placed.iter().filter(|placed| placed.is_state).collect()
}

/// The lines of a call through the host.
pub(crate) fn stub(stub: &Stub) -> Vec<String> {
    let mut lines = vec![format!("::dyninka::__remote! {{ fn {}(", stub.name)];
    for (number, input) in stub.inputs.iter().enumerate() {
        let comma = if number + 1 < stub.inputs.len() { "," } else { "" };
        lines.push(format!("{}: {}{comma}", input.identifier(), on_one_line(&input.ty)));
    }
    let Output { ty, optional, fallible, aliased, written } = &stub.output;
    let ty = match (aliased, fallible, optional) {
        // Under a name of the user's, what is in it is for the compiler to say.
        (true, true, _) => format!("<{} as ::dyninka::library::Fallible>::Value", on_one_line(written)),
        (true, false, _) => on_one_line(written),
        (false, _, true) => format!("::core::option::Option<{}>", on_one_line(ty)),
        (false, _, false) => on_one_line(ty),
    };
    lines.push(format!(") -> {ty} }}"));
    lines
}

/// A type without its line breaks.
pub(crate) fn on_one_line(ty: &str) -> String {
    ty.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Glue {
    /// The same with statements below it.
    pub(crate) fn with_imports(&self, imports: &[String]) -> Self {
        let mut glue = self.clone();
        imports.iter().for_each(|import| glue.line(Subject::Service, import));
        glue
    }

    /// The function, and how it is called.
    fn function(&mut self, service: &Service) {
        let call = if service.is_async { "async" } else { "sync" };
        self.line(Subject::Service, &format!("function: {},", service.name));
        self.line(Subject::Service, &format!("call: {call},"));
        self.line(Subject::Service, "inputs: [");
        for (number, input) in service.inputs.iter().enumerate() {
            let comma = if number + 1 < service.inputs.len() { "," } else { "" };
            self.line(Subject::Input(number), &format!("{}: {}{comma}", input.identifier(), on_one_line(&input.ty)));
        }
        self.line(Subject::Service, "],");
    }

    fn line(&mut self, subject: Subject, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.subjects.push(subject);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use app::{App, Sources};

    use super::*;

    fn app(text: &str) -> App {
        let texts = BTreeMap::from([("app.rs".into(), text.into())]);
        app::parse(&Sources { root: "app.rs".into(), texts, ..Sources::default() }).0
    }

    #[test]
    fn the_export_names_the_function_and_each_type_on_its_line() {
        let app = app("#[placed(moving_avg)] static AVERAGE: Placed<Average> = Placed::new(Average::default);
             #[placed(moving_avg)] static CLIENT: Client = Client;
             #[service] fn moving_avg(value: f64, window: Vec<\n u64>) -> Average { AVERAGE.get(); CLIENT.get() }");
        let glue = write(&app.services[0], &[], "moving_avg@1f3a9c02", &|name| format!("print of {name}"));
        insta::assert_snapshot!(glue.text, @r#"
        ::dyninka::__export! {
        service: "moving_avg",
        version: "moving_avg@1f3a9c02",
        function: moving_avg,
        call: sync,
        inputs: [
        value: f64,
        window: Vec<u64>
        ],
        states: [
        AVERAGE: "print of AVERAGE" apart "what a value of Average is made of cannot be seen"
        ],
        }
        "#);
        assert_eq!(glue.text.lines().count(), glue.subjects.len());
        assert_eq!(glue.subjects[7], Subject::Input(1));
        assert_eq!(glue.subjects[10], Subject::State("AVERAGE".to_owned()));
    }

    #[test]
    fn called_services_are_stubs() {
        let app = app("#[service] fn lookup(key: String, at: u64) -> Result<Entry> { todo() }
             #[service] fn find(key: String) -> Result<Option<Entry>> { todo() }
             #[service] fn tick() { todo() }
             #[service] async fn price(key: String) -> Result<Option<f64>> { lookup(key, 1).await?; find(key).await?; tick().await? }");
        let slice = app.slice("price").unwrap();
        let glue = write(app.service("price").unwrap(), &slice.stubs, "v", &|_| "f".to_owned());
        insta::assert_snapshot!(glue.text, @r#"
        ::dyninka::__remote! { fn find(
        key: String
        ) -> ::core::option::Option<Entry> }
        ::dyninka::__remote! { fn lookup(
        key: String,
        at: u64
        ) -> Entry }
        ::dyninka::__remote! { fn tick(
        ) -> () }
        ::dyninka::__export! {
        service: "price",
        version: "v",
        function: price,
        call: async,
        inputs: [
        key: String
        ],
        states: [
        ],
        }
        "#);
        assert_eq!(glue.subjects[0], Subject::Stub("find".to_owned()));
    }
}
