// Data: places by buckets, copies, objects, and a change of settings that is planned before it is applied.
import { html, nothing } from "./lit-html.js";
import { asked, deed, follow, read } from "./beside.js";
import { pill } from "./frame.js";
import { changed, change } from "./dataplan.js";
import { ago, bytes, clock, count, many } from "./words.js";

export const TONES = {
  master: "good", whole: "good", up: "good", following: "busy", filled: "busy", filling: "busy", moving: "busy", leaving: "dim", behind: "warn", paused: "warn", unknown: "dim",
  held: "bad", away: "bad", refusing: "bad",
};
const LIMIT = 1000;
const local = (app) => (app.local.data ??= { found: null, why: null, missing: false, timer: null, objects: null, change: null, prefix: "", settings: null });
const CATALOG = "/beside/data/catalog";
const part = encodeURIComponent;

async function objects(app, { more = false } = {}) {
  const at = local(app), bucket = app.place.id, prefix = at.prefix;
  if (!bucket) { at.objects = null; return; }
  const after = more ? at.objects.list.at(-1)?.key ?? "" : "";
  try {
    const list = await asked(app, `/beside/data/objects/${part(bucket)}?prefix=${part(prefix)}&after=${part(after)}`);
    if (app.place.id !== bucket || at.prefix !== prefix) return;
    at.objects = { bucket, list: more ? [...at.objects.list, ...list] : list, isWhole: list.length < LIMIT };
  } catch (error) { at.objects = { bucket, list: [], isWhole: true, why: error.message }; }
  app.redraw();
}

// What is not of every second: what happened, and what somebody wrote into copies.
async function told(app) {
  const at = local(app), now = JSON.stringify(at.found);
  if (!at.found || at.told === now) return;
  at.told = now;
  try {
    const [events, conflicts] = await Promise.all([asked(app, "/beside/data/events"), asked(app, "/beside/data/conflicts")]);
    Object.assign(at, { events, conflicts, toldWhy: null });
  } catch (error) { at.toldWhy = error.message; }
  app.redraw();
}

function go(app) {
  const at = local(app);
  follow(app, "data", CATALOG, local, told);
  if (at.objects?.bucket !== (app.place.id ?? undefined)) { at.objects = null; at.prefix = ""; if (!at.missing && app.place.id) objects(app); }
}

export const dataPage = {
  name: "data", key: "9", title: "Data",
  arrive: go,
  frame: go,
  keys(app, { key }) {
    const names = Object.keys(local(app).found?.buckets ?? {}), here = names.indexOf(app.place.id);
    if (key === "j" || key === "k") {
      const next = names[here < 0 ? 0 : Math.min(Math.max(here + (key === "j" ? 1 : -1), 0), names.length - 1)];
      if (next) app.go({ id: next });
    } else if (key === "Escape" && app.place.id) app.go({ id: null });
    else return false;
    return true;
  },
  draw(app) {
    const at = local(app), view = at.found;
    if (at.missing) return html`<h1>Data</h1><section class="panel"><p>No buckets are kept in step from this machine: ${at.why}.</p>
      <p>A bucket is written at one store, and has copies at others. <code>dyn data serve --config data.toml</code> starts the server.</p></section>`;
    if (!view) return html`<h1>Data</h1><p class=${at.why ? "bad" : "dim"}>${at.why ?? "Asking the data server of this machine."}</p>`;
    const buckets = Object.entries(view.buckets), all = (of) => buckets.reduce((sum, [, bucket]) => sum + bucket[of], 0);
    return html`<div class="title"><h1>Data</h1><span class="grow"></span><span class="dim">${many(Object.keys(view.stores).length, "store")} · ${many(buckets.length, "bucket")} · ${many(all("objects"), "object")} · ${bytes(all("bytes"))}</span>
        ${app.reads || at.change ? nothing : html`<button @click=${() => change(app, at, { kind: "bucket" })}>Add a bucket</button><button @click=${() => change(app, at, { kind: "store" })}>Add a store</button>`}</div>
      ${at.why ? html`<section class="banner bad" role="alert"><strong>The data server does not answer</strong> <span>${at.why}. What stands here is its last picture.</span></section>` : nothing}
      ${at.change ? changed(app, at, () => read(app, CATALOG, at)) : nothing}
      ${matrix(app, view)}
      ${view.buckets[app.place.id] ? one(app, app.place.id, view.buckets[app.place.id]) : nothing}
      ${places(app, view)}
      ${stores(app, view)}
      ${happened(at)}`;
  },
};

// A row for each bucket, a column for each store, stores of a place beside each other.
function matrix(app, view) {
  const stores = Object.entries(view.stores).sort(([a, one], [b, other]) => one.place.localeCompare(other.place) || a.localeCompare(b));
  const buckets = Object.entries(view.buckets);
  if (!buckets.length) return html`<section class="panel"><p class="dim">There is no bucket yet.</p></section>`;
  const cell = (bucket, store) => {
    if (bucket.master === store) return pill(["master", bucket.state === "held" ? "bad" : "good"]);
    const copy = bucket.replicas[store];
    if (!copy) return html`<span class="dim">–</span>`;
    return html`${pill([copy.state, TONES[copy.state] ?? "dim"])}${copy.pending ? html` <span class="dim">${count(copy.pending)} to copy</span>` : nothing}`;
  };
  return html`<section class="panel scrolls" aria-label="Buckets by places"><h2>Buckets by places</h2><table class="wide"><thead><tr><th>bucket</th><th>state</th><th>zones</th><th class="n">objects</th><th class="n">bytes</th>
      ${stores.map(([name, store]) => html`<th title=${store.zones.join(", ")}>${name} <span class="dim">${store.place === name ? "" : store.place}</span></th>`)}</tr></thead><tbody>
    ${buckets.map(([name, bucket]) => html`<tr class=${name === app.place.id ? "chosen" : ""} @click=${(event) => { if (!event.target.closest("a")) app.go({ id: name }); }}><td><a href="#/data/${part(name)}">${name}</a></td>
      <td>${pill([bucket.state, TONES[bucket.state] ?? "dim"])}</td><td>${bucket.zones.join(", ") || html`<span class="dim">anywhere</span>`}</td><td class="n">${count(bucket.objects)}</td><td class="n">${bytes(bucket.bytes)}</td>
      ${stores.map(([store]) => html`<td>${cell(bucket, store)}</td>`)}</tr>`)}</tbody></table></section>`;
}

function one(app, name, bucket) {
  const at = local(app), copies = Object.entries(bucket.replicas), found = at.objects?.bucket === name ? at.objects : null;
  const act = (what, body, said) => app.attempt(async () => { await deed(`/beside/data/buckets/${part(name)}/${what}`, body); app.tell(said); await read(app, CATALOG, at); });
  const verify = () => app.attempt(async () => {
    const seen = await deed(`/beside/data/buckets/${part(name)}/verify`);
    app.tell(verified(seen), seen.wrong.length ? "warn" : "dim");
  });
  return html`<section class="panel" aria-label="One bucket"><div class="title"><h2>${name}</h2>${pill([bucket.state, TONES[bucket.state] ?? "dim"])}<span class="dim">change ${bucket.head}</span><span class="grow"></span>
      ${app.reads ? nothing : html`<span class="actions">
        ${bucket.state === "held" ? html`<button class="main" @click=${() => app.confirm(`Is the master of ${name} right? What vanished there is then deleted at its copies, for good.`, "The master is right", () => act("release", {}, "copying goes on"))}>Release…</button>` : nothing}
        ${bucket.state === "paused" ? html`<button @click=${() => act("resume", {}, "copying goes on")}>Resume</button>` : html`<button @click=${() => act("pause", {}, "nothing is copied until you resume")}>Pause</button>`}
        <button @click=${verify}>Compare all bytes</button>
        <button @click=${() => change(app, at, { kind: "bucket", name })}>Change…</button>
        <button @click=${() => change(app, at, { kind: "forget bucket", name })}>Forget…</button></span>`}</div>
    ${bucket.why ? html`<p class="bad">${bucket.why}</p>` : nothing}
    <table class="wide"><thead><tr><th>store</th><th>is</th><th class="n">has all up to</th><th class="n">to copy</th><th class="n">given up</th><th>trouble</th><th></th></tr></thead><tbody>
      <tr><td>${bucket.master}</td><td>${pill(["master", "good"])}</td><td class="n">${bucket.head}</td><td class="n">–</td><td class="n">–</td><td></td><td></td></tr>
      ${copies.map(([store, copy]) => html`<tr><td>${store}</td><td>${pill([copy.state, TONES[copy.state] ?? "dim"])}</td><td class="n">${copy.through}</td><td class="n">${count(copy.pending)}</td><td class="n ${copy.failed ? "bad strong" : ""}">${count(copy.failed)}</td><td>${copy.trouble ?? ""}</td>
        <td>${app.reads || copy.state === "leaving" ? nothing : html`<button @click=${() => app.confirm(promotion(name, store, copy), "Make it the master", () => act("promote", { store, lose: copy.pending }, `${store} is the master of ${name}`))}>Make it the master…</button>`}</td></tr>`)}</tbody></table>
    <form class="line" role="search" aria-label="Objects" @submit=${(event) => { event.preventDefault(); objects(app); }}><h3>Objects</h3>
      <input type="search" placeholder="Keys that begin with" aria-label="Keys that begin with" .value=${at.prefix} @input=${(event) => { at.prefix = event.target.value; objects(app); }}></form>
    ${found?.why ? html`<p class="bad">${found.why}</p>` : nothing}
    ${!found ? html`<p class="dim">Asking.</p>` : !found.list.length ? html`<p class="dim">${at.prefix ? "No key begins so." : "It is empty."}</p>` : html`<div class="scrolls objects"><table class="wide"><thead><tr><th>key</th><th class="n">size</th><th class="n">change</th><th>tag</th></tr></thead><tbody>
      ${found.list.map((object) => html`<tr><td class="mono">${object.key}</td><td class="n">${bytes(object.size)}</td><td class="n">${object.version}</td><td class="mono dim">${object.tag}</td></tr>`)}</tbody></table></div>
      ${found.isWhole ? nothing : html`<p><button @click=${() => objects(app, { more: true })}>More</button></p>`}`}</section>`;
}

export const promotion = (name, store, copy) =>
  copy.pending ? `Make ${store} the master of ${name}? ${many(copy.pending, "object")} of the present master ${copy.pending === 1 ? "is" : "are"} not there yet, and will be lost.` : `Make ${store} the master of ${name}? It has every change.`;

export const verified = ({ copies, bytes: read, wrong }) =>
  wrong.length ? `${many(wrong.length, "copy", "copies")} differed and ${wrong.length === 1 ? "is" : "are"} copied again: ${wrong.slice(0, 3).map(({ store, key }) => `${key} at ${store}`).join(", ")}`
    : `${many(copies, "copy", "copies")} read, ${bytes(read)}: all as at the master`;

// Instances of the app's services, each with its place.
const instances = (app) => Object.values(app.known?.services ?? {}).flatMap((service) => (service.instances?.length ? service.instances : [service])).filter((one) => one.at);

// A row for each place: what it is, what it holds, and the functions that run there.
function places(app, view) {
  const here = (of, place, member = "place") => of.filter((one) => one[member] === place).map((one) => one.name);
  const named = (of) => Object.entries(of ?? {}).map(([name, one]) => ({ ...one, name }));
  const all = named(view.places), [stores, endpoints, running] = [named(view.stores), named(view.endpoints), instances(app)];
  if (!all.length) return nothing;
  const served = (one) => html`<div>${one.name} <span class="dim">for ${one.buckets.join(", ") || "no bucket"}</span> <span class="bad">${one.trouble ?? ""}</span></div>`;
  return html`<section class="panel scrolls" aria-label="Places"><h2>Places</h2><table class="wide"><thead><tr><th>place</th><th>zones</th><th>labels</th><th>stores</th><th>instances of this app</th><th>endpoints of the door</th></tr></thead><tbody>
    ${all.map((place) => html`<tr><td>${place.name}</td><td>${place.zones.join(", ")}</td><td>${place.labels.join(", ")}</td><td>${here(stores, place.name).join(", ")}</td><td>${here(running, place.name, "at").join(", ")}</td><td>${endpoints.filter((one) => one.place === place.name).map(served)}</td></tr>`)}</tbody></table>
    ${view.routes?.length ? html`<h3>Rules for requests</h3><ol>${view.routes.map((rule) => html`<li>${ruled(rule)}</li>`)}</ol>` : nothing}</section>`;
}

// A rule in words: what it matches, and where that goes.
function ruled({ match, policy, places = [], endpoints = [] }) {
  const of = Object.entries(match).map(([what, value]) => `${what} ${JSON.stringify(value)}`);
  return `${of.join(", ") || "any request"} → ${[...places, ...endpoints].join(", ") || "where its data is"}${policy ? ` by ${policy}` : ""}`;
}

function stores(app, view) {
  const at = local(app);
  return html`<section class="panel scrolls" aria-label="Stores"><h2>Stores</h2><table class="wide"><thead><tr><th>store</th><th>state</th><th>place</th><th class="n">used</th><th>trouble</th><th></th></tr></thead><tbody>
    ${Object.entries(view.stores).map(([name, store]) => html`<tr><td>${name}</td><td>${pill([store.state, TONES[store.state] ?? "dim"])}</td><td>${store.place}</td><td class="n">${bytes(store.used)}</td><td>${store.trouble ?? ""}</td>
      <td>${app.reads ? nothing : html`<button @click=${() => change(app, at, { kind: "forget store", name })}>Forget…</button>`}</td></tr>`)}</tbody></table></section>`;
}

function happened(at) {
  const events = (at.events ?? []).slice(-50).reverse(), conflicts = at.conflicts ?? [];
  return html`${at.toldWhy ? html`<p class="bad" role="alert">${at.toldWhy}</p>` : nothing}
    ${conflicts.length ? html`<section class="panel scrolls" aria-label="Conflicts"><h2>Written into copies, and kept aside</h2><table class="wide"><thead><tr><th>bucket</th><th>store</th><th>key</th><th>kept as</th><th class="n">seen</th></tr></thead><tbody>
      ${conflicts.map((one) => html`<tr><td>${one.bucket}</td><td>${one.store}</td><td class="mono">${one.key}</td><td class="mono">${one.kept}</td><td class="n dim">${ago(Date.now() - one.at)}</td></tr>`)}</tbody></table></section>` : nothing}
    ${events.length ? html`<section class="panel scrolls" aria-label="Events"><h2>What happened</h2><table><tbody>${events.map((one) => html`<tr><td class="dim">${clock(one.at)}</td><td>${sentence(one.event)}</td></tr>`)}</tbody></table></section>` : nothing}`;
}

// An event in words: its name, and what it is about.
export function sentence(event) {
  const { kind, ...about } = event;
  return `${kind.replaceAll("-", " ")}: ${Object.entries(about).map(([key, value]) => `${key} ${value}`).join(", ")}`;
}
