//! The shell over a session that is only played: `cargo run -p shell --example played [HISTORY]`.

mod played;

use std::process::ExitCode;

use played::Played;

fn main() -> ExitCode {
    let history = std::env::args_os().nth(1).map(Into::into);
    let keep_going = std::env::args().any(|argument| argument == "--keep-going");
    let options = shell::ShellOptions { history, keep_going, color: None };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(shell::run(Played, options)) {
        Ok(ended) => ExitCode::from(ended.code()),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
