//! What a face can ask of a session, and what it is answered.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::jobs::{JobDetail, JobsView};
use crate::places::DataPlaces;
use crate::push::PushView;
use crate::verdict::Verdict;

/// Something to do. Its JSON form carries the kind in `command`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Call a service once.
    Invoke {
        /// The service to call, and its inputs.
        call: CallTree,
    },
    /// Call many times, one after the other, and answer with percentiles.
    Time {
        /// The number of calls.
        count: u32,
        /// The service to call, and its inputs.
        call: CallTree,
    },
    /// The placed values of a service.
    State {
        /// Rust name.
        service: String,
    },
    /// Set a placed value.
    Set {
        /// Rust name.
        service: String,
        /// Name of the static.
        state: String,
        /// The new value.
        value: Value,
    },
    /// Start a service's host again with the code it serves.
    Restart {
        /// Rust name.
        service: String,
    },
    /// Have services that run go on in the host of the first of them, with their placed values. It is answered once they do.
    Fuse {
        /// Rust names, two at least.
        services: Vec<String>,
        /// A placed value that does not serialise begins anew, instead of keeping its service where it is.
        #[serde(default)]
        reset: bool,
    },
    /// Have services that run go on in hosts of their own, with their placed values. It is answered once they do.
    Split {
        /// Rust names, one at least.
        services: Vec<String>,
        /// A placed value that does not serialise begins anew, instead of keeping its service where it is.
        #[serde(default)]
        reset: bool,
    },
    /// Write back what the files held before the last edit that changed anything.
    Undo,
    /// Run recorded inputs again: of a recording, on the code as it is now; without one, for the last edit that changed
    /// a function, and the verdict comes as an event.
    Replay {
        /// The recording.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The recordings of the app.
    Recordings,
    /// The places that hold buckets, and the instances that a request goes to.
    Where {
        /// What the request works on, as its header `Dyninka-Data` says; none: what each service works on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<String>,
    },
    /// Replays a request in memory on the code as it is now.
    Diff {
        /// Its number.
        request: u64,
    },
    /// A request in memory, hop by hop.
    Step {
        /// Its number.
        request: u64,
        /// One of its hops, numbered from 1; none: all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hop: Option<u64>,
        /// Inputs to call the hop's function with once more, away from the one that serves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inputs: Option<Vec<Value>>,
    },
    /// Send a request in memory once more, with the route and the inputs that came from outside then.
    Again {
        /// Its number.
        request: u64,
    },
    /// Write requests to a folder from now on, or no more.
    Record {
        /// From now on.
        on: bool,
        /// The folder's name; none: the first that is free.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Save the requests in memory to a folder.
    Keep {
        /// Its name.
        name: String,
    },
    /// Bring the app as it was loaded last to a cluster. It is answered once the plan is there: with the push, which
    /// waits for [`Command::Decide`] unless it is told otherwise here.
    Push {
        /// The cluster.
        #[serde(default)]
        goal: Goal,
        /// Rust names; none: every service.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        services: Vec<String>,
        /// Neighbours that would not understand a named service come along.
        #[serde(default)]
        with_dependents: bool,
        /// The next step after the plan.
        #[serde(default)]
        then: Then,
    },
    /// Have services on a cluster run as they ran before; answered as a push is.
    Rollback {
        /// The cluster.
        #[serde(default)]
        goal: Goal,
        /// Rust name; none: all services.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// The number of the push to go back to; none: the one before what runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<u32>,
        /// The number of the push that is undone: where another is live by now, nothing is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<u32>,
        /// The next step after the plan.
        #[serde(default)]
        then: Then,
    },
    /// Say yes or no to a push or rollback that asks.
    Decide {
        /// Its number in this session.
        push: u64,
        /// Whether it is carried out.
        yes: bool,
    },
    /// Have the push or rollback that is under way stop where it is: the next one goes on from there.
    StopPush,
    /// The jobs that the session accepted.
    Jobs,
    /// A job, with its attempts and its result.
    Job {
        /// Its id.
        id: String,
    },
    /// Ask for a job that calls a service once.
    RunJob {
        /// The service to call, and its inputs.
        call: CallTree,
    },
    /// Queue a failed job again, with all its attempts.
    RetryJob {
        /// Its id.
        id: String,
    },
    /// Cancel a job.
    CancelJob {
        /// Its id.
        id: String,
    },
    /// End the session.
    Stop,
}

/// The choice of a cluster, as `kubectl` takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Goal {
    /// A context of the kubeconfig; none: the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// A namespace; none: the context's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl Goal {
    /// The cluster that is meant where `usual` is when nothing is said. Its namespace is one of its context's.
    pub fn or(self, usual: &Self) -> Self {
        if self.context.is_some() {
            return self;
        }
        Self { context: usual.context.clone(), namespace: self.namespace.or_else(|| usual.namespace.clone()) }
    }
}

/// The next step after the plan of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Wait for somebody to say yes or no.
    #[default]
    Ask,
    /// Being carried out.
    Go,
    /// Nothing: the plan is all.
    End,
}

/// A service and what feeds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallTree {
    /// Rust name.
    pub service: String,
    /// The source of each input, in order; none: as the app's flow has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<Feed>>,
}

/// The source of an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// A value.
    Value(Value),
    /// Another service's answer.
    Call(CallTree),
}

/// An answer. Its JSON form carries the kind in `answer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The result of a call.
    Called(Called),
    /// The results of many calls.
    Timed(Timed),
    /// Placed values, by name.
    State {
        /// Each as JSON.
        values: BTreeMap<String, Value>,
    },
    /// The results of recorded inputs on the code as it is now.
    Judged {
        /// For each service that took part.
        verdicts: Vec<Verdict>,
    },
    /// The recordings there are.
    Recordings {
        /// By name.
        recordings: Vec<SavedRecording>,
    },
    /// Places of buckets and instances.
    Where(DataPlaces),
    /// A recorded request.
    Stepped {
        /// Its hops, each after those its inputs came from.
        steps: Vec<ReplayStep>,
        /// The result of the function on other inputs, where they were given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<Value>,
    },
    /// The plan of a push or rollback, its beginning, or the reason why it does not begin: its stage says which.
    Planned {
        /// All of it.
        push: Box<PushView>,
    },
    /// The jobs that the session accepted.
    Jobs {
        /// All of it.
        jobs: Box<JobsView>,
    },
    /// A job.
    Job {
        /// All of it.
        job: Box<JobDetail>,
    },
    /// The command was carried out.
    Done {
        /// The deed, in words.
        message: String,
    },
    /// The command cannot be carried out. Nothing was changed.
    Refused {
        /// The reason, in words.
        message: String,
        /// A hint at a remedy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// The result of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Called {
    /// HTTP status of the answer: 200, 204 where a service filtered, else an error.
    pub status: u16,
    /// The value; for an error the problem document (RFC 9457); none where a service filtered.
    pub value: Option<Value>,
    /// The service that filtered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered_by: Option<String>,
    /// Every service that took part, the one that was called first.
    pub hops: Vec<CalledHop>,
    /// Seen from the session, in milliseconds.
    pub ms: f64,
    /// W3C trace id, 32 hex digits.
    pub trace: String,
}

/// A service's part in a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalledHop {
    /// Rust name.
    pub service: String,
    /// `service@hash`.
    pub version: String,
    /// All of it, in milliseconds.
    pub total_ms: f64,
    /// In the user's function, in milliseconds.
    pub function_ms: f64,
}

/// A recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedRecording {
    /// Its folder's name.
    pub name: String,
    /// The app's.
    pub app: String,
    /// Requests that read.
    pub requests: u64,
    /// Requests that are missing.
    pub lost: u64,
    /// Bytes of disk.
    pub bytes: u64,
    /// The reason why it does not read, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A function's part in a recorded request. What is no value is an object such as `{"end":"filtered"}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayStep {
    /// From 1.
    pub number: u64,
    /// Rust name.
    pub service: String,
    /// `service@hash`.
    pub version: String,
    /// The inputs, in order.
    pub inputs: Vec<Value>,
    /// The result.
    pub end: Value,
    /// Nanoseconds in the function.
    pub function_ns: u64,
}

/// `1 map@1234 (2.5) -> 5.0, 1.2 µs in the function`.
impl Display for ReplayStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, version, inputs, end, function_ns, .. } = self;
        let inputs: Vec<String> = inputs.iter().map(Value::to_string).collect();
        let micros = *function_ns as f64 / 1e3;
        write!(f, "{number} {version} ({}) -> {end}, {micros:.1} µs in the function", inputs.join(", "))
    }
}

/// `lunch: 120 requests, 45000 bytes`.
impl Display for SavedRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, requests, lost, bytes, why, .. } = self;
        match why {
            Some(why) => write!(f, "{name}: {why}"),
            None if *lost > 0 => write!(f, "{name}: {requests} requests, {lost} are missing, {bytes} bytes"),
            None => write!(f, "{name}: {requests} requests, {bytes} bytes"),
        }
    }
}

/// The results of many calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timed {
    /// The number of calls.
    pub n: u32,
    /// Of those, answered with an error.
    pub errors: u32,
    /// The first error, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error: Option<Called>,
    /// Seen from the session.
    pub total: LatencySpread,
    /// Per service, the one that was called first: all of it, and in the function.
    pub hops: Vec<(String, LatencySpread, LatencySpread)>,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencySpread {
    /// Half of them.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_belongs_to_its_context() {
        let goal = |context: Option<&str>, namespace: Option<&str>| Goal {
            context: context.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
        };
        let usual = goal(Some("home"), Some("shop"));
        assert_eq!(goal(None, None).or(&usual), usual);
        assert_eq!(goal(None, Some("test")).or(&usual), goal(Some("home"), Some("test")));
        assert_eq!(goal(Some("work"), None).or(&usual), goal(Some("work"), None));
    }
}
