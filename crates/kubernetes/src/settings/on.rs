//! `#[service(on = "zone=germany")]`: the places that a service runs in, by words that each of them has.

use std::collections::{BTreeMap, BTreeSet};

use app::{App, Diagnostic, Service, WantedPlaces};
use protocol::near::{NearPlace, PlaceWords};

use super::{AppSettings, MOST_INSTANCES, SettingsMistake};

impl AppSettings {
    /// Services whose attribute says their places. Those that `dyn.toml` lists go before.
    pub fn unsettled<'a>(&self, app: &'a App) -> Vec<(&'a Service, &'a WantedPlaces)> {
        let has_none = |service: &Service| self.services.get(&service.name).is_none_or(|said| said.places.is_empty());
        let on = app.services.iter().filter(|service| has_none(service));
        on.filter_map(|service| Some((service, service.on.as_ref()?))).collect()
    }

    /// Gives services the places that their attributes mean, out of those of a file named `name`. A service whose words are
    /// those of no place is a finding.
    pub fn settle_places(&mut self, app: &App, known: &BTreeMap<String, NearPlace>, name: &str) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        for (service, on) in self.unsettled(app) {
            let has_instances = self.services.get(&service.name).is_some_and(|said| said.instances.is_some());
            let found = match has_instances {
                true => {
                    let message = format!("{} is on places, and has instances beside them", service.name);
                    Err((message, "take instances out: there is one in each place".to_owned()))
                }
                false => places(&service.name, &on.words, known, name),
            };
            match found {
                Ok(places) => {
                    let nodes = places.iter().map(|place| self.place_nodes(place)).collect();
                    if let Some(said) = self.services.get_mut(&service.name) {
                        (said.places, said.place_nodes) = (places, nodes);
                    }
                }
                Err((message, help)) => findings.push(finding(service, on, message, help)),
            }
        }
        findings
    }

    /// Services that are on places where no store is named, or an app has nothing to store.
    pub fn on_nothing(&self, app: &App) -> Vec<Diagnostic> {
        let (why, help) = match app.buckets.is_empty() {
            true => {
                let help = "name one: static IMAGES: Bucket = Bucket::named(\"images\"); or take on out";
                ("the app has no bucket that could be there", help)
            }
            false => {
                let help = "name it in dyn.toml: [data] settings = \"data.toml\"; or take on out";
                ("no file names places", help)
            }
        };
        let told = |(service, on): (&Service, &WantedPlaces)| {
            let message = format!("{} is on {}, and {why}", service.name, on.words);
            finding(service, on, message, help.to_owned())
        };
        self.unsettled(app).into_iter().map(told).collect()
    }
}

/// A finding in the app's own file, where a push is refused for it.
impl From<Diagnostic> for SettingsMistake {
    fn from(Diagnostic { message, place, help, .. }: Diagnostic) -> Self {
        let help = help.unwrap_or_default();
        Self { file: place.file, line: place.line, column: place.column, message, help }
    }
}

fn finding(service: &Service, on: &WantedPlaces, message: String, help: String) -> Diagnostic {
    let finding = Diagnostic::error(message, on.place.clone()).help(help);
    Diagnostic { service: Some(service.name.clone()), ..finding }
}

/// The places that have all words, by name. The error is in words, with a way out.
fn places(
    service: &str,
    words: &str,
    known: &BTreeMap<String, NearPlace>,
    name: &str,
) -> Result<Vec<String>, (String, String)> {
    let words = PlaceWords::read("on", words).map_err(|error| {
        (error.to_string(), "write the name of a place, or words such as \"zone=germany, gpu, !spot\"".to_owned())
    })?;
    let all: BTreeSet<String> = known.iter().flat_map(|(place, of)| of.words(place)).collect();
    // One that nobody must have may be had by nobody.
    if let Some(unknown) = words.wanted.iter().find(|word| !all.contains(*word)) {
        let help = app::suggest(unknown, all.iter().map(String::as_str), "words");
        return Err((format!("{name} has no place with {unknown}"), help));
    }
    let lacks = |(place, of): (&String, &NearPlace)| of.lacks(place, &words).map(|why| format!("{place} {why}"));
    let found: Vec<String> =
        known.iter().filter(|place| lacks(*place).is_none()).map(|(place, _)| place.clone()).collect();
    if found.is_empty() {
        let why = known.iter().filter_map(lacks).collect::<Vec<_>>().join("; ");
        let help =
            format!("{why}; several places by their names are places = [\"…\"] below [services.{service}] in dyn.toml");
        return Err((format!("{name} has no place with {words}"), help));
    }
    if found.len() > MOST_INSTANCES as usize {
        let help = format!("name more words: a service has 1 to {MOST_INSTANCES} places");
        return Err((format!("{} places have {words}", found.len()), help));
    }
    Ok(found)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::settings::read;

    fn known() -> BTreeMap<String, NearPlace> {
        let place = |name: &str, zone: &str, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            (name.to_owned(), NearPlace { zones: [zone.to_owned()].into(), labels })
        };
        [
            place("hpc", "germany", &["gpu", "disk=ssd"]),
            place("cc1", "germany", &["spot"]),
            place("cc2", "us", &["gpu"]),
        ]
        .into()
    }

    /// The places of a service that is on these, or what is wrong.
    fn settled(on: &str, said: &str) -> Result<String, String> {
        let text = format!(
            "use dyninka::prelude::*;\nstatic A: Bucket = Bucket::named(\"images\");\n\
             #[service(on = {on:?})] fn one() -> u8 {{ 1 }}\nfn main() {{ one() }}"
        );
        let mut sources = app::Sources { root: "app.rs".into(), ..app::Sources::default() };
        sources.texts.insert("app.rs".into(), text.into());
        let (app, findings) = app::parse(&sources);
        assert_eq!(findings, []);
        let said = format!("[data]\nsettings = \"data.toml\"\n{said}");
        let mut settings = AppSettings::of(&app, &read("dyn.toml".as_ref(), &said, &app).unwrap());
        let findings = settings.settle_places(&app, &known(), "data.toml");
        let one = &settings.services["one"];
        assert_eq!(one.places.len(), one.place_nodes.len());
        match findings.as_slice() {
            [] => Ok(one.places.join(" ")),
            [one] => {
                assert_eq!((one.place.line, one.service.as_deref()), (3, Some("one")));
                Err(format!("{} ({})", one.message, one.help.as_deref().unwrap_or_default()))
            }
            more => panic!("{more:?}"),
        }
    }

    #[test]
    fn service_is_in_each_place_that_has_all_words_and_in_none_that_has_an_unwanted_one() {
        for (on, wanted) in [
            ("hpc", "hpc"),
            ("zone=germany", "cc1 hpc"),
            ("zone=germany, !spot", "hpc"),
            ("gpu", "cc2 hpc"),
            ("gpu, !zone=germany, !tpu", "cc2"),
            ("!zone=us", "cc1 hpc"),
        ] {
            assert_eq!(settled(on, "").as_deref(), Ok(wanted), "{on}");
        }
        let said = "[services.one]\nplaces = [\"cc2\"]\n";
        assert_eq!(settled("zone=germany", said).as_deref(), Ok("cc2"), "the file goes before the attribute");
        assert!(settled("hpc", "[places.hpc]\nnodes = { disk = \"ssd\" }\n").is_ok(), "its nodes are some service's");
    }

    #[test]
    fn words_of_no_place_are_told_with_a_way_out() {
        for (on, wanted) in [
            ("hcp", "data.toml has no place with hcp (did you mean hpc?)"),
            ("zone=germny", "data.toml has no place with zone=germny (did you mean zone=germany?)"),
            ("disk=hdd", "data.toml has no place with disk=hdd (did you mean disk=ssd?)"),
            (
                "spot, gpu",
                "data.toml has no place with gpu, spot (cc1 does not have gpu; cc2 does not have spot; hpc does not have spot; ",
            ),
            ("hpc,", "on does not read at character 5: a word is missing (write the name of a place"),
            ("h pc", "on does not read at character 2: a word has letters"),
            ("", "on does not read at character 1: a word is missing"),
        ] {
            let told = settled(on, "").unwrap_err();
            assert!(told.starts_with(wanted), "{on}: {told}");
        }
        let told = settled("hpc", "[services.one]\ninstances = 2\n").unwrap_err();
        assert!(told.starts_with("one is on places, and has instances beside them"), "{told}");
    }
}
