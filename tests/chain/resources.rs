//! Servers that a session starts for its services: a database, a cache, a broker. They are packages of Debian, and must be
//! installed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use support::session::{Client, Dev, PATIENCE};
use support::{app, dyn_command, installed, run};

support::on_both_backends!(
    services_find_servers_whose_data_outlives_the_session,
    a_database_runs_as_root_too_and_keeps_its_tables,
);

const APP: &str = "use dyninka::prelude::*;
use std::io::{Read as _, Write as _};

fn value(name: &str) -> String { std::env::var(name).unwrap_or_default() }

/// The first bytes that a server answers, so many.
fn ask(address: &str, question: &[u8], count: usize) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| format!(\"{address}: {error}\");
    let mut stream = std::net::TcpStream::connect(value(address)).map_err(told)?;
    stream.write_all(question).map_err(told)?;
    let mut answer = vec![0; count];
    stream.read_exact(&mut answer).map_err(told)?;
    Ok(answer)
}

/// How often this was asked, as Redis knows: below ten times.
#[service]
fn count() -> Result<String, String> {
    let script = format!(\"AUTH {} {}\\r\\nINCR asked\\r\\n\", value(\"CACHE_USER\"), value(\"CACHE_PASSWORD\"));
    let answer = ask(\"CACHE_ADDRESS\", script.as_bytes(), \"+OK..:1\".len())?;
    Ok(String::from_utf8_lossy(&answer).replace(\"+OK\\r\\n:\", \"\"))
}

/// With what code the broker takes a client: 0 is yes.
#[service]
fn connect(count: String) -> Result<(String, u8, u8), String> {
    let text = |text: &str| [&[0, text.len() as u8][..], text.as_bytes()].concat();
    let as_client = |password: &str| {
        let head = [&text(\"MQTT\")[..], &[4, 0xc2, 0, 10]].concat();
        let body = [head, text(\"app\"), text(&value(\"BROKER_USER\")), text(password)].concat();
        ask(\"BROKER_ADDRESS\", &[&[0x10, body.len() as u8][..], &body].concat(), 4)
    };
    let code = |answer: Vec<u8>| answer.get(3).copied().unwrap_or(255);
    Ok((count, code(as_client(&value(\"BROKER_PASSWORD\"))?), code(as_client(\"wrong\")?)))
}

/// Whether URLs hold what the other variables say.
#[service]
fn show(found: (String, u8, u8)) -> (String, u8, u8, bool) {
    let url = |scheme: &str, name: &str, tail: &str| {
        let [url, user, password, address] =
            [\"URL\", \"USER\", \"PASSWORD\", \"ADDRESS\"].map(|part| value(&format!(\"{name}_{part}\")));
        !password.is_empty() && url == format!(\"{scheme}://{user}:{password}@{address}{tail}\")
    };
    (found.0, found.1, found.2, url(\"redis\", \"CACHE\", \"/0\") && url(\"mqtt\", \"BROKER\", \"\"))
}

#[dyninka::main]
fn main() { count().connect().show() }
";

const SETTINGS: &str = "[resources]\ncache = \"redis\"\nbroker = \"mosquitto\"\n";

fn say(file: &Path, settings: &str) {
    fs::write(file.with_file_name("dyn.toml"), settings).expect("its settings");
}

/// The folder of a resource's server, by the app's own in the state.
fn folder(dev: &Dev, file: &Path, resource: &str, program: &str) -> PathBuf {
    dev.socket_folder(file).join("resources").join(resource).join(program)
}

/// Data is where the home is that all tests share, and gone with the test.
fn remove_data(file: &Path) -> String {
    let output = run(&["stop".as_ref(), file.as_os_str(), "--data".as_ref()]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn services_find_servers_whose_data_outlives_the_session(on: &str) {
    installed("redis-server", "redis-server");
    installed("mosquitto", "mosquitto");
    let (_folder, file) = app(APP);
    say(&file, SETTINGS);
    let client = Client::default();
    let mut dev = Dev::start(&file, on);
    assert_eq!(client.get(&dev.url()).json(), json!(["1", 0, 5, true]));
    // Passwords are told to services alone.
    let passwords = [("cache", "redis-server"), ("broker", "mosquitto")]
        .map(|(name, program)| fs::read_to_string(folder(&dev, &file, name, program).join("password")).expect("one"));
    let mut told = String::new();
    for command in ["status", "history"] {
        let output = run(&[command.as_ref(), file.as_os_str()]);
        told += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
    }
    assert!(dev.has_told("ready"));
    told += &dev.seen().iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("cache is redis-server "), "{told}");
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        told += &String::from_utf8_lossy(&fs::read(process.path().join("cmdline")).unwrap_or_default());
    }
    if on == "docker" {
        let listed = Command::new("docker").args(["ps", "-aq", "--filter", "name=dyninka-app"]).output();
        for container in String::from_utf8_lossy(&listed.expect("docker").stdout).lines() {
            let inspected = Command::new("docker").args(["inspect", container]).output().expect("docker");
            told += &String::from_utf8_lossy(&inspected.stdout);
        }
        assert!(told.contains("CACHE_ADDRESS"), "the engine knows where");
    }
    for password in &passwords {
        assert!(!told.contains(password.trim()), "{password} in {told}");
    }
    let (_, stderr) = dev.stop();
    assert!(passwords.iter().all(|password| !stderr.contains(password.trim())), "{stderr}");

    let dev = Dev::start(&file, on);
    assert_eq!(client.get(&dev.url()).json(), json!(["2", 0, 5, true]), "its data is there");
    dev.stop();
    assert!(remove_data(&file).contains("removed the data of broker, cache"));
    let dev = Dev::start(&file, on);
    assert_eq!(client.get(&dev.url()).json(), json!(["1", 0, 5, true]), "its data is gone");
    dev.stop();
    remove_data(&file);
}

const ONE: &str = "use dyninka::prelude::*;

#[service]
fn find() -> String { std::env::var(\"DB_URL\").unwrap_or_default() }

#[dyninka::main]
fn main() { find() }
";

/// What a database answers a client that says who it is, and where it is.
const TABLE: &str = r#"use dyninka::prelude::*;
use std::io::{Read as _, Write as _};

#[derive(Serialize, Deserialize)]
struct Found { answers: String, user: String, here: String }

#[service]
fn find() -> Result<Found, String> {
    let value = |name: &str| std::env::var(name).unwrap_or_default();
    let (here, user) = (value("DB_ADDRESS"), value("DB_USER"));
    let told = |error: std::io::Error| format!("{here}: {error}");
    let words = format!("user\0{user}\0database\0postgres\0\0");
    let length = (words.len() as u32 + 8).to_be_bytes();
    let mut stream = std::net::TcpStream::connect(&here).map_err(told)?;
    stream.write_all(&[&length[..], &0x0003_0000_u32.to_be_bytes(), words.as_bytes()].concat()).map_err(told)?;
    let mut answer = [0];
    stream.read_exact(&mut answer).map_err(told)?;
    Ok(Found { answers: char::from(answer[0]).to_string(), user, here })
}

#[dyninka::main]
fn main() { find() }
"#;

fn psql(url: &str, script: &str) -> String {
    let output = Command::new("psql").args(["--no-psqlrc", "-qAt", url, "-c", script]).output().expect("psql");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn a_database_runs_as_root_too_and_keeps_its_tables(on: &str) {
    installed("initdb", "postgresql");
    let (_folder, file) = app(TABLE);
    say(&file, "[resources]\ndb = \"postgres\"\n");
    let client = Client::default();
    let dev = Dev::start(&file, on);
    let found = client.get(&dev.url()).json();
    assert_eq!((&found["answers"], &found["user"]), (&json!("R"), &json!("app")), "{found}");
    let password = fs::read_to_string(folder(&dev, &file, "db", "postgres").join("password")).expect("one");
    let port = port_of(&folder(&dev, &file, "db", "postgres"));
    // In a container, another address leads there from its network.
    assert_eq!(found["here"] == format!("127.0.0.1:{port}"), on == "process", "{found}");
    let url = format!("postgres://app:{password}@127.0.0.1:{port}/postgres");
    psql(&url, "create table kept (value int); insert into kept values (42)");
    let wrong = url.replace("postgres://app:", "postgres://app:0");
    let refused = Command::new("psql").args([&wrong, "-c", "select 1"]).output().expect("psql");
    assert!(!refused.status.success(), "another password");
    dev.stop();
    let dev = Dev::start(&file, on);
    assert_eq!(client.get(&dev.url()).json()["answers"], "R");
    let port = port_of(&folder(&dev, &file, "db", "postgres"));
    assert_eq!(psql(&format!("postgres://app:{password}@127.0.0.1:{port}/postgres"), "select value from kept"), "42");
    dev.stop();
    remove_data(&file);
}

/// The port that PostgreSQL has written down.
fn port_of(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("data/postmaster.pid")).expect("its process");
    text.lines().nth(3).expect("its port").to_owned()
}

#[test]
fn data_of_another_version_is_refused_with_the_package_that_reads_it() {
    installed("initdb", "postgresql");
    let (_folder, file) = app(ONE);
    say(&file, "[resources]\ndb = \"postgres\"\n");
    let dev = Dev::start(&file, "process");
    let data = folder(&dev, &file, "db", "postgres").join("data");
    dev.stop();
    fs::write(data.join("PG_VERSION"), "9\n").expect("another version");
    let (line, message, help) = broken(dyn_command(), &file);
    assert_eq!(line, 2);
    assert!(message.starts_with("cannot start db: its data is of postgres 9, and "), "{message}");
    assert!(help.contains("apt install postgresql-9") && help.contains("dyn stop FILE --data"), "{help}");
    remove_data(&file);
}

/// Starts an app that is broken: line, message and help of the one thing that is told.
fn broken(command: Command, file: &Path) -> (u64, String, String) {
    let mut dev = Dev::spawn(command, file, &["--on", "process", "--port", "0"]);
    let told = dev.wait_for("broken");
    assert!(!dev.has_told("starting"), "nothing is started");
    dev.end();
    let all = told["diagnostics"].as_array().expect("diagnostics");
    assert_eq!(all.len(), 1, "{told}");
    let text = |key: &str| all[0][key].as_str().unwrap_or_default().to_owned();
    (all[0]["line"].as_u64().expect("a line"), text("message"), text("help"))
}

#[test]
fn a_port_of_somebody_elses_is_refused_with_its_holder() {
    installed("redis-server", "redis-server");
    let (_folder, file) = app(ONE);
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = held.local_addr().expect("its address").port();
    say(&file, &format!("[resources]\n\ndb = {{ server = \"redis\", port = {port} }}\n"));
    let (line, message, help) = broken(dyn_command(), &file);
    assert_eq!(line, 3);
    let holder = format!("(pid {})", std::process::id());
    assert!(message.starts_with(&format!("cannot start db: port {port} is taken by ")), "{message}");
    assert!(message.ends_with(&holder) && help.contains("name another port"), "{message}: {help}");
    drop(held);
    let dev = Dev::start(&file, "process");
    let url = Client::default().get(&dev.url()).json();
    assert!(url.as_str().is_some_and(|url| url.ends_with(&format!("@127.0.0.1:{port}/0"))), "{url}");
    dev.stop();
    remove_data(&file);
}

/// `dyn` where the system has no programs of these names, which stand between spaces.
fn without(names: &str) -> Command {
    let script = "for path in $(which -a $0); do mount --bind /dev/null $path || exit 9; done; exec \"$@\"";
    let known = dyn_command();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, names]).arg(known.get_program());
    command.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[test]
fn a_server_that_is_not_installed_is_named_with_its_package() {
    installed("redis-server", "redis-server");
    let (_folder, file) = app(ONE);
    say(&file, "[resources]\ndb = \"redis\"\n");
    let (line, message, help) = broken(without("redis-server"), &file);
    assert_eq!((line, &*message), (2, "cannot start db: redis-server is not installed"));
    assert!(help.contains("apt install redis-server"), "{help}");
}

/// An image of programs and folders of this machine, with what the programs are linked with; gone with this.
struct Image(String);

impl Image {
    fn of(repository: &str, programs: &[&str], folders: &[&str]) -> Self {
        let name = format!("{repository}:dyninka-test-{}", std::process::id());
        // Nothing stands twice in an archive.
        let script = "set -e
            import=$1 programs=$2 folders=$3 PATH=$(printf '%s:' /usr/lib/postgresql/*/bin)$PATH:/usr/sbin
            files=$(for program in $programs; do command -v $program; ldd $(command -v $program) | grep -o '/[^ ]*'; done | sort -u)
            for folder in $folders; do files=$(grep -v \"^$folder/\" <<<\"$files\"); done
            tar -C / -ch $(printf '%s\\n' $files $folders | sed 's|^/||') | docker import --change \"ENV PATH=$PATH\" - $import";
        let mut command = Command::new("bash");
        command.args(["-o", "pipefail", "-c", script, "image", &name, &programs.join(" "), &folders.join(" ")]);
        let output = command.output().expect("bash");
        assert!(output.status.success(), "{output:?}");
        Self(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Left behind at worst, which is an image of this machine's own programs.
        drop(Command::new("docker").args(["image", "rm", "--force", &self.0]).output());
    }
}

/// The containers of servers, as the engine describes them.
fn containers_of(folder: &Path) -> Vec<String> {
    let source = folder.display().to_string();
    let all =
        Command::new("docker").args(["ps", "-aq", "--filter", "name=dyninka-resource-"]).output().expect("docker");
    let inspect = |id: &str| {
        let output = Command::new("docker").args(["inspect", id]).output().expect("docker");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    String::from_utf8_lossy(&all.stdout).lines().map(inspect).filter(|text| text.contains(&source)).collect()
}

#[test]
fn a_server_that_is_not_installed_runs_out_of_an_image_beside_containers_and_leaves_nothing() {
    installed("redis-server", "redis-server");
    let _image = Image::of("redis", &["redis-server"], &[]);
    let (_folder, file) = app(&APP.replace("count().connect().show()", "count()"));
    say(&file, "[resources]\ncache = \"redis\"\n");
    let client = Client::default();
    let start = || {
        let mut dev = Dev::spawn(without("redis-server"), &file, &["--on", "docker", "--port", "0"]);
        dev.ready = dev.wait_for("ready");
        dev
    };
    let mut dev = start();
    assert_eq!(client.get(&dev.url()).json(), "1");
    assert!(dev.has_told("ready"));
    let told: String = dev.seen().iter().map(ToString::to_string).collect();
    assert!(told.contains("cache is redis-server ") && told.contains(", from an image redis, on 127.0.0.1:"), "{told}");
    let place = folder(&dev, &file, "cache", "redis-server");
    let password = fs::read_to_string(place.join("password")).expect("one");
    let containers = containers_of(&place);
    assert!(containers.len() == 1 && !containers[0].contains(password.trim()), "{containers:?}");
    // Docker's command line is killed: the server is started again, with its data.
    let process = || {
        let pid = fs::read_to_string(place.join("pid")).expect("its process");
        pid.split(' ').next().expect("a number").to_owned()
    };
    let kill = |signal: &str, pid: &str| {
        assert!(Command::new("kill").args([signal, pid]).status().expect("kill").success());
    };
    kill("-KILL", &process());
    dev.wait_until("another server", |event| event.to_string().contains("was started again"));
    assert_eq!(client.get(&dev.url()).json(), "2");
    assert_eq!(containers_of(&place).len(), 1);
    dev.stop();
    assert_eq!(containers_of(&place), [""; 0]);

    // A session that is killed takes it along.
    let dev = start();
    assert_eq!(client.get(&dev.url()).json(), "3");
    dev.signal("KILL");
    dev.end();
    wait("the end of its container", || containers_of(&place).is_empty());
    // With Docker's command line killed as well, nobody does; what is left is removed later.
    let dev = start();
    dev.signal("STOP");
    kill("-KILL", &process());
    dev.signal("KILL");
    dev.end();
    assert_eq!(containers_of(&place).len(), 1);
    assert!(run(&["stop".as_ref(), file.as_os_str()]).status.success());
    assert_eq!(containers_of(&place), [""; 0]);
    remove_data(&file);
}

#[test]
#[ignore = "long: a minute, images of the two larger servers are made"]
fn a_database_and_a_broker_run_out_of_images_with_their_data_kept() {
    installed("initdb", "postgresql");
    installed("mosquitto", "mosquitto");
    let share = ["/usr/lib/postgresql", "/usr/share/postgresql", "/usr/share/zoneinfo"];
    let _images = [
        Image::of("postgres", &["postgres", "initdb", "/bin/sh"], &share),
        Image::of("eclipse-mosquitto", &["mosquitto", "mosquitto_passwd"], &[]),
    ];
    let (_folder, file) = app(TABLE);
    say(&file, "[resources]\ndb = \"postgres\"\nbroker = \"mosquitto\"\n");
    let client = Client::default();
    for _ in 0..2 {
        let mut dev = Dev::spawn(without("postgres mosquitto"), &file, &["--on", "docker", "--port", "0"]);
        dev.ready = dev.wait_for("ready");
        assert_eq!(client.get(&dev.url()).json()["answers"], "R");
        let place = folder(&dev, &file, "db", "postgres");
        let password = fs::read_to_string(place.join("password")).expect("one");
        let url = format!("postgres://app:{password}@127.0.0.1:{}/postgres", port_of(&place));
        psql(&url, "create table if not exists kept (value int); insert into kept values (42)");
        let told: String = dev.seen().iter().map(ToString::to_string).collect();
        assert!(
            told.contains(", from an image postgres, on ") && told.contains(", from an image eclipse-mosquitto, on ")
        );
        if psql(&url, "select count(*) from kept") == "2" {
            dev.stop();
            remove_data(&file);
            return;
        }
        dev.stop();
    }
    panic!("the table is not there any more");
}

/// Whether a server answers at an address.
fn answers(at: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(at)?;
        stream.write_all(b"PING\r\n")?;
        stream.read(&mut [0; 16])
    };
    ask().is_ok_and(|count| count > 0)
}

fn wait(what: &str, passes: impl Fn() -> bool) {
    let begun = Instant::now();
    while !passes() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_server_comes_and_goes_with_dyn_toml_and_ends_with_its_session() {
    installed("redis-server", "redis-server");
    let (_folder, file) = app(ONE);
    let client = Client::default();
    say(&file, "");
    let mut dev = Dev::start(&file, "process");
    let url = |dev: &Dev| client.get(&dev.url()).json().as_str().expect("a URL").to_owned();
    let address = |url: &str| -> SocketAddr {
        let (_, rest) = url.split_once('@').unwrap_or_else(|| panic!("no address in {url}"));
        rest.trim_end_matches("/0").parse().expect("an address")
    };
    assert_eq!(url(&dev), "");
    // A save starts it, and the services that find it.
    say(&file, "[resources]\ndb = \"redis\"\n");
    let live = dev.wait_for("live");
    let reason = live["services"][0]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.starts_with("its environment changed (DB_ADDRESS, DB_PASSWORD, DB_URL"), "{reason}");
    let at = address(&url(&dev));
    assert!(answers(at));
    // One that is killed comes back where it was.
    let pid = fs::read_to_string(folder(&dev, &file, "db", "redis-server").join("pid")).expect("its process");
    let pid = pid.split(' ').next().expect("a number").to_owned();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().expect("kill").success());
    dev.wait_until("another server", |event| event.to_string().contains("was started again"));
    assert!(answers(at));
    // A save that takes it out ends it.
    say(&file, "");
    dev.wait_for("live");
    assert!(!answers(at));
    assert_eq!(url(&dev), "");
    say(&file, "[resources]\ndb = \"redis\"\n");
    dev.wait_for("live");
    let at = address(&url(&dev));
    // A session that is killed takes it along.
    dev.signal("KILL");
    dev.end();
    wait("the end of its server", || !answers(at));
    let dev = Dev::start(&file, "process");
    assert!(answers(address(&url(&dev))));
    let at = address(&url(&dev));
    dev.stop();
    assert!(!answers(at));
    remove_data(&file);
}
