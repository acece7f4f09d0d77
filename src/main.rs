//! The `dyn` command: the public listener. Arguments in, a subcommand a file, every error put into words in `fault`.

#[cfg(not(target_os = "linux"))]
compile_error!("dyn runs on Linux only; docs/macos.md says what is missing");

mod arguments;
mod command;
mod face;
mod fault;
mod finding;
mod log;
mod question;
mod quoted;
mod speech;
mod start;
mod teller;
mod version;

use std::process::ExitCode;

use arguments::{Arguments, Call, Command, Invoke, Push, Refusal, Replay, Rollback, Shell};
use fault::{Fault, Kind};

fn main() -> ExitCode {
    tidy_no_proxy();
    tidy_objects();
    if let Err(fault) = hear_environment() {
        return fault.report();
    }
    let arguments = match arguments::read(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(Refusal::Clap(error)) => return told(&error),
        Err(Refusal::File(why)) => return Fault::new(Kind::Usage, why).hint("`dyn new app.rs` creates one").report(),
    };
    if let Err(fault) = start_log(&arguments) {
        return fault.report();
    }
    if let Err(fault) = settle(&arguments.command) {
        return fault.report();
    }
    let ended = match arguments.command {
        Command::New(new) => command::new::run(&new),
        Command::Ide { file } => command::ide::run(&file),
        Command::Check { file, json } => command::check::run(&file, json),
        Command::Graph { file, format } => command::graph::run(&file, format),
        Command::Dev(dev) => command::dev::run(&dev),
        Command::Invoke(invoke) => command::invoke::run(&invoke),
        Command::Shell(shell) => command::shell::run(&shell),
        Command::Status { file, json } => command::status::run(&file, json),
        Command::Debug(debug) => command::debug::run(&debug),
        Command::Logs(logs) => command::logs::run(&logs),
        Command::Events { file, after } => command::events::run(&file, after),
        Command::Replay(replay) => command::replay::run(&replay),
        Command::Recordings { file, json } => command::recordings::run(&file, json),
        Command::Keep(keep) => command::keep::run(&keep),
        Command::Push(push) if !push.to.is_empty() => command::on_nodes::run(Command::Push(push)),
        command @ (Command::Push(_)
        | Command::Rollback(_)
        | Command::History { .. }
        | Command::Trust { .. }
        | Command::Export(_)
        | Command::Cluster(_)) => command::on_cluster::run(command),
        #[cfg(feature = "data")]
        Command::Data(data) => command::data::run(&data),
        #[cfg(feature = "jobs")]
        Command::Jobs(jobs) => command::jobs::run(&jobs),
        #[cfg(feature = "jobs")]
        Command::JobServer { folder, die_with_parent } => command::job_server::run(&folder, die_with_parent),
        Command::Fuse(fuse) => command::regroup::fuse(fuse),
        Command::Split(split) => command::regroup::split(split),
        Command::Stop { file, data } => command::stop::run(&file, data),
        command @ (Command::Node(_) | Command::Nodes(_) | Command::Simulate(_)) => command::on_nodes::run(command),
        Command::Doctor { json } => command::doctor::run(json),
        Command::Clean { all, yes } => command::clean::run(all, yes),
        Command::OpenApi(openapi) => command::openapi::run(&openapi),
        Command::Client(client) => command::client::run(&client),
        Command::Ui(ui) => command::page::ui(&ui),
        Command::Bundle(bundle) => command::page::bundle(&bundle),
        Command::Mcp { file } => command::mcp::run(&file),
        Command::Schema => command::schema::run(),
        Command::Completions { shell } => command::completions::run(shell),
        Command::ReplayWorker { free, .. } => command::replay_worker::run(free),
        #[cfg(feature = "jobs")]
        Command::Sandbox { memory } => command::sandbox::run(memory),
        Command::Host { folders, die_with_parent, debug, mark_lines, environment: _ } => {
            if mark_lines {
                host::mark_lines();
            }
            command::host::run(&folders, die_with_parent, debug)
        }
    };
    // An answer that was not written is none, whatever became of the rest.
    let ended = ended.and_then(|()| match speech::unwritten() {
        Some(why) => Err(Fault::new(Kind::App, format!("cannot write to the standard output: {why}"))),
        None => Ok(()),
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fault.report(),
    }
}

/// Starts the log. What a host says is a service's own; the view leaves no room for lines on stderr.
fn start_log(arguments: &Arguments) -> Result<(), Fault> {
    let (on_stderr, file) = match &arguments.command {
        Command::Host { .. } | Command::ReplayWorker { .. } => (true, None),
        Command::Dev(dev) => (!command::view::is_possible(dev), command::log_file(&dev.file)),
        // In the jail it may not say anything.
        #[cfg(feature = "jobs")]
        Command::Sandbox { .. } => (false, None),
        // Commands that build or change something; what the others log is lost unless it is asked for.
        Command::Invoke(Invoke { call: Call { file, .. }, .. })
        | Command::Shell(Shell { file, .. })
        | Command::Replay(Replay { file, .. })
        | Command::Push(Push { file, .. })
        | Command::Rollback(Rollback { file, .. }) => (true, command::log_file(file)),
        _ => (true, None),
    };
    log::start(arguments.verbose, on_stderr, file)
}

/// Moves what an earlier version kept in the cache, for a command that looks there. A home that cannot be had is the
/// command's to tell.
fn settle(command: &Command) -> Result<(), Fault> {
    #[cfg(feature = "jobs")]
    if matches!(command, Command::Sandbox { .. }) {
        return Ok(());
    }
    let is_elsewhere = matches!(
        command,
        Command::New { .. }
            | Command::Check { .. }
            | Command::Graph { .. }
            | Command::OpenApi(_)
            | Command::Client(_)
            | Command::Schema
            | Command::Simulate(_)
            | Command::Completions { .. }
            | Command::ReplayWorker { .. }
            | Command::Host { .. }
    );
    let home = if is_elsewhere { None } else { session::Home::open().ok() };
    if let Some(words) = home.map(|home| session::settle(&home)).transpose()?.flatten() {
        drop(speech::err(format_args!("notice: {words}")));
    }
    Ok(())
}

/// Takes out of `NO_PROXY` what libraries refuse to read, as an empty entry, and `kubectl` passes over.
fn tidy_no_proxy() {
    for name in ["NO_PROXY", "no_proxy"] {
        if let Some(tidy) = std::env::var(name).ok().and_then(|value| protocol::proxy::tidied(&value)) {
            #[expect(unsafe_code, reason = "no other way to change what libraries read")]
            // SAFETY: this is the first thing `main` does: no other thread is there that could read the environment.
            unsafe {
                std::env::set_var(name, tidy);
            }
        }
    }
}

/// Takes a service's folder out of `LD_LIBRARY_PATH`: the loader of this host has read it, and the service finds the same
/// environment wherever it runs.
fn tidy_objects() {
    const PATHS: &str = "LD_LIBRARY_PATH";
    const OBJECTS: &str = "--objects";
    let mut words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let folder = match words.next().as_deref() {
        Some("host") => words.next(),
        Some("replay-worker") => words.skip_while(|word| word != OBJECTS).nth(1),
        _ => return,
    };
    let paths = std::env::var(PATHS);
    let without = folder.zip(paths.ok()).and_then(|(folder, paths)| host::without_folder(&paths, &folder));
    let Some(own) = without else { return };
    #[expect(unsafe_code, reason = "no other way to change what libraries read")]
    // SAFETY: nothing of `main` ran before that could have started a thread, which might read the environment.
    unsafe {
        match own {
            Some(own) => std::env::set_var(PATHS, own),
            None => std::env::remove_var(PATHS),
        }
    }
}

/// Puts the variables that this host or worker is told on its standard input into its environment: secrets, which an
/// engine that knew them would show to its users. What comes after them is left for others to read.
fn hear_environment() -> Result<(), Fault> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let is_told = words.first().is_some_and(|word| word == "host" || word == "replay-worker");
    if !is_told || !words.iter().any(|word| word == "--environment") {
        return Ok(());
    }
    let told = host::environment::hear(std::io::stdin());
    let told = told.map_err(|error| Fault::new(Kind::Machine, format!("cannot read the environment: {error}")))?;
    for (name, value) in told {
        #[expect(unsafe_code, reason = "no other way to change what libraries read")]
        // SAFETY: nothing of `main` ran before that could have started a thread, which might read the environment.
        unsafe {
            std::env::set_var(name, value);
        }
    }
    Ok(())
}

/// Help that was asked for, or what is wrong with the arguments.
fn told(error: &clap::Error) -> ExitCode {
    let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    match error.print() {
        Err(why) if !is_gone(&why) && !error.use_stderr() => {
            Fault::new(Kind::App, format!("cannot write to the standard output: {why}")).report()
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Kind::Usage as u8)),
    }
}
