//! The commands: their names, what they take, and what they are for.

/// The arguments of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// A service.
    Service,
    /// Perhaps a service, perhaps a number of lines.
    Logs,
    /// A number and an expression.
    Time,
    /// `service.STATE` and a value.
    Set,
    /// Perhaps an edit.
    Edit,
    /// An expression.
    Expression,
    /// Perhaps an expression.
    Table,
    /// `on`, perhaps with a name, or `off`.
    Switch,
    /// The name of a recording to be.
    Name,
    /// Perhaps the name of a recording.
    Recording,
    /// Perhaps a bucket or an object.
    Data,
    /// Perhaps a bucket.
    Bucket,
    /// The number of a request.
    Request,
    /// The number of a request, perhaps one of its hops, perhaps values.
    Step,
    /// Perhaps a topic.
    Topic,
    /// Perhaps services, and options.
    Push,
    /// Services, and options.
    Move,
    /// Perhaps the number of a push.
    Decision,
    /// The id of a job.
    Job,
    /// A call.
    Run,
}

/// A command.
#[derive(Debug)]
pub(super) struct Verb {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// As help shows what it takes.
    pub(super) usage: &'static str,
    pub(super) about: &'static str,
    /// Its arguments that begin with `--`.
    pub(super) flags: &'static [&'static str],
}

const fn verb(name: &'static str, takes: Takes, usage: &'static str, about: &'static str) -> Verb {
    Verb { name, takes, usage, about, flags: &[] }
}

/// A command with options.
const fn flagged(verb: Verb, flags: &'static [&'static str]) -> Verb {
    Verb { flags, ..verb }
}

const PUSH: Verb =
    verb("push", Takes::Push, "[SERVICE...]", "roll what changed out to a cluster; :help push has its options");

const FUSE: Verb =
    verb("fuse", Takes::Move, "SERVICE SERVICE...", "have services go on in the host of the first, with their state");

const SPLIT: Verb =
    verb("split", Takes::Move, "SERVICE...", "have services go on in hosts of their own, with their state");

const ROLLBACK: Verb = verb("rollback", Takes::Push, "[SERVICE]", "have what ran on the cluster before run again");

/// Every command, in the order of help.
pub(super) const VERBS: &[Verb] = &[
    verb("services", Takes::Nothing, "", "every service, its state and its version"),
    verb("flow", Takes::Nothing, "", "which service feeds which"),
    verb("time", Takes::Time, "N CALL", "call N times: percentiles of each hop"),
    verb("state", Takes::Service, "SERVICE", "the placed values of a service"),
    verb("set", Takes::Set, "SERVICE.NAME VALUE", "set a placed value"),
    verb("logs", Takes::Logs, "[SERVICE] [N]", "the latest lines that services wrote"),
    verb("edits", Takes::Nothing, "", "every edit and what became of it"),
    verb("why", Takes::Edit, "[EDIT]", "why an edit built what it built, and where its time went"),
    verb("route", Takes::Expression, "CALL", "the route header of a call"),
    verb("table", Takes::Table, "[CALL]", "the last answer, or what a call answers, as a table"),
    verb(
        "where",
        Takes::Data,
        "[BUCKET[/KEY]]",
        "the places that hold a bucket, and the instances that are asked for it",
    ),
    verb("data", Takes::Bucket, "[BUCKET]", "buckets, and what each copy of them lacks"),
    verb("restart", Takes::Service, "SERVICE", "start a service's host again"),
    flagged(FUSE, &["--reset"]),
    flagged(SPLIT, &["--reset"]),
    verb("undo", Takes::Nothing, "", "write back what the files held before the last edit"),
    verb("stop", Takes::Nothing, "", "end the session and its services"),
    verb("record", Takes::Switch, "on [NAME]|off", "write requests and their values to a folder"),
    verb("keep", Takes::Name, "NAME", "save the requests in memory to a folder"),
    verb("recordings", Takes::Nothing, "", "every recording of the app, and its size"),
    verb("replay", Takes::Recording, "[NAME]", "run recorded inputs again: the last edit's, or a recording's"),
    verb("diff", Takes::Request, "N", "what request N would come to now"),
    verb("again", Takes::Request, "N", "send request N once more"),
    verb("step", Takes::Step, "N [HOP [VALUE...]]", "request N hop by hop; a hop again with other inputs"),
    flagged(PUSH, &["--plan", "--yes", "--context", "--namespace", "--with-dependents", "--stop"]),
    flagged(ROLLBACK, &["--to", "--plan", "--yes", "--context", "--namespace", "--undo"]),
    verb("confirm", Takes::Decision, "[N]", "carry out the push or rollback that was asked about"),
    verb("decline", Takes::Decision, "[N]", "do not carry it out"),
    verb("jobs", Takes::Nothing, "", "jobs by tenant, dead letters, and the latest jobs"),
    verb("job", Takes::Job, "ID", "a job, its attempts and its result"),
    verb("run", Takes::Run, "CALL", "ask for a job that makes this call"),
    verb("retry", Takes::Job, "ID", "queue a failed job again, with all its attempts"),
    verb("cancel", Takes::Job, "ID", "cancel a job"),
    verb("help", Takes::Topic, "[TOPIC]", "this, or more of a command or topic"),
    verb("quit", Takes::Nothing, "", "leave; the session goes on"),
];

/// A command by its name.
pub(super) fn find(name: &str) -> Option<&'static Verb> {
    let name = if name == "q" { "quit" } else { name };
    VERBS.iter().find(|verb| verb.name == name)
}
