//! Services of this machine that an app's services reach, wherever they run.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};

use serde_json::json;

use support::app;
use support::session::{Client, Dev};

support::on_both_backends!(services_reach_what_dyn_toml_names_of_this_machine);

const APP: &str = "use dyninka::prelude::*;
use std::io::Read as _;

#[service]
fn read() -> Result<String, String> {
    let at = std::env::var(\"SENSOR_ADDRESS\").map_err(|error| error.to_string())?;
    let mut stream = std::net::TcpStream::connect(&at).map_err(|error| format!(\"{at}: {error}\"))?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|error| format!(\"{at}: {error}\"))?;
    Ok(text)
}

#[service]
fn show(text: String) -> String { format!(\"it says {text}\") }

#[dyninka::main]
fn main() { read().show() }
";

/// A service of this machine that says one thing.
fn sensor(says: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.and_then(|mut stream| stream.write_all(says.as_bytes())).expect("a reader");
        }
    });
    at
}

fn services_reach_what_dyn_toml_names_of_this_machine(on: &str) {
    let (_folder, file) = app(APP);
    let settings = file.with_file_name("dyn.toml");
    let say = |at: SocketAddr| {
        fs::write(
            &settings,
            format!("[defaults]\nenv.SENSOR_ADDRESS = \"on.cluster:1\"\n[reach]\nsensor = \"{at}\"\n"),
        )
        .expect("its settings");
    };
    say(sensor("21.5"));
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).json(), json!("it says 21.5"));
    say(sensor("22.5"));
    let live = dev.wait_for("live");
    assert_eq!(live["services"][0]["reason"], json!("its environment changed (SENSOR_ADDRESS)"), "{live}");
    assert_eq!(client.get(&url).json(), json!("it says 22.5"));
    dev.stop();
}
