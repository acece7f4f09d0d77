//! The command line.

mod logs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use recordings::send::Tempo;

pub(crate) use logs::Logs;

/// One Rust file becomes running services.
///
/// Mark functions with `#[service]`, chain them in main, and run the file with `dyn dev app.rs`.
#[derive(Debug, Parser)]
#[command(name = "dyn", version, about, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    done
  1    the app or a call of it is wrong; the message says where
  2    the command line is wrong
  3    this machine lacks something: run `dyn doctor`
  4    another session or push has the app
  130  interrupted before it was done";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a small app to start from
    New {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Read an app and say what is wrong with it
    Check {
        /// The app
        file: PathBuf,
        /// One JSON value on stdout: services, flow, diagnostics
        #[arg(long)]
        json: bool,
    },
    /// Show which service feeds which
    Graph {
        /// The app
        file: PathBuf,
        /// How to draw it
        #[arg(long, value_enum, default_value_t = Drawing::Text)]
        format: Drawing,
    },
    /// Build an app, run all of it here, serve it, until Ctrl-C
    Dev(Dev),
    /// Call one service: in the running session, or with what it needs started for this call
    Invoke(Invoke),
    /// Call functions of the running session by hand, or of one started for it; lines from a pipe work too
    Shell(Shell),
    /// How the running session does, or what runs on a cluster
    Status {
        /// The app
        file: PathBuf,
        /// All of it, as one JSON value
        #[arg(long)]
        json: bool,
        /// What runs on a cluster, and what somebody changed there
        #[arg(long)]
        cluster: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// What services of the running session wrote
    Logs(Logs),
    /// Events of the running session as JSON lines, and whatever comes
    Events {
        /// The app
        file: PathBuf,
        /// Only events after this number
        #[arg(long, default_value_t = 0, conflicts_with = "cluster")]
        after: u64,
        /// Of a cluster: which hosts there are, and what they measure, the last minutes first
        #[arg(long)]
        cluster: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// Run functions on recorded inputs, and say what they return otherwise: a regression test
    Replay(Replay),
    /// List recordings: requests, hops, size
    Recordings {
        /// The app
        file: PathBuf,
        /// One JSON value a line
        #[arg(long)]
        json: bool,
    },
    /// Save the requests the running session has in memory, or write recorded calls as a Rust test file
    Keep(Keep),
    /// Roll out on a cluster what changed since what runs there, without a failed request
    Push(Push),
    /// Put back what ran on a cluster before
    Rollback(Rollback),
    /// Edits here, pushes and rollbacks on a cluster, in one order, and what became of each
    History {
        /// The app
        file: PathBuf,
        /// One JSON value a line on stdout
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// Let pushes go to another cluster than before, where a context means another now
    Trust {
        /// The context
        context: String,
    },
    /// Remove an app from a cluster: what carries its labels, and nothing else
    Down {
        /// The app
        file: PathBuf,
        /// From a cluster; `dyn stop` ends what runs here
        #[arg(long, required = true)]
        cluster: bool,
        /// Without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        goal: Goal,
    },
    /// End the session of an app and remove whatever it or a killed one left
    Stop {
        /// The app
        file: PathBuf,
    },
    /// Write the same services as a file for kubectl, Docker Compose or Marathon; images are built and put where it finds them
    Export(Export),
    /// Look at what this machine offers: toolchain, linker, engine, limits, disk
    Doctor {
        /// One JSON value on stdout
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Run functions again on recorded inputs: what a session starts to compare two versions
    #[command(hide = true)]
    ReplayWorker,
    /// Run one service out of a folder: what processes and containers are started with
    #[command(hide = true)]
    Host {
        /// Folder with config.json and libraries
        folder: PathBuf,
        /// End when the parent process ends
        #[arg(long)]
        die_with_parent: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The app
    pub(crate) file: PathBuf,
    /// Where to run it
    #[arg(long, value_enum, default_value_t = On::Auto)]
    pub(crate) on: On,
    /// Port of the last service on 127.0.0.1; 0: a free one [default: 8080, or a free one where that is taken]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Lines of text: no view, no progress bars
    #[arg(long, conflicts_with = "json")]
    pub(crate) plain: bool,
    /// One JSON value a line on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// The view of the session that runs already, in another terminal; quitting it leaves the session as it is
    #[arg(long, conflicts_with_all = ["json", "plain"])]
    pub(crate) attach: bool,
    /// A view of ASCII characters alone
    #[arg(long)]
    pub(crate) ascii: bool,
    /// A view that leaves the mouse to the terminal
    #[arg(long)]
    pub(crate) no_mouse: bool,
    /// Write requests and what each function received and returned to recordings/NAME beside the app
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub(crate) record: Option<String>,
    /// Blank a field before anything is recorded: a JSON pointer such as /user/token, or a name for wherever it is
    #[arg(long, value_name = "PATH")]
    pub(crate) redact: Vec<String>,
    /// Leave a field out of comparisons: a JSON pointer such as /timestamp, or a name for wherever it is
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore: Vec<String>,
    /// Answer callers who use this name for the services, and its pages; addresses and localhost will always do
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

/// Which cluster is meant, as `kubectl` is told.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Goal {
    /// Context of the kubeconfig [default: the current one]
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// Namespace [default: the context's]
    #[arg(long)]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The app
    pub(crate) file: PathBuf,
    /// These services alone; others stay as they run
    pub(crate) services: Vec<String>,
    /// Neighbours that would not understand a named service come along
    #[arg(long, requires = "services")]
    pub(crate) with_dependents: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON value a line on stdout
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
    /// Registry images go through, as host, host:port or host:port/folder [default: whatever way there is]
    #[arg(long)]
    pub(crate) registry: Option<String>,
    /// No registry: serve the images from here to the nodes while they are rolled out
    #[arg(long, conflicts_with = "registry")]
    pub(crate) serve: bool,
    /// Take over fields that others set
    #[arg(long)]
    pub(crate) force: bool,
    /// Remove services that are no more part of the app
    #[arg(long)]
    pub(crate) remove: bool,
    /// Seconds the roll of a service may take
    #[arg(long, default_value_t = 120)]
    pub(crate) deadline: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The app
    pub(crate) file: PathBuf,
    /// What is to read the file
    #[arg(long, value_enum)]
    pub(crate) format: Format,
    /// Registry the images are put into, as host, host:port or host:port/folder [default: that of dyn.toml; for compose, Docker's engine here]
    #[arg(long)]
    pub(crate) registry: Option<String>,
    /// The file to write [default: stdout]
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For kubectl apply
    Kubernetes,
    /// For docker compose up
    Compose,
    /// For Marathon's /v2/groups
    Marathon,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The app
    pub(crate) file: PathBuf,
    /// One service alone
    pub(crate) service: Option<String>,
    /// The push to go back to, by its number [default: the one before]
    #[arg(long)]
    pub(crate) to: Option<u32>,
    /// Without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON value a line on stdout
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

#[derive(Debug, Args)]
pub(crate) struct Shell {
    /// The app
    pub(crate) file: PathBuf,
    /// Where to run a session that is started for the shell
    #[arg(long, value_enum, default_value_t = On::Process)]
    pub(crate) on: On,
    /// Lines from a pipe go on after one that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The app
    pub(crate) file: PathBuf,
    /// A recording by name, or its folder
    pub(crate) recording: String,
    /// Compare with a version that is kept (service@hash), or with what another recording says, instead of with what was
    /// recorded
    #[arg(long, value_name = "VERSION|RECORDING", conflicts_with = "send")]
    pub(crate) against: Option<String>,
    /// Only these services, by Rust name
    #[arg(long, value_name = "NAME", conflicts_with = "send")]
    pub(crate) service: Vec<String>,
    /// One JSON value on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// A field that is not compared: a JSON pointer such as /timestamp, * for any step, or a name for wherever it is
    #[arg(long, value_name = "PATH", conflicts_with = "send")]
    pub(crate) ignore: Vec<String>,
    /// A list whose order means nothing
    #[arg(long, value_name = "PATH", conflicts_with = "send")]
    pub(crate) unordered: Vec<String>,
    /// Numbers are alike whose distance is at most this times the larger of both and of 1
    #[arg(long, default_value_t = 0.0, value_parser = tolerance, conflicts_with = "send")]
    pub(crate) tolerance: f64,
    /// Recorded calls of each function that are run, the newest that differ
    #[arg(long, default_value_t = 50, conflicts_with = "send")]
    pub(crate) calls: usize,
    /// Differences of each function that are shown one by one
    #[arg(long, default_value_t = 20, conflicts_with = "send")]
    pub(crate) shown: usize,
    /// Send the recorded requests to the running chain instead, and say how long they wait
    #[arg(long)]
    pub(crate) send: bool,
    /// How fast to send: 1x as recorded, 2x twice as fast, or fast, each as soon as one before it has its answer
    #[arg(long, default_value = "1x", value_parser = pace, requires = "send")]
    pub(crate) pace: Tempo,
    /// Requests that may be under way at once
    #[arg(long, default_value_t = 32, requires = "send")]
    pub(crate) at_once: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// The app
    pub(crate) file: PathBuf,
    /// The recording's name
    pub(crate) name: String,
    /// Write tests.rs into the recording: a module for the app's file that checks each function and needs no `dyn`
    #[arg(long)]
    pub(crate) as_tests: bool,
    /// Recorded calls of each function that are checked
    #[arg(long, default_value_t = 10)]
    pub(crate) cases: usize,
}

/// Limits on each service.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Limits {
    /// CPUs a service may use, e.g. 0.5 (docker)
    #[arg(long, value_name = "CPUS", value_parser = cpus)]
    pub(crate) cpus: Option<f64>,
    /// Memory a service may use, e.g. 256M
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) memory: Option<u64>,
    /// Deadline of a request that brings none, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) deadline: f64,
    /// Largest body of a request or an answer
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = bytes)]
    pub(crate) body: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The app
    pub(crate) file: PathBuf,
    /// The service to call, by its Rust name
    pub(crate) service: String,
    /// NAME=JSON for an input by name, or JSON for the next input in order; what is missing is fetched by route
    pub(crate) inputs: Vec<String>,
    /// Where missing inputs come from, e.g. 'map(filter(get))' [default: the app's own flow]
    #[arg(long)]
    pub(crate) route: Option<String>,
    /// Where to run what must be started for the call
    #[arg(long, value_enum, default_value_t = On::Process)]
    pub(crate) on: On,
    /// On a cluster, through its API server
    #[arg(long)]
    pub(crate) cluster: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    /// Docker where an engine answers, else processes
    Auto,
    /// A container for each service
    Docker,
    /// A process for each service
    Process,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// For reading
    Text,
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
    /// For programs
    Json,
}

fn cpus(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(cpus) if (0.01..=1024.0).contains(&cpus) => Ok(cpus),
        _ => Err("a number of CPUs from 0.01, e.g. 0.5".to_owned()),
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(tolerance) if (0.0..=1.0).contains(&tolerance) => Ok(tolerance),
        _ => Err("a share from 0 to 1, e.g. 1e-9".to_owned()),
    }
}

fn pace(text: &str) -> Result<Tempo, String> {
    match text.strip_suffix('x').map(str::parse) {
        _ if text == "fast" => Ok(Tempo::Fast),
        Some(Ok(times)) if (0.001..=1e6).contains(&times) => Ok(Tempo::Recorded(times)),
        _ => Err("a pace such as 1x, 2.5x or fast".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds from 0.001 to 86400".to_owned()),
    }
}

/// `256M` and the like: powers of 1024, as Docker reads them.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        _ => None,
    };
    let size = shift.and_then(|shift| digits.parse::<u64>().ok()?.checked_mul(1 << shift));
    size.filter(|size| *size > 0).ok_or_else(|| "a size such as 512K, 256M or 2G".to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, expected) in
            [("1", 1), ("512K", 512 << 10), ("8M", 8 << 20), ("256mb", 256 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(bytes(text).unwrap(), expected, "{text}");
        }
        for text in ["", "M", "8X", "-1", "0", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
