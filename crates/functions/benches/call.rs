//! The cost of a run: from the pool's question to its answer, through the jail.
//!
//! `cargo bench -p functions`; beside it, where `node` is installed, a worker as the NodeJS FaaS has it: the function
//! compiled and run in a new context of `vm` for each call, in one process, without a jail or limits.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use functions::{
    AnswerForm, CallEnd, FunctionEnd, FunctionEngine, Invocation, Pool, PoolSettings, RunLimits, ServiceCalls,
};
use serde_json::value::RawValue;

const ADD: &str = "function add(a,b) { return a + b; }";
/// Rounds of ours and of `node`, in turns; odd, so that the median is one of them.
const ROUNDS: usize = 21;
const CALLS: u32 = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads").block_on(measure());
}

async fn measure() {
    let pool = pool(64);
    say("process started and jailed, and its first run", &mut first_runs().await);
    say("first run of a tenant, a process in reserve", &mut new_tenants().await);
    let mut times = Vec::new();
    let mut function = Vec::new();
    for _ in 0..5_000 {
        let began = Instant::now();
        let ran = pool.run(add("warm")).await.expect("a run");
        assert!(matches!(&ran.end, FunctionEnd::Value(value) if value.get() == "11"), "{:?}", ran.end);
        times.push(began.elapsed());
        function.push(Duration::from_nanos(ran.function_ns));
    }
    say("run of add in a warm process", &mut times);
    say("of that the function's time", &mut function);
    say("run that calls a service, answered at once", &mut many(&pool, "async () => dyn.call('one')", "[]").await);
    let large = format!("[\"{}\"]", "x".repeat(900_000));
    say("run with 900 kB in and out", &mut many(&pool, "x => x", &large).await);
    side_by_side(&pool).await;
    beside_node(&pool).await;
}

fn pool(most: usize) -> Pool {
    let calls: ServiceCalls = Arc::new(|_| Box::pin(async { CallEnd::Value(raw("1")) }));
    let settings = PoolSettings { most, ..PoolSettings::new(support::sandbox().to_owned(), &[]) };
    Pool::new(settings, calls).expect("a pool")
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

fn invocation(tenant: &str, source: &str, arguments: &str) -> Invocation {
    Invocation {
        tenant: tenant.to_owned(),
        run: "run".to_owned(),
        name: "add".to_owned(),
        engine: FunctionEngine::JavaScript,
        source: source.to_owned(),
        arguments: raw(arguments),
        form: AnswerForm::Json,
        calls: true,
        limits: RunLimits::default(),
    }
}

fn add(tenant: &str) -> Invocation {
    invocation(tenant, ADD, "[4,7]")
}

/// Of pools without a process.
async fn first_runs() -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..50 {
        let pool = pool(1);
        let began = Instant::now();
        pool.run(add("a")).await.expect("a run");
        times.push(began.elapsed());
    }
    times
}

/// Of tenants that nobody has seen, once a process is in reserve for them.
async fn new_tenants() -> Vec<Duration> {
    let pool = pool(64);
    pool.run(add("first")).await.expect("a run");
    let mut times = Vec::new();
    for tenant in 0..50 {
        while pool.figures().started < tenant + 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let began = Instant::now();
        pool.run(add(&tenant.to_string())).await.expect("a run");
        times.push(began.elapsed());
    }
    times
}

async fn many(pool: &Pool, source: &str, arguments: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..500 {
        let asked = invocation("warm", source, arguments);
        let began = Instant::now();
        let ran = pool.run(asked).await.expect("a run");
        assert!(matches!(ran.end, FunctionEnd::Value(_)), "{:?}", ran.end);
        times.push(began.elapsed());
    }
    times
}

/// Runs a second of eight tenants at once.
async fn side_by_side(pool: &Pool) {
    let began = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for tenant in 0..8 {
        let pool = pool.clone();
        running.spawn(async move {
            for _ in 0..1_000 {
                pool.run(add(&tenant.to_string())).await.expect("a run");
            }
        });
    }
    running.join_all().await;
    println!("{:<52} {:>9.0} a second", "runs of eight tenants side by side", 8_000.0 / began.elapsed().as_secs_f64());
}

/// The work of that worker for each job, without its database.
const NODE: &str = r"
const vm = require('vm');
const src = 'function add(a,b) { return a + b; }';
const run = async (argv) => {
  const context = { argv, result: undefined, promise: undefined, setTimeout, setInterval };
  const script = new vm.Script(`
    const fn = ${src};
    promise = new Promise(async (resolve, reject) => { try { result = await fn(...argv); resolve(result) } catch (error) { reject(error) } });
  `);
  script.runInNewContext(context, { timeout: 900000 });
  await context.promise;
  return context.result;
};
require('readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const began = process.hrtime.bigint();
  for (let i = 0; i < Number(line); i++) if (await run([4, 7]) !== 11) process.exit(1);
  console.log(String(process.hrtime.bigint() - began));
});
";

async fn beside_node(pool: &Pool) {
    let mut command = Command::new("node");
    command.args(["-e", NODE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut node) = command.spawn() else {
        println!("runs a second over a node worker's                    not measured: node is not installed");
        return;
    };
    let mut answers = BufReader::new(node.stdout.take().expect("its output")).lines();
    let mut theirs = |node: &mut Child| {
        writeln!(node.stdin.as_mut().expect("its input"), "{CALLS}").expect("a node that lives");
        let answer = answers.next().expect("an answer").expect("text");
        Duration::from_nanos(answer.parse().expect("a number"))
    };
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..CALLS {
            pool.run(add("warm")).await.expect("a run");
        }
        let ours = began.elapsed();
        let theirs = theirs(&mut node);
        ratios.push(theirs.as_secs_f64() / ours.as_secs_f64());
    }
    drop(node.stdin.take());
    node.wait().expect("its end");
    ratios.sort_by(f64::total_cmp);
    let (low, median, high) = (ratios[ROUNDS / 10], ratios[ROUNDS / 2], ratios[ROUNDS - 1 - ROUNDS / 10]);
    println!("{:<52} {median:>9.2} ({low:.2} to {high:.2})", "runs a second over a node worker's");
}

fn say(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!("{what:<52} {:>9.3} ms p50 {:>9.3} ms p99  of {}", at(0.5), at(0.99), times.len());
}
