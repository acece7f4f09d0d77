//! Nodes that are asked for wrongly, on this machine alone.

use std::net::TcpListener;

#[test]
fn a_node_that_cannot_run_as_it_is_asked_to_says_why_and_what_to_do() {
    let home = tempfile::tempdir().expect("a folder");
    let on_node = |arguments: &[&str]| {
        let mut command = support::dyn_command();
        command.env("DYNINKA_HOME", home.path()).arg("node").args(arguments);
        let output = command.output().expect("dyn runs");
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let early = on_node(&["up"]);
    assert!(early.contains("this machine is in no fleet") && early.contains("dyn node init"), "{early}");
    let begun = support::dyn_command().env("DYNINKA_HOME", home.path()).args(["node", "init", "--name", "n1"]).output();
    assert!(begun.expect("dyn runs").status.success());
    // Fault 20 of the design: a port that is taken is told with who has it.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = on_node(&["up", "--listen", &address]);
    assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("has it"), "{said}");
    assert!(said.contains("pass another address"), "{said}");
    for (option, value, words) in [
        ("--strategy", "ofer", "offer"),
        ("--neighbours", "nearest=few", "nearest"),
        ("--cpus", "0", "a number above 0"),
        ("--period", "soon", "60s"),
        ("--listen", "7940", "--listen"),
    ] {
        let said = on_node(&["up", option, value]);
        assert!(said.contains(words), "{option} {value}: {said}");
    }
    let cut = on_node(&["join", "dynj1_abc"]);
    assert!(cut.contains("dyn node invite"), "{cut}");
}
