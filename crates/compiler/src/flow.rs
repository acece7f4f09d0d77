//! The flow as a whole: whether what each service returns is what the next one takes.
//!
//! One call of rustc for all steps, on the types that travel and one function a step, no user's function among them;
//! no code is generated. Each type stands on a line of its own, so that a fault in it is told at the signature.

use std::collections::BTreeSet;

use app::{App, Edge, Related, Service, ServiceSlice, SourcePlace, Stub};

use crate::error::BuildError;
use crate::finding::{Explain, Finding, Message, Span, Told};
use crate::glue::{self, on_one_line};
use crate::outside;
use crate::rustc::Rustc;

/// Changes with the text made here.
pub(crate) const FORMAT: &str = "flow 2";

/// The number of a finding that is about a step, where rustc's would be.
const MISMATCH: &str = "flow-mismatch";

/// Type-checks every step of the flow: over the bare types first, which takes half the time, and over all that belongs
/// to them where that says anything but which steps do not fit. Dropping the future ends rustc.
pub(crate) async fn check(rustc: Rustc<'_>, app: &App) -> Result<(), BuildError> {
    let Some(bare) = app.bare_flow_slice() else { return Ok(()) };
    match check_over(rustc, app, &bare).await {
        Err(BuildError::Flow { findings }) if findings.iter().all(is_mismatch) => Err(BuildError::Flow { findings }),
        Err(BuildError::Flow { .. } | BuildError::Failed { .. }) => {
            let Some(whole) = app.flow_slice() else { return Ok(()) };
            check_over(rustc, app, &whole).await
        }
        ended => ended,
    }
}

async fn check_over(rustc: Rustc<'_>, app: &App, slice: &ServiceSlice) -> Result<(), BuildError> {
    let Some(steps) = Steps::write(app, &slice.stubs) else { return Ok(()) };
    let written = rustc.write(slice, &steps.text)?;
    let mut command = rustc.command(&written, "flow");
    command.args(["--crate-type=lib", "--emit=metadata", "-o"]).arg(written.folder.path().join("flow.rmeta"));
    let ended = rustc.run(command).await?;
    if ended.status.success() {
        return Ok(());
    }
    let missed = outside::missed(&ended.stderr, &written.sources, rustc.folder);
    if !missed.is_empty() {
        return Err(BuildError::Missed { files: missed });
    }
    Err(match rustc.findings(&ended, &written, &steps) {
        Ok(findings) => BuildError::Flow { findings },
        Err(words) => BuildError::Failed { service: "the flow".to_owned(), words },
    })
}

fn is_mismatch(finding: &Finding) -> bool {
    finding.code.as_deref() == Some(MISMATCH)
}

/// A function for each step, and what each line is about.
struct Steps<'a> {
    text: String,
    subjects: Vec<Subject<'a>>,
    home: SourcePlace,
}

#[derive(Clone, Copy)]
enum Subject<'a> {
    /// The type a service returns.
    Output(&'a Service),
    /// The type of an input.
    Input(&'a Service, usize),
    /// What the first returns, as an input of the second.
    Step(&'a Service, &'a Service, usize),
    /// A service that an `impl` calls.
    Stub,
}

impl<'a> Steps<'a> {
    /// None where nothing feeds anything.
    fn write(app: &'a App, stubs: &[Stub]) -> Option<Self> {
        let edges: BTreeSet<Edge> = app.edges();
        let ends = edges
            .iter()
            .filter_map(|edge| Some((app.service(&edge.producer)?, app.service(&edge.consumer)?, edge.input)));
        let ends: Vec<_> = ends.collect();
        let (first, ..) = ends.first()?;
        let mut steps = Self { text: String::new(), subjects: Vec::new(), home: first.place.clone() };
        for stub in stubs {
            for line in glue::stub(stub) {
                steps.line(Subject::Stub, &line);
            }
        }
        for (number, (producer, consumer, input)) in ends.into_iter().enumerate() {
            let Some(taken) = consumer.inputs.get(input) else { continue };
            let step = Subject::Step(producer, consumer, input);
            // Whether it is a `Result` or an `Option` is the compiler's to say, here as where it is answered.
            steps.line(
                step,
                &format!(
                    "fn __dyninka_step_{number}() {{ #[allow(unused_imports)] use ::dyninka::library::{{IsFailing as _, \
                     IsFailingOrFiltering as _, IsFiltering as _, IsPlain as _}}; \
                     let value = (&&&::dyninka::library::Returned::<"
                ),
            );
            steps.line(Subject::Output(producer), &on_one_line(&producer.output.written));
            steps.line(step, ">::TYPE).kind().flow(); let _: ::dyninka::FlowStep<");
            steps.line(Subject::Input(consumer, input), &on_one_line(&taken.ty));
            // What feeds what in `main` run by cargo is asked here, so that the two agree.
            steps.line(step, "> = ::dyninka::Upstream::into_flow(value); }");
        }
        Some(steps)
    }

    fn line(&mut self, subject: Subject<'a>, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.subjects.push(subject);
    }
}

impl Explain for Steps<'_> {
    fn explain(&self, line: usize, span: &Span, message: &Message) -> Told {
        match self.subjects.get(line) {
            Some(Subject::Step(producer, consumer, input)) if message.message.contains("Upstream<") => {
                mismatch(producer, consumer, *input)
            }
            Some(Subject::Step(_, consumer, _)) => message.told_at(consumer.place.clone()),
            Some(Subject::Output(service)) => {
                in_type(message, within(&service.output_place, &service.output.written, &service.output.written, span))
            }
            Some(Subject::Input(service, input)) => {
                let place = service.input_places.get(*input).unwrap_or(&service.place);
                let ty = service.inputs.get(*input).map_or("", |input| &input.ty);
                in_type(message, within(place, ty, ty, span))
            }
            Some(Subject::Stub) | None => message.told_at(self.home()),
        }
    }

    fn home(&self) -> SourcePlace {
        self.home.clone()
    }

    fn service(&self) -> Option<&str> {
        None
    }
}

/// Names both ends.
fn mismatch(producer: &Service, consumer: &Service, input: usize) -> Told {
    let (from, to) = (&producer.name, &consumer.name);
    let (name, taken) = consumer.inputs.get(input).map_or(("", ""), |input| (input.name.as_str(), input.ty.as_str()));
    let place = consumer.input_places.get(input).unwrap_or(&consumer.place);
    let there = &producer.output_place;
    let returned = &producer.output.ty;
    let wrapped = if producer.output.written == *returned {
        String::new()
    } else {
        format!(" (of `{}`)", producer.output.written)
    };
    Told {
        message: format!(
            "the flow does not fit: `{to}` takes `{name}: {taken}`, but `{from}`, which feeds it, returns \
             `{returned}`{wrapped} in line {}",
            there.line
        ),
        place: place.clone(),
        help: Some(format!(
            "let `{from}` return `{taken}`, let `{to}` take `{returned}`, or put a service between them that makes one \
             of the other"
        )),
        related: vec![Related { message: format!("`{from}` returns `{returned}`"), place: there.clone() }],
        code: Some(MISMATCH.to_owned()),
    }
}

/// rustc's words about a type, less its hint to make a parameter of it, which a service cannot have.
fn in_type(message: &Message, place: SourcePlace) -> Told {
    let mut told = message.told_at(place);
    told.help = told.help.filter(|help| !help.contains("type parameter"));
    told
}

/// The part of a signature's type that rustc points at; all of it where it is written another way than here.
fn within(place: &SourcePlace, ty: &str, written: &str, span: &Span) -> SourcePlace {
    let width = place.end_column.saturating_sub(place.column);
    let Some(at) = written.find(ty) else { return place.clone() };
    if place.line != place.end_line || width != written.chars().count() {
        return place.clone();
    }
    let start = place.column + written[..at].chars().count();
    SourcePlace { column: start + span.column_start - 1, end_column: start + span.column_end - 1, ..place.clone() }
}
