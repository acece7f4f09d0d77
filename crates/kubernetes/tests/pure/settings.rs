use std::collections::BTreeMap;

use kubernetes::settings::{AppSettings, read};

use crate::{app, building};

/// What is wrong in a text, and how to mend it, line and column first.
pub(crate) fn mistakes(text: &str) -> Vec<String> {
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
    let settings = AppSettings::of(&app, &read("dyn.toml".as_ref(), text, &app).unwrap());
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
fn what_is_said_of_jobs_and_load_goes_by_the_same_order_and_comes_to_hosts() {
    let app = app(
        "two",
        "use dyninka::prelude::*;
        #[service(attempts = 8, timeout = \"2m\", lost = \"fail\", rate = 200, stays = true)] fn one() -> u8 { 1 }
        #[service] fn two(value: u8) -> u8 { value }
        fn main() { one().two() }",
    );
    let text = "
        [defaults]
        attempts = 3
        backoff = \"1s..5s\"
        parallel = 4
        at_once = 64
        latency = \"20ms\"
        [services.one]
        timeout = \"1m\"
        rate = 50
        stays = false
    ";
    let settings = AppSettings::of(&app, &read("dyn.toml".as_ref(), text, &app).unwrap());
    let jobs = |name: &str| {
        let said = settings.services[name].jobs;
        let [timeout, backoff] = [said.timeout.map(|at| at.to_string()), said.backoff.map(|at| at.to_string())];
        (said.attempts, timeout, backoff, said.lost, said.parallel)
    };
    let waits = Some("1s..5s".to_owned());
    let one = (Some(8), Some("1m".to_owned()), waits.clone(), Some(app::LostAttempt::Fail), Some(4));
    assert_eq!(jobs("one"), one);
    assert_eq!(jobs("two"), (Some(3), None, waits, None, Some(4)));
    let wanted = kubernetes::model::Wanted::of(&app, &settings, &BTreeMap::new());
    let told = |name: &str| serde_json::to_value(wanted.service(name).unwrap().config.load).unwrap();
    let load = |rate: Option<u32>| {
        let mut load = serde_json::json!({ "at_once": 64, "latency_ms": 20, "idempotent": false, "stays": false });
        rate.into_iter().for_each(|rate| load["rate"] = rate.into());
        load
    };
    assert_eq!((told("one"), told("two")), (load(Some(50)), load(None)));
    // A cluster has no jobs yet, and hosts there are told of load.
    let mut other = settings.services["one"].clone();
    other.jobs.attempts = Some(1);
    assert_eq!(other.hash(), settings.services["one"].hash());
    other.load.rate = Some(51);
    assert_ne!(other.hash(), settings.services["one"].hash());
}

#[test]
fn mistakes_have_a_line_and_a_mend() {
    let of_form = [
        "[services.map]\nreplica = 2\n",
        "[services.map]\nreplicas = \"2\"\n",
        "[services.map]\n\ncpu = \"half\"\n",
        "[services.map]\nspread = \"hosts\"\n",
        "[services.map]\nenv.A = { secret = \"x\" }\n",
        "[services.map\n",
        "[defaults]\nenv = \"A=1\"\n",
        "[defaults]\nenv.A = 1\n",
        "[defaults]\nenv.A = [\"x\"]\n",
        "[defaults]\nenv.A = { secret = \"x\", key = \"y\", from = \"z\" }\n",
        "[defaults]\ninherit = \"PATH\"\n",
        "[defaults]\ninherit = [\"PATH\", 1]\n",
        "inherit = [\"PATH\"]\n",
    ];
    let told: Vec<String> = of_form.iter().flat_map(|text| mistakes(text)).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    dyn.toml:2:1: unknown key replica (did you mean replicas?)
    dyn.toml:2:12: expected a whole number of 0 or more, found the text "2" (write it without quotes, as 2)
    dyn.toml:3:7: half is no amount of CPU (write "500m", "1" or "1.5")
    dyn.toml:2:10: hosts is no value of spread (values: nodes, zones, anywhere)
    dyn.toml:2:9: expected text, { secret = NAME, key = KEY } or { config = NAME, key = KEY } (give the value in the form that is expected)
    dyn.toml:1:14: unclosed table, expected `]` (see https://toml.io for how it is written)
    dyn.toml:2:7: expected a table, found the text "A=1" (write it as { key = "value" })
    dyn.toml:2:9: expected text, { secret = NAME, key = KEY } or { config = NAME, key = KEY } (give the value in the form that is expected)
    dyn.toml:2:9: expected text, { secret = NAME, key = KEY } or { config = NAME, key = KEY } (give the value in the form that is expected)
    dyn.toml:2:9: expected text, { secret = NAME, key = KEY } or { config = NAME, key = KEY } (give the value in the form that is expected)
    dyn.toml:2:11: expected a list, found the text "PATH" (write it as ["PATH", "RUST_LOG"])
    dyn.toml:2:20: expected a text, found 1 (write it in quotes)
    dyn.toml:1:1: unknown key inherit (inherit stands below [defaults] or [services.NAME])
    "#);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_the_rest_is_read() {
    let text = "
nme = \"plant\"
keep_source = \"no\"
inherit = [\"PATH\"]
[default]
memory = \"64Mi\"
[services.map]
replica = 2
replicas = \"two\"
cpu = \"half\"
spread = \"zone\"
env.A = 1
env.B = \"fine\"
env.DYNINKA_C = \"x\"
nodes = { disk = true }
[services.mapp]
replicas = 0
[entry]
hst = \"building.example.org\"
tls = \"certificate\"
node_port = -1
";
    insta::assert_snapshot!(mistakes(text).join("\n"), @r#"
    dyn.toml:2:1: unknown key nme (did you mean name?)
    dyn.toml:3:15: expected true or false, found the text "no" (write it without quotes)
    dyn.toml:4:1: unknown key inherit (inherit stands below [defaults] or [services.NAME])
    dyn.toml:5:2: unknown key default (did you mean defaults?)
    dyn.toml:8:1: unknown key replica (did you mean replicas?)
    dyn.toml:9:12: expected a whole number of 0 or more, found the text "two" (write it without quotes, as 2)
    dyn.toml:10:7: half is no amount of CPU (write "500m", "1" or "1.5")
    dyn.toml:11:10: zone is no value of spread (did you mean zones?)
    dyn.toml:12:9: expected text, { secret = NAME, key = KEY } or { config = NAME, key = KEY } (give the value in the form that is expected)
    dyn.toml:14:5: "DYNINKA_C" is no name of an environment variable here (letters, digits and _, no digit first; DYNINKA_… is the host's own)
    dyn.toml:15:18: expected a text, found true (write it in quotes)
    dyn.toml:16:11: mapp is no service of building (did you mean map?)
    dyn.toml:17:1: a service with no pods answers nobody (leave it out to let others scale it, or take the service out of the app)
    dyn.toml:19:1: unknown key hst (did you mean host?)
    dyn.toml:21:13: expected a whole number of 0 or more, found -1 (write it without quotes, as 2)
    "#);
}

#[test]
fn a_table_or_key_that_stands_twice_is_told() {
    let text = "
[services.map]
replicas = 2
[services.get]
cpu = \"1\"
cpu = \"2\"
[services.map]
memry = \"64Mi\"
";
    insta::assert_snapshot!(mistakes(text).join("\n"), @r#"
    dyn.toml:6:1: cpu stands here a second time (keep one of the two)
    dyn.toml:7:11: map stands here a second time (keep one of the two)
    dyn.toml:8:1: unknown key memry (did you mean memory?)
    "#);
    insta::assert_snapshot!(mistakes("[services.map\nreplicas = 2\n[defaults]\nenv.A = \n").join("\n"), @r#"
    dyn.toml:1:14: unclosed table, expected `]` (see https://toml.io for how it is written)
    dyn.toml:4:9: string values must be quoted, expected literal string (see https://toml.io for how it is written)
    "#);
}

#[test]
fn what_makes_no_sense_is_told_all_at_once() {
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
    insta::assert_snapshot!(mistakes(text).join("\n"), @r#"
    dyn.toml:2:11: mapp is no service of building (did you mean map?)
    dyn.toml:5:1: a service with no pods answers nobody (leave it out to let others scale it, or take the service out of the app)
    dyn.toml:7:1: 2 is reserved and only 1 allowed (reserve less, or raise the limit)
    dyn.toml:8:5: "DYNINKA_TOKEN" is no name of an environment variable here (letters, digits and _, no digit first; DYNINKA_… is the host's own)
    dyn.toml:10:1: tls is an Ingress's, and there is none (name the host it answers to: host = "app.example.org")
    dyn.toml:11:1: path is an Ingress's, and there is none (name the host it answers to: host = "app.example.org")
    dyn.toml:11:1: x is no path (begin it with /)
    "#);
}

#[test]
fn variables_that_no_environment_takes_are_told() {
    let text = "
[defaults]
env.\"\" = \"x\"
env.\"A=B\" = \"x\"
env.NUL = \"\\u0000\"
inherit = [\"PATH\", \"1A\", \"DYNINKA_HOME\", \"*\"]
";
    insta::assert_snapshot!(mistakes(text).join("\n"), @r#"
    dyn.toml:3:5: "" is no name of an environment variable here (letters, digits and _, no digit first; DYNINKA_… is the host's own)
    dyn.toml:4:5: "A=B" is no name of an environment variable here (letters, digits and _, no digit first; DYNINKA_… is the host's own)
    dyn.toml:5:5: the value of NUL has a NUL in it (no environment holds a NUL: leave it out)
    dyn.toml:6:1: "*" is no name of an environment variable here (letters, digits and _, no digit first; DYNINKA_… is the host's own)
    dyn.toml:6:1: "1A" is no name of an environment variable here (letters, digits and _, no digit first; DYNINKA_… is the host's own)
    dyn.toml:6:1: "DYNINKA_HOME" is no name of an environment variable here (letters, digits and _, no digit first; DYNINKA_… is the host's own)
    "#);
    let long = format!("[services.map]\nenv.LONG = \"{}\"\n", "x".repeat(130 << 10));
    let told = mistakes(&long);
    assert!(told.len() == 1 && told[0].contains("LONG is longer than 122880 bytes"), "{told:?}");
    let fine = "[defaults]\nenv._a1 = \"\"\ninherit = [\"PATH\"]\n[services.map]\ninherit = [\"RUST_LOG\", \"PATH\"]\n";
    let settings = AppSettings::of(&building(), &read("dyn.toml".as_ref(), fine, &building()).unwrap());
    assert_eq!(settings.services["map"].inherit.len(), 2);
    assert_eq!(settings.services["get"].inherit.len(), 1);
    assert_eq!(settings.services["map"].hash(), settings.services["get"].hash(), "no cluster hears of it");
}

#[test]
fn attributes_are_read_and_their_mistakes_have_a_place() {
    let mut sources = app::Sources { root: "a.rs".into(), ..app::Sources::default() };
    let text = "#[service(replicas = 0)] fn a() -> u8 { 1 }
#[service(cpu = \"half\")] fn b(v: u8) -> u8 { v }
#[service(memory = \"128MB\", color = \"red\")] fn c(v: u8) -> u8 { v }
#[service(attempts = 0, timeout = \"2\", backoff = \"10m..2s\", lost = \"again\", parallel = -1)] fn d(v: u8) -> u8 { v }
#[service(rate = \"200\", at_once = 0, latency = 20, idempotent = 1, stays = \"yes\", ratr = 2)] fn e(v: u8) -> u8 { v }
#[service(replay)] fn f(v: u8) -> u8 { v }
fn main() { a().b().c().d().e().f() }";
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
    insta::assert_snapshot!(told.join("\n"), @r#"
    1:22 this is no number of replicas (write 1 or more)
    2:17 half is no amount of CPU (write "500m", "1" or "1.5")
    3:20 128MB is no amount of memory (write "128Mi", "1Gi" or "500M")
    3:29 this is no option of a service (options: replay, near, on, replicas, cpu, memory, attempts, timeout, backoff, lost, parallel, rate, at_once, latency, idempotent, stays)
    4:22 this is no number of attempts (write 1 or more)
    4:35 2 is no amount of time (write "250ms", "20s", "2m" or "1h")
    4:50 10m..2s is no range of waits (write the first and the longest, such as "2s..10m")
    4:68 again is no rule for lost attempts (write "retry" or "fail")
    4:88 this is no parallel (write 1 or more)
    5:18 this is no rate (write 1 or more)
    5:35 this is no at_once (write 1 or more)
    5:48 latency is a text (write it in quotes)
    5:65 this is neither true nor false (write idempotent = true or idempotent = false)
    5:76 this is neither true nor false (write stays = true or stays = false)
    5:83 this is no option of a service (did you mean rate?)
    6:1 this is no option of a service (write #[service(NAME = VALUE)]; options: replay, near, on, replicas, cpu, memory, attempts, timeout, backoff, lost, parallel, rate, at_once, latency, idempotent, stays)
    "#);
}

#[test]
fn what_a_service_asks_for_is_no_part_of_what_it_means() {
    let meaning = |attribute: &str| {
        let app = app("one", &format!("{attribute} fn one() -> u8 {{ 1 }}\nfn main() {{ one() }}"));
        app.services[0].meaning.clone()
    };
    let jobs = "attempts = 8, timeout = \"2m\", backoff = \"2s..10m\", lost = \"fail\", parallel = 4";
    let load = "rate = 200, at_once = 64, latency = \"20ms\", idempotent = true, stays = true";
    for said in ["replicas = 2, memory = \"1Gi\"", jobs, load] {
        assert_eq!(meaning("#[service]"), meaning(&format!("#[service({said})]")), "{said}");
        assert_eq!(
            meaning("#[service(replay = true)]"),
            meaning(&format!("#[service({said}, replay = true)]")),
            "{said}"
        );
    }
}

#[test]
fn an_app_has_a_name_of_its_own_and_says_whether_its_source_is_kept() {
    let app = crate::building();
    let of = |text: &str| read("dyn.toml".as_ref(), text, &app).map(|file| AppSettings::of(&app, &file));
    let plain = of("").unwrap();
    assert_eq!((plain.name_of(&app), plain.without_source), ("building", false));
    let said = of("name = \"plant-2\"\nkeep_source = false\n[entry]\nroutes = true\n").unwrap();
    assert_eq!((said.name_of(&app), said.without_source), ("plant-2", true));
    assert_eq!((said.entry.routes, said.entry.metrics), (true, false));
    let wanted = kubernetes::model::Wanted::of(&app, &said, &crate::built(&app));
    assert_eq!(wanted.app, "plant-2");
    let outside: Vec<_> = wanted.services.iter().map(|service| service.config.outside).collect();
    let open = hops_outside(&outside);
    assert_eq!(open, [None, None, None, Some((true, false))], "the last service alone leads in from outside");
    for name in ["", "Plant", "-plant", "plant-", "a--b", "größe", "a.b", &"a".repeat(41)] {
        let mistakes = of(&format!("name = \"{name}\"")).unwrap_err();
        assert!(mistakes[0].message.contains("is no name of an app") && mistakes[0].line == 1, "{name}: {mistakes:?}");
    }
}

fn hops_outside(outside: &[Option<protocol::Outside>]) -> Vec<Option<(bool, bool)>> {
    outside.iter().map(|one| one.map(|one| (one.routes, one.metrics))).collect()
}

#[test]
fn what_is_reached_is_an_address_of_the_loopback() {
    let text = "
[reach]
sensor = \"127.0.0.1:9000\"
other = \"localhost:9001\"
six = \"[::1]:9002\"
";
    let settings = AppSettings::of(&building(), &read("dyn.toml".as_ref(), text, &building()).unwrap());
    let reach: Vec<_> = settings.services["get"].reach.iter().map(|(name, at)| format!("{name} {at}")).collect();
    assert_eq!(reach, ["OTHER_ADDRESS 127.0.0.1:9001", "SENSOR_ADDRESS 127.0.0.1:9000", "SIX_ADDRESS [::1]:9002"]);
    let plain = AppSettings::of(&building(), &read("dyn.toml".as_ref(), "", &building()).unwrap());
    assert_eq!(settings.services["get"].hash(), plain.services["get"].hash(), "no cluster hears of it");
    let text = "
[reach]
Sensor = \"127.0.0.1:9000\"
far = \"192.168.0.7:9000\"
none = \"127.0.0.1\"
zero = \"127.0.0.1:0\"
";
    let told = mistakes(text);
    let lines: Vec<_> = told.iter().map(|told| told.split(" (").next().unwrap_or_default()).collect();
    assert_eq!(
        lines,
        [
            "dyn.toml:3:1: \"Sensor\" is no name of what is reached",
            "dyn.toml:4:1: 192.168.0.7:9000 is no address of this machine's loopback",
            "dyn.toml:5:1: 127.0.0.1 is no address of this machine's loopback",
            "dyn.toml:6:1: 127.0.0.1:0 is no address of this machine's loopback",
        ]
    );
}

#[test]
fn what_a_session_alone_gives_is_told_to_whoever_pushes() {
    let text = "
[reach]
sensor = \"127.0.0.1:9000\"
other = \"127.0.0.1:9001\"
[defaults]
env.OTHER_ADDRESS = \"other:80\"
[services.map]
env_file = \".env\"
inherit = [\"RUST_LOG\"]
";
    let settings = AppSettings::of(&building(), &read("dyn.toml".as_ref(), text, &building()).unwrap());
    let told = |services: &str, what: &str| {
        format!("a session gives {services} {what}, a cluster does not: say in env what they need there")
    };
    let all = "filter, get, map, moving_avg";
    let expected = [told(all, "SENSOR_ADDRESS"), told("map", "the variables of .env")];
    assert_eq!(settings.only_here(), expected);
    let plain = AppSettings::of(&building(), &read("dyn.toml".as_ref(), "", &building()).unwrap());
    assert_eq!(plain.only_here(), [""; 0]);
}

#[test]
fn a_resource_is_a_server_of_the_session_and_a_secret_of_the_cluster() {
    let text = "
[resources]
db = \"postgres\"
my_cache = { server = \"redis\", port = 6379 }
[services.map]
env.DB_URL = \"postgres://elsewhere/plant\"
env.DB_PASSWORD = { secret = \"db\", key = \"password\" }
";
    let settings = AppSettings::of(&building(), &read("dyn.toml".as_ref(), text, &building()).unwrap());
    let said: Vec<_> = settings.resources.iter().map(|(name, said)| format!("{name} {said:?}")).collect();
    assert_eq!(
        said,
        [
            "db ResourceSettings { server: Postgres, port: None }",
            "my_cache ResourceSettings { server: Redis, port: Some(6379) }",
        ]
    );
    let names: Vec<&str> = settings.services["map"].resources.keys().map(String::as_str).collect();
    let parts = ["ADDRESS", "PASSWORD", "URL", "USER"];
    let all: Vec<String> =
        ["DB", "MY_CACHE"].iter().flat_map(|name| parts.iter().map(move |part| format!("{name}_{part}"))).collect();
    assert_eq!(names, all);
    let env = |service: &str, name: &str| format!("{:?}", settings.services[service].env[name]);
    assert_eq!(env("get", "MY_CACHE_URL"), "Secret(SecretKey { secret: \"my-cache\", key: \"url\" })");
    assert_eq!(env("map", "DB_URL"), "Text(\"postgres://elsewhere/plant\")");
    assert_eq!(settings.only_here(), [""; 0], "a cluster has them, too");
    let secrets = settings.resource_secrets();
    let keys = |name: &str| secrets[name].iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        (secrets.len(), &*keys("db"), &*keys("my-cache")),
        (2, "address password url user", "address password url user")
    );

    // Where every service says a variable itself, its key is needed by nobody.
    let text = "
[resources]
db = \"postgres\"
[defaults]
env = { DB_URL = \"u\", DB_ADDRESS = \"a\", DB_USER = \"u\", DB_PASSWORD = { secret = \"other\", key = \"word\" } }
";
    let settings = AppSettings::of(&building(), &read("dyn.toml".as_ref(), text, &building()).unwrap());
    assert_eq!(settings.resource_secrets(), BTreeMap::new());
}

#[test]
fn every_mistake_of_a_resource_has_its_line_and_a_way_out() {
    let text = "
[reach]
sensor = \"127.0.0.1:9000\"
[resources]
db = \"posgres\"
DB = \"redis\"
a_b = { server = \"redis\", port = 0 }
c = { server = \"redis\", port = 7000 }
d = { server = \"redis\", port = 7000 }
sensor = \"redis\"
e_ = \"redis\"
";
    assert_eq!(
        mistakes(text),
        [
            "dyn.toml:5:1: posgres is no server that a session starts (did you mean postgres?)",
            "dyn.toml:6:1: \"DB\" is no name of a resource (lower-case letters, digits and _, a letter first, no _ last: \
             it becomes the variable NAME_URL)",
            "dyn.toml:7:1: 0 is no port (leave it out to have a free one)",
            "dyn.toml:9:1: d and c have one port (name another, or none to have a free one)",
            "dyn.toml:10:1: [reach] sets SENSOR_ADDRESS, too (rename one of the two)",
            "dyn.toml:11:1: \"e_\" is no name of a resource (lower-case letters, digits and _, a letter first, no _ last: \
             it becomes the variable NAME_URL)",
        ]
    );
    for (text, at) in [("db = 5", "3:6"), ("db = { server = \"redis\", prt = 5 }", "3:6"), ("db = { port = 5 }", "3:6")]
    {
        let told = mistakes(&format!("\n[resources]\n{text}\n"));
        assert!(told.len() == 1 && told[0].starts_with(&format!("dyn.toml:{at}: expected \"postgres\"")), "{told:?}");
    }
}

#[test]
fn every_mistake_of_jobs_has_its_line_and_a_way_out() {
    let text = "
[jobs]
workers = 0
open = [\"mpa\"]
store = \"../jobs.db\"
";
    assert_eq!(
        mistakes(text),
        [
            "dyn.toml:3:1: with no workers no job ever runs (leave it out for 32)",
            "dyn.toml:4:1: mpa is no service of building (did you mean map?)",
            "dyn.toml:5:1: store is the name of a file beside dyn.toml (write a name such as \"jobs.db\")",
        ]
    );
    let told = mistakes("\n[jobs]\nprot = 9000\n");
    assert!(told.len() == 1 && told[0].starts_with("dyn.toml:3:1: "), "{told:?}");
    let right = "\n[jobs]\nport = 9000\nopen = [\"map\"]\n[jobs.callbacks]\ninsecure = true\n";
    assert!(read("dyn.toml".as_ref(), right, &building()).is_ok_and(|file| file.jobs.is_some()));
}
