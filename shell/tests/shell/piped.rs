use std::convert::Infallible;
use std::io::{Cursor, Write};
use std::process::{Command as Process, Stdio};
use std::sync::{Arc, Mutex};

use session_api::{Answer, Command, Snapshot};
use shell::{LogLine, ShellEnd, ShellError, ShellPeer, run_piped};

use crate::played::Played;

/// A stream that can be looked at.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics here").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panics here").clone()).expect("text")
    }
}

struct Run {
    ended: Result<ShellEnd, ShellError>,
    values: String,
    talk: String,
}

fn run_with(peer: impl ShellPeer, lines: impl Into<Vec<u8>>, keep_going: bool) -> Run {
    let (values, talk) = (Heard::default(), Heard::default());
    let input = Box::new(Cursor::new(lines.into()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ended = runtime.block_on(run_piped(peer, input, Box::new(values.clone()), Box::new(talk.clone()), keep_going));
    Run { ended, values: values.text(), talk: talk.text() }
}

fn run(lines: &str) -> Run {
    run_with(Played, lines, false)
}

/// What one line prints: values, then everything else.
fn both(lines: &str) -> String {
    let run = run(lines);
    format!("{}----\n{}", run.values, run.talk)
}

#[test]
fn values_and_talk_go_their_own_ways() {
    let run = run("get\nmap $last\n# nothing\n\nmap($1)\r\nmoving_avg\n$2");
    assert_eq!(run.ended.expect("it ends").code(), 0);
    insta::assert_snapshot!(run.values, @r#"
    {"sensor":"EWR","value":50.0,"variable":"Temperature"}
    10.0
    10.0
    {"average":10.0,"count":1}
    10.0
    "#);
    insta::assert_snapshot!(run.talk, @r"
    $1  get@3140 0.25 ms (fn 0.06), 1.50 ms in all
    $2  map@313e 0.25 ms (fn 0.06), 1.50 ms in all
    $3  map@313e 0.25 ms (fn 0.06), 1.50 ms in all
    $4  moving_avg@a42d 1.00 ms (fn 0.06) <- map@313e 0.75 ms (fn 0.06) <- filter@6286 0.50 ms (fn 0.06) <- get@3140 0.25 ms (fn 0.06), 1.50 ms in all
    ");
}

#[test]
fn json_goes_on_over_lines() {
    let run = run("map {\n  \"sensor\": \"EWR\",\n  \"value\": 212\n}\nmap {");
    assert_eq!(run.values, "100.0\n");
    assert_eq!(run.ended.expect("it ends").failed, 1);
    assert!(run.talk.contains("not JSON: EOF"), "{}", run.talk);
}

#[test]
fn the_first_line_that_fails_is_the_last() {
    let run = run("get | map\nmapp 3\nget");
    let ended = run.ended.expect("it ends");
    assert_eq!((ended.failed, ended.code(), run.values.as_str()), (1, 1, "10.0\n"));
    insta::assert_snapshot!(run.talk, @r"
    $1  map@313e 0.50 ms (fn 0.06) <- get@3140 0.25 ms (fn 0.06), 1.50 ms in all
    error: mapp is no service of this app
      mapp 3
      ^^^^
    hint: did you mean map?
      in line 2
    ");
}

#[test]
fn all_lines_are_done_where_that_is_wanted() {
    let run = run_with(Played, "mapp 3\nboom\n:undo\nget | map", true);
    let ended = run.ended.expect("it ends");
    assert_eq!((ended.failed, ended.code(), run.values.as_str()), (3, 1, "10.0\n"));
}

#[test]
fn problems_are_put_into_words() {
    insta::assert_snapshot!(both("boom"), @r"
    ----
    error: boom: panicked at app.rs:7:5: boom \u001b[2J
      The function panicked (status 500)
      on the way moving_avg -> boom
      boom@41ad 0.25 ms (fn 0.06), 1.50 ms in all
      in line 1
    ");
    insta::assert_snapshot!(both(r#"map {"vaule": 3}"#), @r"
    ----
    error: map: reading: missing field `value`
      An input does not read (status 422)
      on the way moving_avg -> map
      map@313e 0.25 ms (fn 0.06), 1.50 ms in all
    hint: Reading has no field vaule, did you mean value?
    hint: Reading lacks sensor, variable, value
      in line 1
    ");
    insta::assert_snapshot!(both(":recordings\n:replay lunch\n:diff 3\n:step 3\n:step 3 1 60\n:record on\n:keep lunch"), @r"
    lunch: 120 requests, 45000 bytes
    torn: cannot read it
    map: changed 3 of 50, first /value: was 2.5, now 5.0
      map, request 12 /value: was 2.5, now 5.0
      map: 2 more
    map: same 1 of 1
    1 map@3f2a99 (50.0) -> 10.0, 1.2 µs in the function
    12.5
    ----
    1 map@3f2a99 (50.0) -> 10.0, 1.2 µs in the function
    requests are recorded
    120 requests are kept in lunch
    ");
    insta::assert_snapshot!(both(":undo"), @r"
    ----
    error: nothing was edited
    hint: save a change first
      in line 1
    ");
    insta::assert_snapshot!(both(":push"), @r"
    ----
    error: confirmation needed, but stdin is not a terminal
    hint: pass --yes, or look with --plan
      in line 1
    ");
}

#[test]
fn a_push_shows_its_plan_how_it_goes_and_how_it_ended() {
    insta::assert_snapshot!(both(":push --plan"), @r"
    ----
    push to k3s, namespace shop (https://10.0.0.1:6443, cluster 3f2a99)
      get  unchanged  get@11
      map  changed  map@11 -> map@22  1 pod
             helper scale() changed
    1 layer to send, 242 kB
    push 1: planned, not carried out
    ");
    insta::assert_snapshot!(both(":push map --yes"), @r"
    ----
    push to k3s, namespace shop (https://10.0.0.1:6443, cluster 3f2a99)
      get  unchanged  get@11
      map  changed  map@11 -> map@22  1 pod
             helper scale() changed
    1 layer to send, 242 kB
    map: live after 2.1 s
    push 1: live as push 4: 5.2 s, 242 kB sent
    ");
}

#[test]
fn a_service_that_filters_is_no_failure() {
    let run = run(r#"filter {"sensor": "EWR", "variable": "Rain", "value": 3}"#);
    assert_eq!((run.ended.expect("it ends").code(), run.values.as_str()), (0, ""));
    insta::assert_snapshot!(run.talk, @"filter filtered it: no answer   filter@6286 0.25 ms (fn 0.06), 1.50 ms in all");
}

#[test]
fn commands_that_the_session_does() {
    insta::assert_snapshot!(both(":time 200 get | filter"), @r"
     HOP                  P50      P90      P99      MAX
     all, seen from here  1.50 ms  3.00 ms  150 ms   30.0 s
     filter               0.50 ms  1.00 ms  50.0 ms  10.0 s
       filter's function  0.06 ms  0.12 ms  6.25 ms  1.25 s
     get                  0.25 ms  0.50 ms  25.0 ms  5.00 s
       get's function     0.06 ms  0.12 ms  6.25 ms  1.25 s
    ----
    200 calls, 0 errors
    ");
    insta::assert_snapshot!(both(":time 200 boom"), @r"
     HOP                  P50      P90      P99      MAX
     all, seen from here  1.50 ms  3.00 ms  150 ms   30.0 s
     boom                 0.25 ms  0.50 ms  25.0 ms  5.00 s
       boom's function    0.06 ms  0.12 ms  6.25 ms  1.25 s
    ----
    200 calls, 200 errors
    error: boom: panicked at app.rs:7:5: boom \u001b[2J
      The function panicked (status 500)
      on the way moving_avg -> boom
      boom@41ad 0.25 ms (fn 0.06), 1.50 ms in all
      in line 1
    ");
    insta::assert_snapshot!(both(":state moving_avg\n:set moving_avg.AVERAGE {\"average\":0,\"count\":0}\n:restart map"), @r#"
    {"AVERAGE":{"average":10.0,"count":3}}
    ----
    moving_avg.AVERAGE is {"average":0,"count":0}
    map starts again
    "#);
    let stopped = run(":stop\nget");
    assert_eq!((stopped.talk.as_str(), stopped.values.as_str()), ("the session ends\n", ""));
}

#[test]
fn what_the_shell_shows() {
    insta::assert_snapshot!(both(":services"), @r"
     SERVICE     STATE  VERSION          AGE  RESTARTS  TYPE                                   WHY
     get         live   get@3f2a         1 h  0         () -> Reading
     filter      live   filter@3f2a      1 h  0         (reading: Reading) -> Option<Reading>
     map         live   map@3f2a         1 h  0         (reading: Reading) -> f64
     moving_avg  live   moving_avg@3f2a  1 h  0         (value: f64) -> Average
     history     live   history@3f2a     1 h  0         () -> Vec<Reading>
     slow        live   slow@3f2a        1 h  0         () -> u32
     boom        live   boom@3f2a        1 h  0         () -> u32
    ----
    ");
    insta::assert_snapshot!(both(":flow"), @r"
    moving_avg(map(filter(get)))
      get -> filter.reading
      filter -> map.reading
      map -> moving_avg.value
    ----
    ");
    insta::assert_snapshot!(both(":edits"), @r"
     EDIT  AGO   OUTCOME           TOOK    CHANGED
     1     1 h   live              104 ms  map
     2     25 s  broken, 2 errors          the flow
    1 edit live: p50 104 ms, p95 104 ms
    ----
    ");
    insta::assert_snapshot!(both(":why 1\n:why"), @r"
    edit 1, 1 h ago: live
      map: its body -> map@3f2a
      map: changed 3 of 50, first /value: was 2.5, now 5.0
        map, request 12 /value: was 2.5, now 5.0
        map: 2 more
      104 ms: settle 0.30 ms, read 0.50 ms, build 102 ms, takeover 0.70 ms, first answer 0.50 ms
    edit 2, 25 s ago: broken, 2 errors
      services feed each other in another way since
    ----
    ");
    insta::assert_snapshot!(both(":logs\n:logs get 1\n:logs slow"), @r"
        1.100 get | read line 1
        2.200 map ! warm \u001b[31mred\u001b[0m
        3.300 get | read line 2
        3.300 get | read line 2
    ----
    nothing was written yet
    ");
    insta::assert_snapshot!(both(":route map(filter)\n:route map\n:route map \"it's\""), @r#"
    Dyninka-Route: filter(get)
    map needs no route: the app's flow feeds it
    Dyninka-Route: "it's"
    ----
    curl -H 'Dyninka-Route: filter(get)' http://127.0.0.1:7001/map/
    curl http://127.0.0.1:7001/map/
    curl -H 'Dyninka-Route: "it'\''s"' http://127.0.0.1:7001/map/
    "#);
    insta::assert_snapshot!(both("history\n:table\n:table get\n:table get | map\n:table [1, [2]]"), @r#"
    [{"sensor":"EWR","value":50.0},{"note":"wet","sensor":"JFK","value":41.0}]
     sensor  value  note
     EWR     50.0
     JFK     41.0   wet
     sensor    EWR
     value     50.0
     variable  Temperature
     10.0
     1
     [2]
    ----
    $1  history@7312 0.25 ms (fn 0.06), 1.50 ms in all
    $2  get@3140 0.25 ms (fn 0.06), 1.50 ms in all
    $3  map@313e 0.50 ms (fn 0.06) <- get@3140 0.25 ms (fn 0.06), 1.50 ms in all
    "#);
    insta::assert_snapshot!(both(":help\n:help time\n:quit\nget"), @r#"
    filter {"variable":"Heat"}  call one service with a value
      get | filter | map          each feeds the next; the same as map(filter(get))
      map $last                   with the last answer; $1 is the first of this shell
      moving_avg                  the whole chain, fed as the app's flow feeds it

      :services                   every service, its state and its version
      :flow                       which service feeds which
      :time N CALL                call N times: percentiles of each hop
      :state SERVICE              the placed values of a service
      :set SERVICE.NAME VALUE     set a placed value
      :logs [SERVICE] [N]         the latest lines that services wrote
      :edits                      every edit and what became of it
      :why [EDIT]                 why an edit built what it built, and where its time went
      :route CALL                 the route header of a call
      :table [CALL]               the last answer, or what a call answers, as a table
      :where [BUCKET[/KEY]]       the places that hold a bucket, and the instances that are asked for it
      :data [BUCKET]              buckets, and what each copy of them lacks
      :restart SERVICE            start a service's host again
      :fuse SERVICE SERVICE...    have services go on in the host of the first, with their state
      :split SERVICE...           have services go on in hosts of their own, with their state
      :undo                       write back what the files held before the last edit
      :stop                       end the session and its services
      :record on [NAME]|off       write requests and their values to a folder
      :keep NAME                  save the requests in memory to a folder
      :recordings                 every recording of the app, and its size
      :replay [NAME]              run recorded inputs again: the last edit's, or a recording's
      :diff N                     what request N would come to now
      :again N                    send request N once more
      :step N [HOP [VALUE...]]    request N hop by hop; a hop again with other inputs
      :push [SERVICE...]          roll what changed out to a cluster; :help push has its options
      :rollback [SERVICE]         have what ran on the cluster before run again
      :confirm [N]                carry out the push or rollback that was asked about
      :decline [N]                do not carry it out
      :jobs                       jobs by tenant, dead letters, and the latest jobs
      :job ID                     a job, its attempts and its result
      :run CALL                   ask for a job that makes this call
      :retry ID                   queue a failed job again, with all its attempts
      :cancel ID                  cancel a job
      :help [TOPIC]               this, or more of a command or topic
      :quit                       leave; the session goes on

    more: :help calls, :help values, :help keys, :help scripts
    :time N CALL
      call N times: percentiles of each hop
    ----
    "#);
}

#[test]
fn bytes_that_are_no_text_end_it() {
    let run = run_with(Played, b"get | map\n\xff\xfe\n".to_vec(), true);
    assert_eq!(run.values, "10.0\n");
    assert!(matches!(run.ended, Err(ShellError::Read(_))));
}

#[test]
fn who_reads_the_values_may_go() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let input = Box::new(Cursor::new("get\nget\n"));
    let ended = runtime.block_on(run_piped(Played, input, Box::new(Gone), Box::new(std::io::sink()), true));
    assert_eq!(ended.expect("it ends quietly").code(), 0);
}

#[test]
fn a_process_with_pipes_says_how_it_ended() {
    let run = |lines: &str, arguments: &[&str]| {
        let mut command = Process::new(crate::terminal::played());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    assert_eq!(run("get | map\n", &[]), (Some(0), "10.0\n".to_owned()));
    assert_eq!(run("boom\nget | map", &[]), (Some(1), String::new()));
    assert_eq!(run("boom\nget | map", &["--keep-going"]), (Some(1), "10.0\n".to_owned()));
}

/// A session that is gone after so many pictures of it.
struct Lost(Mutex<usize>);

#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection refused")
    }
}

impl std::error::Error for Refused {}

impl ShellPeer for Lost {
    type Error = Refused;

    async fn snapshot(&self) -> Result<Snapshot, Refused> {
        {
            let mut left = self.0.lock().expect("nobody panics here");
            *left = left.checked_sub(1).ok_or(Refused)?;
        }
        Ok(Played.snapshot().await.unwrap_or_else(|never: Infallible| match never {}))
    }

    async fn say(&self, _: &Command) -> Result<Answer, Refused> {
        Err(Refused)
    }

    async fn logs(&self, _: Option<&str>, _: usize) -> Result<Vec<LogLine>, Refused> {
        Err(Refused)
    }
}

#[test]
fn a_session_that_is_gone_is_said() {
    let never = run_with(Lost(Mutex::new(0)), "get", false);
    assert_eq!(never.ended.expect_err("nobody is there").to_string(), "cannot reach the session: connection refused");
    for line in ["get", ":logs", ":table get"] {
        let lost = run_with(Lost(Mutex::new(2)), line, false);
        assert_eq!(lost.ended.expect("it ends").code(), 1);
        assert!(lost.talk.starts_with("error: the session does not answer: connection refused\n"), "{}", lost.talk);
    }
    assert_eq!(run_with(Lost(Mutex::new(1)), "get", false).ended.expect("it ends").code(), 1);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    assert_eq!(both("\u{feff}get\n"), both("get\n"));
    assert_eq!(both("\u{feff}\nget\n"), both("\nget\n"));
}
