// A queue of npm, as one would use it: `node peer.mjs KIND URL`. Reads a request a line, and answers each with a line:
//   {"do":"accept","clients":32,"seconds":1}           jobs accepted, and the seconds it took
//   {"do":"done","workers":32,"jobs":3000,"seconds":5} jobs done of those that waited, and the seconds it took
//   {"do":"idle","jobs":40}                            milliseconds from asked to done, of one job after the other
// It ends with its standard input.
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { Worker as Thread } from 'node:worker_threads';

const [kind, url] = process.argv.slice(2);
const payload = { us: 1, text: 'x'.repeat(60) };
const now = () => performance.now();
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
// Answers alone go to standard output.
console.log = console.info = console.error;

/** bullmq over redis. Jobs that are done are kept, as a caller may fetch their results. */
async function bullmq() {
  const { Queue, Worker, QueueEvents } = await import('bullmq');
  const { hostname: host, port } = new URL(url);
  const connection = { host, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue('work', { connection });
  await queue.waitUntilReady();
  const work = async (workers, over) => {
    const worker = new Worker('work', async (job) => job.data.us, { connection, concurrency: workers });
    worker.on('completed', over);
    worker.on('error', (error) => console.error(error.message));
    await worker.waitUntilReady();
    return () => worker.close(true);
  };
  return {
    one: () => queue.add('work', payload),
    fill: async (jobs) => {
      for (let left = jobs; left > 0; left -= 500) {
        await queue.addBulk(Array.from({ length: Math.min(left, 500) }, () => ({ name: 'work', data: payload })));
      }
    },
    work,
    clear: () => queue.obliterate({ force: true }),
    idle: async (jobs) => {
      const events = new QueueEvents('work', { connection });
      await events.waitUntilReady();
      const stop = await work(32, () => {});
      const times = [];
      for (let at = 0; at < jobs; at += 1) {
        const begun = now();
        const job = await queue.add('work', payload);
        await job.waitUntilFinished(events);
        times.push(now() - begun);
      }
      await stop();
      await events.close();
      return times;
    },
  };
}

/** pg-boss over PostgreSQL. Its workers look for jobs twice a second at most. */
async function pgboss() {
  const { default: PgBoss } = await import('pg-boss');
  const boss = new PgBoss({ connectionString: url, max: 32 });
  boss.on('error', (error) => console.error(error.message));
  await boss.start();
  await boss.createQueue('work');
  return {
    one: () => boss.send('work', payload),
    fill: async (jobs) => {
      for (let left = jobs; left > 0; left -= 500) {
        await boss.insert(Array.from({ length: Math.min(left, 500) }, () => ({ name: 'work', data: payload })));
      }
    },
    work: async (workers, over) => {
      const options = { batchSize: 1, pollingIntervalSeconds: 0.5 };
      for (let at = 0; at < workers; at += 1) {
        await boss.work('work', options, async ([job]) => { over(); return job.data.us; });
      }
      return () => boss.offWork('work');
    },
    clear: () => boss.clearStorage(),
  };
}

/** graphile-worker over PostgreSQL. */
async function graphile() {
  const { Logger, makeWorkerUtils, run } = await import('graphile-worker');
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize: 32, logger });
  await utils.migrate();
  const work = async (workers, over) => {
    const runner = await run({
      connectionString: url, concurrency: workers, maxPoolSize: workers + 4, pollInterval: 1000, noHandleSignals: true,
      logger, taskList: { work: async () => {} },
    });
    runner.events.on('job:complete', over);
    return () => runner.stop();
  };
  return {
    one: () => utils.addJob('work', payload),
    fill: (jobs) => utils.withPgClient((client) => client.query(
      "select graphile_worker.add_job('work', $1::json) from generate_series(1, $2)", [JSON.stringify(payload), jobs],
    )),
    work,
    clear: () => utils.withPgClient((client) => client.query('delete from graphile_worker._private_jobs')),
    idle: async (jobs) => {
      let over = () => {};
      const stop = await work(32, () => over());
      const times = [];
      for (let at = 0; at < jobs; at += 1) {
        const done = new Promise((resolve) => { over = resolve; });
        const begun = now();
        await utils.addJob('work', payload);
        await done;
        times.push(now() - begun);
      }
      await stop();
      return times;
    },
  };
}

/** The NodeJS FaaS's way: functions in worker threads, each call in a new context, nothing kept. */
async function contexts() {
  const source = `
    const { parentPort } = require('node:worker_threads');
    const vm = require('node:vm');
    parentPort.on('message', async (args) => {
      const context = vm.createContext({ setTimeout });
      vm.runInContext('function add(a, b) { return a + b; }', context);
      parentPort.postMessage(await context.add(...args));
    });`;
  let waiting = 0;
  return {
    one: async () => {},
    fill: async (jobs) => { waiting = jobs; },
    work: async (_, over) => {
      const threads = Array.from({ length: availableParallelism() }, () => new Thread(source, { eval: true }));
      const next = (thread) => { if (waiting > 0) { waiting -= 1; thread.postMessage([4, 7]); } };
      for (const thread of threads) {
        thread.on('message', () => { over(); next(thread); });
        next(thread);
      }
      return () => Promise.all(threads.map((thread) => thread.terminate()));
    },
    clear: async () => { waiting = 0; },
  };
}

const queue = await { bullmq, pgboss, graphile, contexts }[kind]();

async function accept({ clients, seconds }) {
  const begun = now();
  const until = begun + seconds * 1000;
  let count = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (now() < until) {
      await queue.one();
      count += 1;
    }
  }));
  return { count, seconds: (now() - begun) / 1000 };
}

async function done({ workers, jobs, seconds }) {
  await queue.clear();
  await queue.fill(jobs);
  let count = 0;
  let last = 0;
  let finish;
  const all = new Promise((resolve) => { finish = resolve; });
  const begun = now();
  const stop = await queue.work(workers, () => {
    count += 1;
    last = now();
    if (count === jobs) finish();
  });
  await Promise.race([all, sleep(seconds * 1000)]);
  const answer = { count, seconds: (last - begun) / 1000 };
  await stop();
  await queue.clear();
  return answer;
}

const ways = { accept, done, idle: async ({ jobs }) => ({ ms: queue.idle ? await queue.idle(jobs) : [] }) };
process.stdout.write('{"ready":true}\n');
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer;
  try {
    answer = await ways[asked.do](asked);
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
