// Requests: those in memory, searched by value; one of them with its hops and values.
import { html, svg, nothing } from "./lit-html.js";
import { pill } from "./frame.js";
import { tree } from "./tree.js";
import { bytes, clock, ending, many, micros, nanos } from "./words.js";

const PAGE = 100;
const local = (app) => (app.local.requests ??= { list: null, one: null, asking: null, why: null, paused: false, asked: 0 });

// What is found comes in parts: the session looks for a moment at a time.
async function list(app, { older = false } = {}) {
  const at = local(app), q = app.place.query.q ?? "";
  at.asking?.abort();
  const { signal } = at.asking = new AbortController();
  at.asked = Date.now();
  let all = older ? at.list : null;
  const wanted = (all?.requests.length ?? 0) + PAGE;
  try {
    do {
      const before = all ? `&before=${all.next}` : "";
      const found = await app.ask(`/v1/requests?limit=${wanted - (all?.requests.length ?? 0)}&q=${encodeURIComponent(q)}${before}`, signal);
      all = all ? { ...found, newest: all.newest, scanned: all.scanned + found.scanned, requests: [...all.requests, ...found.requests] } : found;
      Object.assign(at, { why: null, list: all, q, searches: all.next != null && all.requests.length < wanted });
      app.redraw();
    } while (at.searches);
  } catch (error) {
    if (error.name === "AbortError") return;
    Object.assign(at, { why: error.message, searches: false });
    app.redraw();
  }
}

async function one(app) {
  const at = local(app), number = app.place.id;
  if (!number) return;
  if (at.one?.number === number) return;
  at.one = { number };
  try {
    at.one = { number, detail: await app.ask(`/v1/requests/${encodeURIComponent(number)}`) };
  } catch (error) { at.one = { number, why: error.message }; }
  app.redraw();
}

export const requests = {
  name: "requests", key: "2", title: "Requests",
  arrive(app) {
    const at = local(app);
    if (!at.list || at.q !== (app.place.query.q ?? "")) list(app);
    one(app);
  },
  // Newer ones are asked for as long as the list begins with the newest, and nobody reads further down.
  frame(app) {
    const at = local(app), box = document.querySelector(".list");
    const newest = app.known.set.recording?.newest;
    if (at.paused || at.searches || at.list?.requests.length > PAGE || (box?.scrollTop ?? 0) > 0) return;
    if (newest !== at.list?.newest && Date.now() - at.asked > 1000) list(app);
  },
  keys(app, { key }) {
    const all = local(app).list?.requests ?? [];
    if (key === "j" || key === "k") {
      const at = all.findIndex((line) => String(line.number) === app.place.id);
      const next = all[at < 0 ? 0 : Math.min(Math.max(at + (key === "j" ? 1 : -1), 0), all.length - 1)];
      if (next) app.go({ id: next.number, query: app.place.query });
    } else if (key === "Escape" && app.place.id) app.go({ id: null, query: app.place.query });
    else return false;
    return true;
  },
  draw(app) {
    const at = local(app), memory = app.known.set.recording ?? {};
    return html`<div class="title"><h1>Requests</h1><span class="grow"></span><span class="dim">${many(memory.requests ?? 0, "request")} in memory · ${bytes(memory.bytes ?? 0)}</span></div>
      <form class="line" role="search" aria-label="Requests" @submit=${(event) => { event.preventDefault(); app.go({ id: app.place.id, query: { q: event.target.elements.q.value } }); }}>
        <input name="q" type="search" class="mono" aria-label="Search requests" placeholder="service:map end:error >10ms, or a text of a value" autocomplete="off" .value=${app.place.query.q ?? ""}
          @search=${(event) => { if (!event.target.value) app.go({ id: app.place.id, query: {} }); }}>
        <button class="main">Search</button>
        ${[["errors", "end:error"], ["filtered", "end:filtered"]].map(([word, q]) => html`<a class="button" href="#/requests?q=${q}">${word}</a>`)}
        <button type="button" aria-pressed=${at.paused} @click=${() => { at.paused = !at.paused; if (!at.paused) list(app); app.redraw(); }}>${at.paused ? "Go on" : "Pause"}</button>
      </form>
      ${at.why ? html`<p class="bad" role="alert">${at.why}</p>` : nothing}
      <div class="columns two even"><section class="panel scrolls list" tabindex="0" aria-label="Requests">${lines(app, at)}</section>
        <section class="panel" aria-label="One request">${shown(app, at)}</section></div>`;
  },
};

function lines(app, at) {
  if (!at.list) return html`<p class="dim pad">Asking.</p>`;
  if (!at.list.requests.length) {
    return at.searches ? html`<p class="dim pad">Searching: ${many(at.list.scanned, "request")} looked at.</p>` : at.q ? html`<p class="dim pad">None of ${many(at.list.scanned, "request")} in memory matches.</p>` : html`<p class="dim pad">No request yet.
      ${app.known.set.url ? html`Try <code>curl ${app.known.set.url}</code> <button @click=${() => app.copy(`curl ${app.known.set.url}`, "command")}>Copy</button>` : nothing}</p>`;
  }
  const query = app.place.query.q ? `?q=${encodeURIComponent(app.place.query.q)}` : "";
  return html`<table class="wide"><thead><tr><th class="n">#</th><th>time</th><th>outcome</th><th class="n">total</th><th>value</th></tr></thead><tbody>
    ${at.list.requests.map((line) => html`<tr class=${String(line.number) === app.place.id ? "chosen" : ""} @click=${(event) => { if (!event.target.closest("a")) app.go({ id: line.number, query: app.place.query }); }}>
      <td class="n"><a href="#/requests/${line.number}${query}">${line.number}</a></td><td class="dim mono">${clock(line.at_ms)}</td><td>${pill(ending(line.end))}</td>
      <td class="n">${line.total_us ? micros(line.total_us) : "–"}</td><td class="cut mono">${line.by ? html`<span class="dim">by ${line.by}</span> ` : nothing}${line.value}</td></tr>`)}</tbody></table>
    ${at.searches || at.list.next == null ? nothing : html`<p><button @click=${() => list(app, { older: true })}>Older</button></p>`}`;
}

function shown(app, at) {
  if (!app.place.id) return html`<p class="dim">Choose a request to see its hops and values.</p>`;
  const { detail, why } = at.one ?? {};
  if (why) return html`<h2>Request ${app.place.id}</h2><p class="dim">${why}: the oldest make room for new ones.</p>`;
  if (!detail) return html`<p class="dim">Asking.</p>`;
  const { line, hops } = detail, number = line.number;
  const chosen = hops.find((hop) => String(hop.number) === app.place.query.hop) ?? hops.find((hop) => hop.service === line.by) ?? hops[hops.length - 1];
  const act = (what, command, done) => app.attempt(async () => done(await app.say({ command, request: number })), what);
  return html`<div class="title"><h2>Request ${number}</h2>${pill(ending(line.end))}<span class="dim">${line.total_us ? micros(line.total_us) : ""} · ${many(hops.length, "function")}</span></div>
    <p class="actions">${app.reads ? nothing : html`<button class="main" @click=${() => act("again", "again", (said) => { at.answer = { number, said }; })}>Send again</button>
      <button @click=${() => act("diff", "diff", (said) => { at.answer = { number, said }; })}>Compare with now</button>`}
      ${app.keptAt === null ? html`<button @click=${() => asTest(app, number)}>As a test</button>` : nothing}
      <button @click=${() => app.copy(curl(app, hops, line), "command")}>Copy as curl</button>
      <button @click=${() => app.copy(JSON.stringify(detail, null, 2), "request")}>Copy JSON</button></p>
    ${at.answer?.number === number ? answer(at.answer.said) : nothing}
    ${at.test?.number === number ? test(app, at.test.file) : nothing}
    <dl><dt>trace</dt><dd><button class="url mono" @click=${() => app.copy(line.trace, "trace id")}>${line.trace}</button> <a href="#/logs?q=${line.trace}">logs</a></dd>
      ${line.route ? html`<dt>route</dt><dd><code>${line.route}</code></dd>` : nothing}</dl>
    <div class="scrolls">${waterfall(app, hops, line, chosen)}</div>
    <h3>${chosen.service} <code class="dim">${chosen.version}</code></h3>
    <div class="columns values"><div><h4>received</h4>${chosen.inputs.length ? chosen.inputs.map((value, at) => html`<div class="given"><span class="key">${chosen.names?.[at] ?? at + 1}</span> ${tree(value)}</div>`) : html`<p class="dim">nothing</p>`}</div>
      <div><h4>returned</h4>${end(chosen.end)}</div></div>`;
}

function end(value) {
  if (value && typeof value === "object" && typeof value.end === "string") {
    return html`<p>${pill(ending(value.end))} ${value.message ? html`<span class="bad">${value.message}</span>` : nothing}</p>`;
  }
  return tree(value);
}

function answer(said) {
  if (said.answer === "called") {
    const { status, value, filtered_by: by, ms } = said;
    return html`<div class="answer"><h3>Sent again: ${pill(status < 300 ? [status === 204 ? "filtered" : String(status), status === 204 ? "dim" : "good"] : [String(status), "bad"])} <span class="dim">${micros(ms * 1000)}</span></h3>
      ${by ? html`<p class="dim">filtered by ${by}</p>` : tree(value)}</div>`;
  }
  const verdicts = said.verdicts ?? [];
  return html`<div class="answer"><h3>Compared with the code as it is now</h3>${verdicts.map((verdict) => {
    const { recorded, differ, changed } = verdict;
    return html`<p><strong>${verdict.service}</strong> ${differ ? html`<span class="warn">returns another value</span>` : recorded ? html`<span class="good">returns the same</span>` : html`<span class="dim">was not run</span>`}</p>
      ${Object.entries(verdict.skipped ?? {}).map(([why]) => html`<p class="dim">${why}</p>`)}
      ${(changed ?? []).map((change) => html`<p class="mono">${change.path || "the value"}: <del>${JSON.stringify(change.was) ?? "nothing"}</del> → <ins>${JSON.stringify(change.now) ?? "nothing"}</ins></p>`)}`;
  })}</div>`;
}

async function asTest(app, number) {
  const file = await app.attempt(() => app.ask(`/v1/requests/${number}/test`));
  if (file) local(app).test = { number, file };
  app.redraw();
}

function test(app, { file, text, calls, left_out: missing }) {
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = file;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return html`<div class="answer"><div class="title"><h3>${file}: ${many(calls, "call")} checked</h3><span class="grow"></span><button @click=${() => app.copy(text, "test")}>Copy</button><button @click=${save}>Save</button></div>
    ${Object.entries(missing ?? {}).map(([service, why]) => html`<p class="dim">${service}: ${why}</p>`)}<pre class="mono scrolls" tabindex="0" role="region" aria-label="Test">${text}</pre></div>`;
}

// Hops as a person reads them: who was asked first stands first, and below it those that it waited for.
function order(hops) {
  const below = (parent, depth) => hops.filter((hop) => (hop.parent ?? null) === parent).sort((a, b) => a.start_us - b.start_us)
    .flatMap((hop) => [[hop, depth], ...below(hop.number, depth + 1)]);
  return below(null, 0);
}

function waterfall(app, hops, line, chosen) {
  const all = line.total_us || Math.max(...hops.map((hop) => hop.start_us + Math.max(hop.total_us, hop.function_ns / 1000)), 1);
  const at = (us) => `${Math.min((us * 100) / all, 100)}%`;
  const part = (us) => `${Math.max((us * 100) / all, 0.4)}%`;
  const query = { ...app.place.query };
  return html`<table class="wide waterfall"><thead><tr><th>service</th><th class="n">total</th><th class="n">function</th><th class="time">0 – ${micros(all)}</th></tr></thead><tbody>
    ${order(hops).map(([hop, depth]) => html`<tr class=${hop === chosen ? "chosen" : ""} @click=${() => app.refine({ hop: hop.number })}>
      <td><span class="deep">${"\u2003".repeat(Math.min(depth, 8))}</span><button class="plain" @click=${() => app.refine({ ...query, hop: hop.number })}>${hop.service}</button></td>
      <td class="n">${hop.total_us ? micros(hop.total_us) : "–"}</td><td class="n dim">${nanos(hop.function_ns)}</td>
      <td class="time"><svg width="100%" height="12" aria-hidden="true">${svg`<rect class="upstream" x=${at(hop.start_us)} width=${part(hop.total_us)} height="12" rx="2"></rect>
        <rect class="fn" x=${at(Math.max(hop.start_us + hop.total_us - hop.function_ns / 1000, hop.start_us))} width=${part(hop.function_ns / 1000)} height="12" rx="2"></rect>`}</svg></td></tr>`)}</tbody></table>
    <p class="dim small"><span class="legend"><i class="upstream"></i>all of it, waiting for others included</span><span class="legend"><i class="fn"></i>function</span></p>`;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(app, hops, line) {
  const root = hops.find((hop) => !hop.parent) ?? hops[hops.length - 1];
  const fed = new Set(hops.filter((hop) => hop.parent === root.number).map((hop) => JSON.stringify(hop.end)));
  const given = root.inputs.map((value, at) => [root.names?.[at], value]).filter(([name, value]) => name && !fed.has(JSON.stringify(value)));
  const service = app.known.services[root.service];
  const url = service?.url ?? app.known.set.url ?? "";
  const route = line.route ? ` -H ${quoted(`Dyninka-Route: ${line.route}`)}` : "";
  const body = given.length ? ` -H 'content-type: application/json' -d ${quoted(JSON.stringify(Object.fromEntries(given)))}` : "";
  return `curl${route}${body} ${url}`;
}
