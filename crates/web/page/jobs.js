// Jobs: tenants and their bills, jobs that wait, run and ended, dead letters, and one job with its attempts.
import { html, nothing } from "./lit-html.js";
import { pill } from "./frame.js";
import { tree } from "./tree.js";
import { count, many, micros, rate, states } from "./words.js";

const LIMIT = 100;
const millis = (ms) => micros(ms * 1000);
const local = (app) => (app.local.jobs ??= { found: null, asked: "", one: null, bills: null, why: null });
const jobs = (app) => app.known.set.jobs;
const words = (app) => ["state", "tenant", "service"].filter((word) => app.place.query[word]).map((word) => `${word}=${encodeURIComponent(app.place.query[word])}`).join("&");
const listed = (app) => (words(app) ? local(app).found?.jobs ?? [] : jobs(app)?.latest ?? []);
const over = (state) => !["queued", "running"].includes(state);
const kept = (text) => { const at = new Date(text); return Number.isNaN(at.getTime()) ? text : at.toLocaleString(); };

// Jobs that match, the oldest first; the latest of all come with frames.
async function find(app, { more = false } = {}) {
  const at = local(app), asked = words(app);
  at.asked = asked;
  if (!asked) { at.found = null; return; }
  const after = more && at.found?.next ? `&after=${at.found.next}` : "";
  try {
    const page = await app.ask(`/v1/jobs?limit=${LIMIT}&${asked}${after}`);
    if (at.asked !== asked) return;
    at.why = null;
    at.found = more ? { ...page, jobs: [...at.found.jobs, ...page.jobs] } : page;
  } catch (error) { at.why = error.message; }
  app.redraw();
}

// The chosen job, until it has come to its end.
async function one(app, anew) {
  const at = local(app), id = app.place.id;
  if (!id) { at.one = null; return; }
  if (at.one?.id !== id) at.one = { id };
  else if (!anew) return;
  try {
    const detail = await app.ask(`/v1/jobs/${encodeURIComponent(id)}`);
    if (at.one?.id === id) at.one = { id, detail };
  } catch (error) { if (at.one?.id === id) at.one = { ...at.one, why: error.message }; }
  app.redraw();
}

async function bills(app) {
  const at = local(app);
  try { at.bills = await app.ask("/v1/bills"); at.billsWhy = null; } catch (error) { at.billsWhy = error.message; }
  app.redraw();
}

export const jobsPage = {
  name: "jobs", key: "7", title: "Jobs",
  arrive(app) {
    if (!jobs(app)) return;
    const at = local(app);
    if (at.asked !== words(app)) { at.found = null; find(app); }
    one(app, false);
    if (!at.bills) bills(app);
  },
  // The session looks at its job server about once a second; what is asked for besides follows at that pace.
  frame(app, frame) {
    const at = local(app);
    if (!frame.set?.jobs) return;
    if (!at.bills || at.wanted) { at.wanted = false; bills(app); }
    if (words(app) && (at.found?.jobs.length ?? 0) <= LIMIT) find(app);
    if (at.one?.id !== app.place.id || (at.one && !at.one.why && !over(at.one.detail?.state ?? "queued"))) one(app, true);
  },
  keys(app, { key }) {
    const all = listed(app);
    if (key === "j" || key === "k") {
      const at = all.findIndex((job) => job.id === app.place.id);
      const next = all[at < 0 ? 0 : Math.min(Math.max(at + (key === "j" ? 1 : -1), 0), all.length - 1)];
      if (next) app.go({ id: next.id, query: app.place.query });
    } else if (key === "Escape" && app.place.id) app.go({ id: null, query: app.place.query });
    else return false;
    return true;
  },
  draw(app) {
    const view = jobs(app);
    if (!view) return html`<h1>Jobs</h1><section class="panel"><p>This session accepts no jobs. A job is a call that is asked for now and fetched later.</p>
      <p>Start the session with <code>dyn dev ${app.known.set.file ?? "FILE"} --jobs</code>, or with <code>[jobs]</code> in <code>dyn.toml</code>.</p></section>`;
    const letters = view.dead.reduce((sum, group) => sum + group.jobs, 0), waiting = view.tenants.reduce((sum, tenant) => sum + tenant.queued, 0);
    return html`<div class="title"><h1>Jobs</h1><button class="url" title="Copy the address that jobs are accepted at" @click=${() => app.copy(`${view.url}/v1/jobs`, "address")}>${view.url}</button><span class="grow"></span>
        <span class="dim">${view.busy} of ${view.workers} workers busy · ${many(waiting, "job")} waiting · ${many(letters, "dead letter")}</span></div>
      ${view.why ? html`<section class="banner bad" role="alert"><strong>The job server does not answer</strong> <span>${view.why}. What stands here is its last state.</span></section>` : nothing}
      ${tenants(app, view)}
      ${chooser(app, view)}
      <div class="columns half"><section class="panel scrolls list" tabindex="0" aria-label="Jobs">${list(app)}</section>
        <section class="panel" aria-label="One job">${shown(app)}</section></div>
      ${view.dead.length ? dead(view) : nothing}
      ${billed(app)}`;
  },
};

const wait = (ms) => (ms == null ? "–" : millis(ms));

function tenants(app, view) {
  return html`<section class="panel scrolls" aria-label="Tenants"><h2>Tenants</h2>${view.tenants.length ? html`<table class="wide"><thead><tr><th>tenant</th><th class="n">weight</th><th class="n">queued</th><th class="n">running</th><th class="n">done</th><th class="n">failed</th>
      <th class="n">done/s</th><th class="n">wait p50</th><th class="n">wait p99</th><th class="n">function time</th><th class="n">per second</th></tr></thead><tbody>
      ${view.tenants.map((one) => html`<tr><td><a href="#/jobs?tenant=${encodeURIComponent(one.name)}">${one.name}</a></td><td class="n">${one.weight}</td><td class="n">${count(one.queued)}</td><td class="n">${count(one.running)}</td><td class="n">${count(one.done)}</td>
        <td class="n ${one.failed ? "bad strong" : "dim"}">${count(one.failed)}</td><td class="n">${rate(one.done_per_second)}</td><td class="n">${wait(one.wait_p50)}</td><td class="n">${wait(one.wait_p99)}</td>
        <td class="n">${millis(one.function_ms)}</td><td class="n">${millis(one.function_ms_per_second)}</td></tr>`)}</tbody></table>` : html`<p class="dim">No tenant has had a job yet.</p>`}</section>`;
}

function chooser(app, view) {
  const { state = "", tenant = "", service = "" } = app.place.query;
  const choose = (name) => (event) => app.go({ id: app.place.id, query: { ...app.place.query, [name]: event.target.value } });
  const option = (value, chosen, word = value) => html`<option value=${value} .selected=${value === chosen}>${word}</option>`;
  const services = [...new Set([...app.known.order, ...view.latest.map((job) => job.service), ...view.dead.map((group) => group.service)])];
  return html`<form class="line" role="search" aria-label="Jobs" @submit=${(event) => event.preventDefault()}>
    <label class="side">State <select @change=${choose("state")}>${option("", state, "all, the latest")}${Object.keys(states).map((word) => option(word, state))}</select></label>
    <label class="side">Tenant <select @change=${choose("tenant")}>${option("", tenant, "all")}${view.tenants.map((one) => option(one.name, tenant))}</select></label>
    <label class="side">Service <select @change=${choose("service")}>${option("", service, "all")}${services.map((name) => option(name, service))}</select></label></form>`;
}

function list(app) {
  const at = local(app), all = listed(app), asked = words(app);
  if (asked && at.why) return html`<p class="bad pad" role="alert">${at.why}</p>`;
  if (asked && !at.found) return html`<p class="dim pad">Asking.</p>`;
  if (!all.length) return html`<p class="dim pad">${asked ? "No job that is kept matches." : html`No job yet. Try <code>dyn jobs run ${app.known.set.file ?? "FILE"}</code>.`}</p>`;
  const query = new URLSearchParams(Object.entries(app.place.query)).toString();
  return html`<table class="wide"><thead><tr><th>job</th><th>state</th><th>tenant</th><th>service</th><th class="n">attempts</th><th class="n">waited</th><th class="n">function</th></tr></thead><tbody>
    ${all.map((job) => html`<tr class=${job.id === app.place.id ? "chosen" : ""} @click=${(event) => { if (!event.target.closest("a")) app.go({ id: job.id, query: app.place.query }); }}>
      <td class="mono"><a href="#/jobs/${job.id}${query ? `?${query}` : ""}" title=${job.id}>…${job.id.slice(-12)}</a></td><td>${pill(states[job.state])}${job.kind ? html` <span class="dim">${job.kind}</span>` : nothing}</td><td>${job.tenant}</td><td>${job.service}</td>
      <td class="n">${job.used}/${job.attempts}</td><td class="n">${wait(job.waited_ms)}</td><td class="n">${millis(job.function_ms)}</td></tr>`)}</tbody></table>
    ${at.found?.next && asked ? html`<p><button @click=${() => find(app, { more: true })}>More</button></p>` : nothing}`;
}

function shown(app) {
  const { place } = app, at = local(app);
  if (!place.id) return html`<p class="dim">Choose a job to see its attempts.</p>`;
  const { detail: job, why } = at.one ?? {};
  if (!job) return html`<h2 class="mono">${place.id}</h2><p class=${why ? "bad" : "dim"}>${why ?? "Asking."}</p>`;
  const change = (command) => app.attempt(async () => { await app.say({ command, id: job.id }); at.wanted = true; await one(app, true); find(app); });
  return html`<div class="title"><h2 class="mono">${job.id}</h2>${pill(states[job.state])}${job.kind ? html`<span class="bad">${job.kind}</span>` : nothing}</div>
    ${app.reads ? nothing : html`<p class="actions">
      ${job.state === "failed" ? html`<button class="main" @click=${() => change("retry_job")}>Queue again</button>` : nothing}
      ${over(job.state) ? nothing : html`<button @click=${() => app.confirm("Cancel this job? It will have no result.", "Cancel the job", () => change("cancel_job"))}>Cancel…</button>`}
      <button @click=${() => app.copy(job.id, "id")}>Copy id</button></p>`}
    <dl><dt>tenant</dt><dd>${job.tenant}</dd><dt>service</dt><dd>${app.known.services[job.service] ? html`<a href="#/flow/${job.service}">${job.service}</a>` : job.service}</dd>
      <dt>accepted</dt><dd>${kept(job.created_at)}</dd><dt>waited</dt><dd>${job.waited_ms == null ? "it has not begun" : millis(job.waited_ms)}</dd>
      <dt>functions</dt><dd>${millis(job.function_ms)} in all attempts</dd>
      ${job.versions.length ? html`<dt>ran</dt><dd class="mono">${job.versions.join(", ")}</dd>` : nothing}
      <dt>trace</dt><dd><a href="#/requests?q=trace:${job.trace}">the request, hop by hop</a></dd></dl>
    <h3>Attempts</h3>${job.history.length ? html`<table class="wide"><thead><tr><th class="n">#</th><th>began</th><th class="n">took</th><th>outcome</th></tr></thead><tbody>
      ${job.history.map((attempt) => html`<tr><td class="n">${attempt.attempt}</td><td>${kept(attempt.began_at)}</td><td class="n">${attempt.ended_at ? millis(Math.max(new Date(attempt.ended_at) - new Date(attempt.began_at), 0)) : "–"}</td>
        <td>${attempt.outcome ?? html`<span class="busy">running</span>`}${attempt.problem ? html`: <span class="bad">${attempt.problem}</span>` : nothing}</td></tr>`)}</tbody></table>` : html`<p class="dim">${job.problem ?? "None has begun."}</p>`}
    ${job.result === undefined ? nothing : html`<h3>Result</h3>${tree(job.result)}`}`;
}

function dead(view) {
  return html`<section class="panel scrolls" aria-label="Dead letters"><h2>Dead letters</h2><table class="wide"><thead><tr><th>tenant</th><th>service</th><th>kind</th><th class="n">jobs</th><th>one of them</th></tr></thead><tbody>
    ${view.dead.map((group) => html`<tr><td>${group.tenant}</td><td><a href="#/jobs?state=failed&tenant=${encodeURIComponent(group.tenant)}&service=${encodeURIComponent(group.service)}">${group.service}</a></td><td><span class="bad">${group.kind}</span></td><td class="n">${count(group.jobs)}</td>
      <td class="mono"><a href="#/jobs/${group.example}">…${group.example.slice(-12)}</a></td></tr>`)}</tbody></table></section>`;
}

function billed(app) {
  const at = local(app), rows = at.bills ?? [];
  const total = rows.reduce((sum, row) => sum + row.function_ms, 0);
  return html`<section class="panel scrolls" aria-label="Bills"><div class="title"><h2>Bills</h2><span class="grow"></span><span class="dim">${rows.length ? `${millis(total)} of function time` : ""}</span><button @click=${() => bills(app)}>Read again</button></div>
    ${at.billsWhy ? html`<p class="bad" role="alert">${at.billsWhy}</p>` : nothing}
    ${rows.length ? html`<table class="wide"><thead><tr><th>tenant</th><th>service</th><th>day (UTC)</th><th class="n">calls</th><th class="n">function time</th></tr></thead><tbody>
      ${rows.map((row) => html`<tr><td>${row.tenant}</td><td>${row.service}</td><td>${row.day}</td><td class="n">${count(row.calls)}</td><td class="n">${millis(row.function_ms)}</td></tr>`)}</tbody></table>` : html`<p class="dim">Nothing is billed yet: hosts measure what functions take for jobs.</p>`}</section>`;
}
