//! What a session finds of the machine.

use std::process::Command;

use support::session::{Client, Dev};
use support::{app, dyn_command};

/// Most machines let a process have 1024 open files unless it asks for more, and an app may have hundreds of services.
#[test]
fn a_session_asks_for_the_files_it_is_allowed() {
    let (_folder, file) = app("#[service] fn one() -> u8 { 1 }\n#[service] fn two(value: u8) -> u8 { value + 1 }\n\
                               #[dyninka::main] fn main() { one().two() }\n");
    let dyn_command = dyn_command();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 24 && exec \"$0\" \"$@\""]).arg(dyn_command.get_program());
    for (name, value) in dyn_command.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let mut dev = Dev::spawn(command, &file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    assert_eq!(Client::default().get(&dev.url()).body, "2");
    dev.stop();
}
