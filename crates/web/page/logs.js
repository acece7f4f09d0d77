// Logs: lines of all services or of one, followed or searched. Only the rows in view exist.
import { html, nothing } from "./lit-html.js";
import { count, moment } from "./words.js";

const ROW = 20, MOST = 20000, AROUND = 20;
const local = (app) => (app.local.logs ??= { all: [], lost: 0, top: 0, follow: true, unseen: 0, found: null, cleared: 0 });
const shown = (app) => { const at = local(app); return app.place.query.q ? at.found ?? [] : at.all; };
const box = () => document.querySelector(".lines");

async function find(app) {
  const at = local(app), { q, s } = app.place.query;
  at.follow = !q;
  if (!q) { at.found = null; return app.redraw(); }
  const asked = `${q}|${s ?? ""}`;
  at.asked = asked;
  const found = await app.attempt(() => app.lines(`/v1/logs?last=5000&q=${encodeURIComponent(q)}${s ? `&service=${encodeURIComponent(s)}` : ""}`));
  if (found && at.asked === asked) at.found = found;
  return app.redraw();
}

export const logs = {
  name: "logs", key: "4", title: "Logs",
  look: (app) => ({ logs: true, service: app.known.services[app.place.query.s] ? app.place.query.s : null }),
  arrive: find,
  // Lines that the session tells; what is no line says how many are missing.
  take(app, { lines = [], anew }) {
    const at = local(app);
    if (anew) Object.assign(at, { all: [], lost: 0, unseen: 0, top: 0, follow: !app.place.query.q });
    const fresh = lines.filter((line) => line.line !== undefined);
    for (const line of lines) if (line.event === "lost") at.lost += line.n;
    at.all = at.all.concat(fresh);
    // The row under the pointer stays where it is: what goes out above is taken off the way down.
    const over = at.all.length - MOST;
    if (over > 0) {
      at.all = at.all.slice(over);
      if (!at.follow && box()) { at.top = Math.max(at.top - over * ROW, 0); box().scrollTop = at.top; }
    }
    if (!at.follow) at.unseen += fresh.length;
  },
  drawn(app) {
    const at = local(app), lines = box();
    if (lines && at.follow && !app.place.query.q) lines.scrollTop = lines.scrollHeight;
  },
  keys(app, { key }) {
    const lines = box();
    if (!lines) return false;
    if (key === "j" || key === "k") lines.scrollTop += key === "j" ? ROW : -ROW;
    else if (key === "g") lines.scrollTop = 0;
    else if (key === "G" || key === "f") end(app);
    else return false;
    return true;
  },
  draw(app) {
    const at = local(app), lines = shown(app), { q, s } = app.place.query;
    const height = box()?.clientHeight ?? 600;
    const first = Math.max(Math.min(Math.floor(at.top / ROW) - AROUND, lines.length - AROUND), 0);
    const rows = at.follow && !q ? lines.slice(-Math.ceil(height / ROW) - AROUND) : lines.slice(first, first + Math.ceil(height / ROW) + 2 * AROUND);
    const before = at.follow && !q ? lines.length - rows.length : first;
    const after = Math.max(lines.length - before - rows.length, 0);
    return html`<div class="title"><h1>Logs</h1><span class="grow"></span><span class="dim">${count(lines.length)} lines${q ? " found" : ""}${at.lost ? `, ${count(at.lost)} missing` : ""}</span></div>
      <form class="line" role="search" aria-label="Lines" @submit=${(event) => { event.preventDefault(); app.go({ id: null, query: { s, q: event.target.elements.q.value } }); }}>
        <label class="side">Service <select @change=${(event) => app.go({ id: null, query: { q, s: event.target.value } })}><option value="">all</option>${app.known.order.map((name) => html`<option .selected=${name === s}>${name}</option>`)}</select></label>
        <input name="q" type="search" class="mono" aria-label="Search the lines that are kept" placeholder="a text of a line" autocomplete="off" .value=${q ?? ""} @search=${(event) => { if (!event.target.value && q) app.go({ id: null, query: { s } }); }}>
        <button class="main">Search</button>
        <button type="button" aria-pressed=${at.follow && !q} ?disabled=${Boolean(q)} @click=${() => (at.follow ? stop(app) : end(app))}>Follow</button>
        <button type="button" @click=${() => app.copy(lines.map(text).join("\n"), "lines")}>Copy</button>
        <button type="button" @click=${() => save(app, lines)}>Save</button>
      </form>
      <section class="panel flush"><div class="lines mono" tabindex="0" aria-label="Lines" @scroll=${(event) => scrolled(app, event.target)}>
        <svg width="1" height=${before * ROW} aria-hidden="true"></svg>
        ${rows.map((line) => html`<div class="row ${line.stream}"><span class="dim">${moment(line.at_ms)}</span><span class="who">${line.service}</span><span>${coloured(line.line)}</span></div>`)}
        <svg width="1" height=${after * ROW} aria-hidden="true"></svg>
        ${lines.length ? nothing : html`<p class="dim pad">${q ? "No line that is kept has this text." : "No line yet: services write with println! or log crates."}</p>`}
      </div>${at.unseen && !at.follow && !q ? html`<button class="main fresh" @click=${() => end(app)}>${count(at.unseen)} new</button>` : nothing}</section>`;
  },
};

const text = (line) => `${moment(line.at_ms)} ${line.service} ${line.line.replace(ESCAPES, "")}`;

function scrolled(app, lines) {
  const at = local(app);
  const below = lines.scrollHeight - lines.scrollTop - lines.clientHeight, before = at.top;
  at.top = lines.scrollTop;
  // Upwards by hand: it stands still from here on.
  if (at.follow && at.top < before && below > 2) { at.follow = false; at.unseen = 0; }
  else if (!at.follow && below < 2 && !app.place.query.q) { at.follow = true; at.unseen = 0; }
  app.redraw();
}

function stop(app) { const at = local(app); at.follow = false; at.unseen = 0; at.top = box().scrollTop - 1; app.redraw(); }
function end(app) { const at = local(app); at.follow = true; at.unseen = 0; app.redraw(); }

function save(app, lines) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.map(text).join("\n") + "\n"], { type: "text/plain" }));
  link.download = `${app.known.set.app ?? "app"}.log`;
  link.click();
  URL.revokeObjectURL(link.href);
}

// Colours of the terminal as classes; whatever else steers a terminal is left out.
const ESCAPES = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]/g;

export function coloured(line) {
  if (line.length > 4000) line = `${line.slice(0, 4000)}… ${line.length} characters`;
  let style = "", from = 0;
  const parts = [];
  const add = (until) => { if (until > from) parts.push(style ? html`<span class=${style}>${line.slice(from, until)}</span>` : line.slice(from, until)); };
  for (const found of line.matchAll(ESCAPES)) {
    add(found.index);
    from = found.index + found[0].length;
    const codes = found[0].match(/^\x1b\[([0-9;]*)m$/)?.[1];
    if (codes === undefined) continue;
    for (const code of codes.split(";").map(Number)) {
      if (code === 0) style = "";
      else if (code === 1) style += " strong";
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) style = `${style.replace(/ a\d/g, "")} a${code % 10}`;
    }
  }
  add(line.length);
  return parts;
}
