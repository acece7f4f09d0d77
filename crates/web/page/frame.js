// What stands around every page: header, rail, broken file, lost session, questions. Pure.
import { html, nothing } from "./lit-html.js";
import { edits, phase } from "./state.js";
import { ago, many, millis, outcomes } from "./words.js";
import { flow } from "./flow.js";
import { requests } from "./requests.js";
import { call } from "./call.js";
import { logs } from "./logs.js";
import { editsPage } from "./edits.js";
import { cluster } from "./cluster.js";
import { jobsPage } from "./jobs.js";
import { nodesPage } from "./nodes.js";
import { dataPage } from "./data.js";

const pages = [flow, requests, call, logs, editsPage, cluster, jobsPage, nodesPage, dataPage];

// Those that there is something for: of a cluster its services, of a file what was kept in it.
export const pagesOf = (app) => (app.pictures ? [flow] : app.keptAt === null ? pages : [flow, requests, logs, editsPage, cluster]);

export const pill = ([word, tone]) => html`<span class="pill ${tone}"><i aria-hidden="true"></i>${word}</span>`;

export function chrome(app, page) {
  if (app.link === "out" || app.link === "full") return closed(app);
  return html`
    <header>
      <a class="skip" href=${location.hash || "#/flow"} @click=${(event) => { event.preventDefault(); document.querySelector("main").focus(); }}>Skip to the page</a>
      <strong class="app">${app.known.set.app ?? "dyn"}</strong>
      <span role="status" aria-live="polite">${pill(phase(app.known, app.link))}</span>
      ${app.keptAt !== null ? html`<span class="pill">kept ${new Date(app.keptAt).toLocaleString()}</span>` : app.reads ? html`<span class="pill warn" title="Every page shows itself, and nothing can be changed from here">may look only</span>` : nothing}
      <span class="dim backend">${app.known.set.backend ?? ""}</span>
      ${app.known.set.url ? html`<button class="url" title="Copy the address of the public listener" @click=${() => app.copy(app.known.set.url, "address")}>${app.known.set.url}</button>` : nothing}
      <span class="grow"></span>
      <span class="dim edit">${lastEdit(app)}</span>
      ${app.pictures || app.keptAt !== null ? nothing : html`<button class="save" title="Save the session to one file" @click=${() => { app.overlay = "save"; app.redraw(); }}>Save…</button>`}
      ${search(app)}
      <button class="icon" title="Light or dark" aria-label="Switch between light and dark" @click=${app.switchTheme}>◐</button>
    </header>
    <nav aria-label="Pages">
      ${pagesOf(app).map((one) => html`<a href="#/${one.name}" class=${one === page ? "chosen" : ""} aria-current=${one === page ? "page" : nothing}>
        <span>${one.title}</span><kbd aria-hidden="true">${one.key}</kbd></a>`)}
      <span class="grow"></span>
      <button class="keys" @click=${() => { app.overlay = app.overlay === "keys" ? null : "keys"; app.redraw(); }}><span>Keys</span><kbd aria-hidden="true">?</kbd></button>
    </nav>
    <main tabindex="-1" class=${app.link === "lost" ? "old" : ""}>
      ${lost(app)}${broken(app)}
      ${app.known.seq ? drawn(app, page) : html`<h1>${page.title}</h1><p class="dim">Waiting for the session's first picture.</p>`}
    </main>
    <div class="notices" aria-live="polite">${app.notice ? html`<p class="notice ${app.notice.tone}">${app.notice.text}
      <button class="icon" aria-label="Close" @click=${() => { app.notice = null; app.redraw(); }}>×</button></p>` : nothing}</div>
    ${app.overlay === "keys" ? keys(app, page) : app.overlay === "save" ? save(app) : nothing}${app.question ? question(app) : nothing}`;
}

// A page, or the reason why it cannot be drawn: a value that is not as this page knows it spoils no other page.
function drawn(app, page) {
  try {
    const parts = page.draw(app);
    app.undrawn = null;
    return parts;
  } catch (error) {
    if (app.undrawn !== error.message) console.error(error);
    app.undrawn = error.message;
    return html`<h1>${page.title}</h1><section class="banner bad" role="alert"><strong>This page cannot be drawn</strong> <span>${error.message}. Load it anew, or look at another page.</span></section>`;
  }
}

function closed(app) {
  const full = app.link === "full";
  return html`<main class="closed" tabindex="-1"><h1>${full ? "Too many pages" : "This browser was not let in"}</h1>
    <p>${full ? "16 pages of this session are open. Close one of them, and load this one anew." : app.refused ?? "A link lets a browser in, once."}</p>
    ${full ? nothing : html`<p>Press <kbd>w</kbd> in the view of the session, or run <code>dyn ui FILE</code>.</p>`}</main>`;
}

function lastEdit(app) {
  const [edit] = edits(app.known).filter((edit) => edit.edit > 0);
  if (!edit) return nothing;
  const [word] = outcomes[edit.outcome.outcome];
  const took = edit.ms ? ` after ${millis(edit.ms.total)}` : "";
  return html`<a href="#/edits/${edit.edit}">edit ${edit.edit}</a> ${word}${took}`;
}

function lost(app) {
  if (app.link !== "lost") return nothing;
  const file = app.known.set.file ?? "FILE";
  if (app.pictures) return html`<section class="banner bad" role="alert"><strong>The program that looks at the cluster ended</strong>
    <span>since ${ago(Date.now() - (app.lostAt ?? Date.now()))}. What stands here is its last picture. Start it again with <code>dyn ui ${file} --cluster</code>.</span></section>`;
  return html`<section class="banner bad" role="alert"><strong>The session ended or does not answer</strong>
    <span>since ${ago(Date.now() - (app.lostAt ?? Date.now()))}. What stands here is its last picture.
    Start it again with <code>dyn dev ${file}</code>: this page follows.</span></section>`;
}

function broken(app) {
  const found = (app.known.set.diagnostics ?? []).filter((one) => one.severity === "error");
  if (!found.length || app.put === app.known.set.edit) return nothing;
  return html`<section class="banner bad" role="alert">
    <strong>${many(found.length, "error")} in the file; the version before still serves</strong>
    <button class="icon" aria-label="Put aside" @click=${() => { app.put = app.known.set.edit; app.redraw(); }}>×</button>
    ${found.slice(0, 4).map(diagnostic)}${found.length > 4 ? html`<p class="dim">${found.length - 4} more on the page Edits</p>` : nothing}
  </section>`;
}

export function diagnostic({ file, line, column, message, help }) {
  return html`<p class="diagnostic"><code>${file ? `${file.split("/").pop()}:${line}:${column}` : ""}</code> ${message}
    ${help ? html`<span class="dim">${help}</span>` : nothing}</p>`;
}

function search(app) {
  const text = app.search.trim();
  const names = text ? app.known.order.filter((name) => name.includes(text.toLowerCase())).slice(0, 6) : [];
  const go = (to) => { app.search = ""; document.activeElement?.blur(); app.go(to); };
  const found = text ? [
    ...names.map((name) => [name, "service", { page: "flow", id: name }]),
    ...(app.pictures ? [] : [[text, "in requests", { page: "requests", id: null, query: { q: text } }], [text, "in logs", { page: "logs", id: null, query: { q: text } }]]),
  ] : [];
  return html`<div class="search" role="search" aria-label="Everything">
    <input id="search" type="search" placeholder="Search" aria-label="Search services, requests, logs" autocomplete="off" .value=${app.search}
      @input=${(event) => { app.search = event.target.value; app.redraw(); }}
      @keydown=${(event) => {
        if (event.key === "Enter" && found.length) { event.preventDefault(); go(found[0][2]); }
        if (event.key === "ArrowDown") { event.preventDefault(); event.target.parentElement.querySelector("li button")?.focus(); }
      }}>
    ${found.length ? html`<ul>${found.map(([word, where, to]) => html`<li><button @click=${() => go(to)}>${word} <span class="dim">${where}</span></button></li>`)}</ul>` : nothing}
  </div>`;
}

const KEYS = [
  ["1 – 9", "pages"], ["j k", "next, previous row"], ["enter", "open what has the focus"], ["/", "search"],
  ["ctrl-k", "search everything"], ["esc", "leave an input, close what is open"], ["+ −", "longer, shorter window (Flow)"], ["?", "these keys"],
];

function keys(app) {
  const close = () => { app.overlay = null; app.redraw(); };
  return html`<dialog aria-labelledby="keys" @close=${close} @click=${(event) => { if (event.target.tagName === "DIALOG") close(); }}>
    <h2 id="keys">Keys</h2><table>${KEYS.map(([key, what]) => html`<tr><th scope="row"><kbd>${key}</kbd></th><td>${what}</td></tr>`)}</table>
    <p class="dim">None of them acts while you type.</p><p><button autofocus @click=${close}>Close</button></p></dialog>`;
}

// Requests that are kept in a file.
const LAST = 200;

function save(app) {
  const close = () => { app.overlay = null; app.redraw(); };
  const { recording = {}, app: name = "app" } = app.known.set;
  const href = (values) => `/bundle?last=${LAST}&values=${values}`;
  return html`<dialog aria-labelledby="save" @close=${close}><h2 id="save">Save the session to one file</h2>
    <p>It opens in any browser, without dyn and without a network: flow, figures, ${many(Math.min(recording.requests ?? 0, LAST), "request")}, log lines, and ${many(edits(app.known).filter((edit) => edit.edit > 0).length, "edit")}.</p>
    <p class="dim">Values that --redact names are blank in it; log lines are as services wrote them.</p>
    <p class="actions"><button autofocus @click=${close}>Cancel</button> <a class="button" href=${href(false)} download="${name}.html" @click=${close}>Save without values and lines</a> <a class="button main" href=${href(true)} download="${name}.html" @click=${close}>Save</a></p></dialog>`;
}

function question(app) {
  const { question: text, yes, act, back } = app.question;
  const close = () => { app.question = null; app.redraw(); back?.focus?.(); };
  // The focus begins on the way out.
  return html`<dialog aria-labelledby="question" @close=${close}><h2 id="question">${text}</h2>
    <p><button autofocus @click=${close}>Cancel</button> <button class="main" @click=${() => { close(); act(); }}>${yes}</button></p></dialog>`;
}
