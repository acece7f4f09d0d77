use rollout::settings::{Settings, read};

use crate::{app, building};

/// What is wrong in a text, and how to mend it, line and column first.
fn mistakes(text: &str) -> Vec<String> {
    let mistakes = read("dyn.toml".as_ref(), text, &building()).unwrap_err();
    mistakes.iter().map(|mistake| format!("{mistake} ({})", mistake.help)).collect()
}

#[test]
fn nearer_words_count_more() {
    let app = app(
        "two",
        "use dyninka::prelude::*;
        #[service(replicas = 2, cpu = \"0.25\")] fn one() -> u8 { 1 }
        #[service] fn two(value: u8) -> u8 { value }
        fn main() { one().two() }",
    );
    let text = "
        [defaults]
        replicas = 4
        cpu = \"1\"
        memory = \"64Mi\"
        env.A = \"default\"
        env.B = \"default\"
        [services.one]
        memory = \"32Mi\"
        env.B = \"own\"
    ";
    let settings = Settings::of(&app, &read("dyn.toml".as_ref(), text, &app).unwrap());
    let said = |name: &str| {
        let one = &settings.services[name];
        (one.replicas, one.cpu.to_string(), one.memory.to_string(), one.env.len())
    };
    assert_eq!(said("one"), (Some(2), "250m".to_owned(), "32Mi".to_owned(), 2));
    assert_eq!(said("two"), (Some(4), "1".to_owned(), "64Mi".to_owned(), 2));
    assert_eq!(serde_json::to_value(&settings.services["one"].env).unwrap()["B"], "own");
    // The number of pods is changed without new ones: it has no part in what they are.
    let mut other = settings.services["one"].clone();
    other.replicas = Some(9);
    assert_eq!(other.hash(), settings.services["one"].hash());
    other.memory = settings.services["two"].memory;
    assert_ne!(other.hash(), settings.services["one"].hash());
}

#[test]
fn mistakes_have_a_line_and_a_mend() {
    insta::assert_snapshot!(mistakes("[services.map]\nreplica = 2\n").join("\n"), @"");
    insta::assert_snapshot!(mistakes("[services.map]\nreplicas = \"2\"\n").join("\n"), @"");
    insta::assert_snapshot!(mistakes("[services.map]\ncpu = \"half\"\n").join("\n"), @"");
    insta::assert_snapshot!(mistakes("[services.map]\nspread = \"hosts\"\n").join("\n"), @"");
    insta::assert_snapshot!(mistakes("[services.map]\nenv.A = { secret = \"x\" }\n").join("\n"), @"");
    insta::assert_snapshot!(mistakes("[services.map\n").join("\n"), @"");
    let text = "
[services.mapp]
cpu = \"1\"
[services.map]
replicas = 0
cpu = \"2\"
cpu_limit = \"1\"
env.DYNINKA_TOKEN = \"x\"
[entry]
tls = \"certificate\"
path = \"x\"
";
    insta::assert_snapshot!(mistakes(text).join("\n"), @"");
}

#[test]
fn attributes_are_read_and_their_mistakes_have_a_place() {
    let mut sources = app::Sources { root: "a.rs".into(), ..app::Sources::default() };
    let text = "#[service(replicas = 0)] fn a() -> u8 { 1 }
#[service(cpu = \"half\")] fn b(v: u8) -> u8 { v }
#[service(memory = \"128MB\", color = \"red\")] fn c(v: u8) -> u8 { v }
fn main() { a().b().c() }";
    sources.texts.insert("a.rs".into(), text.into());
    let findings = app::parse(&sources).1.into_iter();
    let told: Vec<String> = findings
        .map(|found| {
            format!(
                "{}:{} {} ({})",
                found.place.line,
                found.place.column,
                found.message,
                found.help.unwrap_or_default()
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @"");
}

#[test]
fn what_a_service_asks_for_is_no_part_of_what_it_means() {
    let meaning = |attribute: &str| {
        let app = app("one", &format!("{attribute} fn one() -> u8 {{ 1 }}\nfn main() {{ one() }}"));
        app.services[0].meaning.clone()
    };
    assert_eq!(meaning("#[service]"), meaning("#[service(replicas = 2, memory = \"1Gi\")]"));
}
