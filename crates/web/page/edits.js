// Edits: what was saved, what became of it, and what it changed in the results of functions.
import { html, svg, nothing } from "./lit-html.js";
import { diagnostic, pill } from "./frame.js";
import { edits } from "./state.js";
import { ago, many, millis, nanos, outcomes } from "./words.js";

const TIMES = [["settle", "settle"], ["parse", "read"], ["build", "build"], ["takeover", "takeover"], ["first_response", "first answer"]];
const chosen = (app) => app.known.edits[app.place.id] ?? edits(app.known)[0];

export const editsPage = {
  name: "edits", key: "5", title: "Edits",
  keys(app, { key }) {
    if (key !== "j" && key !== "k") return false;
    const all = edits(app.known), at = all.indexOf(chosen(app)) + (key === "j" ? 1 : -1);
    if (all[at]) app.go({ id: all[at].edit });
    return true;
  },
  draw(app) {
    const { totals } = app.known.set, edit = chosen(app);
    return html`<div class="title"><h1>Edits</h1><span class="grow"></span>
        <span class="dim">${totals?.n ? `save to live p50 ${millis(totals.p50)}, p95 ${millis(totals.p95)}, n ${totals.n}` : ""}</span></div>
      <div class="columns list"><section class="panel flush scrolls" aria-label="Edits"><ul class="cards">${edits(app.known).map((one) => card(app, one, one === edit))}</ul></section>
        <section class="panel" aria-label="One edit">${edit ? detail(app, edit) : html`<p class="dim">No edit yet: save the file.</p>`}</section></div>`;
  },
};

const title = (edit) => (edit.edit === 0 ? "start" : `edit ${edit.edit}`);
const verdicts = (edit) => (edit.judgement?.state === "done" ? edit.judgement.verdicts : []);

function card(app, edit, isChosen) {
  return html`<li class=${isChosen ? "chosen" : ""}><a href="#/edits/${edit.edit}" aria-current=${isChosen ? "true" : nothing}><span class="title"><strong>${title(edit)}</strong>${pill(outcomes[edit.outcome.outcome])}<span class="dim">${ago(app.known.now - edit.at_ms)}</span>
    <span class="grow"></span><span class="dim">${edit.ms ? millis(edit.ms.total) : ""}</span></span>
    <span>${edit.edit === 0 ? many(edit.services.length, "service") : edit.services.map((one) => html`<strong>${one.name}</strong>: ${one.reason} `)}${edit.flow && edit.edit ? "the flow changed" : ""}</span>
    <span class="dim">${summary(edit)}</span></a></li>`;
}

function summary(edit) {
  if (edit.outcome.outcome === "broken") return many(edit.outcome.errors, "error");
  if (edit.outcome.outcome === "rolled_back") return edit.outcome.why;
  if (edit.outcome.outcome === "unchanged") return "nothing changed its meaning";
  if (edit.judgement?.state === "running") return "recorded inputs are run";
  const all = verdicts(edit);
  const differ = all.reduce((sum, one) => sum + one.differ, 0), recorded = all.reduce((sum, one) => sum + one.recorded, 0);
  return recorded ? (differ ? `${differ} of ${recorded} recorded answers differ` : `${recorded} recorded answers the same`) : "";
}

function detail(app, edit) {
  const act = (question, yes, command) => app.confirm(question, yes, () => app.attempt(async () => app.tell((await app.say({ command })).message)));
  const latest = edit === edits(app.known)[0];
  return html`<div class="title"><h2>${title(edit)}</h2>${pill(outcomes[edit.outcome.outcome])}<span class="grow"></span>
      ${latest && edit.edit > 0 && !app.reads ? html`<button @click=${() => act("Write back what the files held before the last edit?", "Undo", "undo")}>Undo</button>
      <button @click=${() => app.attempt(async () => app.tell((await app.say({ command: "replay" })).message))}>Replay</button>` : nothing}</div>
    ${edit.outcome.why ? html`<p class="bad">${edit.outcome.why}</p>` : nothing}
    ${edit.services.length ? html`<table class="wide"><thead><tr><th>service</th><th>change</th><th>version</th><th>state</th></tr></thead><tbody>${edit.services.map((one) => html`<tr><td><a href="#/flow/${one.name}">${one.name}</a></td><td>${edit.edit ? one.reason : "first build"}</td>
      <td class="mono">${one.version?.split("@").pop() ?? "–"}</td><td>${latest ? fates(app.known.services[one.name]) : ""}</td></tr>`)}</tbody></table>` : nothing}
    ${latest ? (app.known.set.diagnostics ?? []).map(diagnostic) : nothing}
    ${verdict(edit)}
    ${edit.ms ? times(edit.ms) : nothing}`;
}

const fates = (service) => Object.entries(service?.placed ?? {}).filter(([, state]) => state.fate).map(([name, { fate }]) => html`<span class=${fate.how === "reset" ? "warn" : "dim"} title=${fate.why ?? ""}>${name} ${{ kept: "kept", carried: "carried", reset: "began anew", new: "new" }[fate.how]} </span>`);

function verdict(edit) {
  const { judgement } = edit;
  if (!judgement) return nothing;
  if (judgement.state === "running") return html`<p class="dim" aria-live="polite">Recorded inputs are run with the old and the new code.</p>`;
  if (judgement.state === "failed") return html`<p class="dim">Not replayed: ${judgement.why}</p>`;
  if (judgement.state === "superseded") return html`<p class="dim">A later edit came before the replay had ended.</p>`;
  return html`<h3>Recorded inputs, with the old and the new code</h3>${judgement.verdicts.map((one) => {
    const { recorded, same, differ, unstable } = one;
    const down = Object.entries(one.downstream ?? {});
    return html`<p><strong>${one.service}</strong>: ${recorded ? html`<strong class=${differ ? "warn" : "good"}>${differ ? `${differ} of ${recorded} answers differ` : `${same} of ${recorded} answers are the same`}</strong>` : html`<span class="dim">no recorded input to run</span>`}${unstable ? `, ${unstable} differ from run to run` : ""}.
      ${down.map(([name, found]) => html`<span>${name}: ${found.differ ? html`<span class="warn">${found.differ} of ${found.recorded} differ</span>` : "the same"}. </span>`)}
      ${[["slower", "bad"], ["faster", "good"]].map(([word, tone]) => (one[word] ? html`<strong class=${tone}>${word}</strong>: ${nanos(one[word].was_ns)} → ${nanos(one[word].now_ns)} <span class="dim">n ${one[word].n}, p ${one[word].p.toFixed(3)}</span>` : nothing))}</p>
      ${Object.entries(one.skipped ?? {}).map(([why, n]) => html`<p class="dim">${n} not replayed: ${why}</p>`)}`;
  })}${changes(judgement.verdicts)}`;
}

function changes(all) {
  const rows = all.flatMap((one) => [[one.service, one], ...Object.entries(one.downstream ?? {})]).flatMap(([service, found]) => (found.changed ?? []).map((change) => [service, change]));
  const more = all.reduce((sum, one) => sum + (one.more ?? 0), 0);
  if (!rows.length) return nothing;
  const side = (value) => JSON.stringify(value) ?? "nothing";
  return html`<div class="scrolls"><table class="wide"><thead><tr><th>service</th><th class="n">request</th><th>field</th><th>was</th><th>now</th></tr></thead><tbody>
    ${rows.map(([service, change]) => html`<tr><td>${service}</td><td class="n"><a href="#/requests/${change.at}">${change.at}</a></td><td class="mono side">${change.path || "the value"}</td>
      <td class="cut mono"><del>${side(change.was)}</del></td><td class="cut mono"><ins>${side(change.now)}</ins></td></tr>`)}</tbody></table></div>${more ? html`<p class="dim">${more} more</p>` : nothing}`;
}

function times(ms) {
  let x = 0;
  return html`<h3>Save to live: ${millis(ms.total)}</h3><svg class="times" viewBox="0 0 420 16" preserveAspectRatio="none" aria-hidden="true">${TIMES.map(([key], at) => {
    const width = (ms[key] * 420) / (ms.total || 1), part = svg`<rect class=${["overhead", "network", "fn", "upstream", "overhead"][at]} x=${x} y="0" width=${width} height="16"></rect>`;
    x += width;
    return part;
  })}</svg><p class="dim">${TIMES.map(([key, word]) => html`<span class="legend">${word} ${millis(ms[key])}</span>`)}</p>`;
}
