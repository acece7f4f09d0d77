// Flow: services, the way of values, every figure, and all about the chosen service.
import { html, noChange, nothing, svg } from "./lit-html.js";
import { pill } from "./frame.js";
import { graph, spark } from "./graph.js";
import { follow, rows } from "./long.js";
import { plot } from "./plot.js";
import { edgeFigure, edits, figure, windows } from "./state.js";
import { ago, conditions, count, many, micros, nanos, rate } from "./words.js";
import { tree } from "./tree.js";

const SPANS = [[300, "5 min"], [3600, "1 h"], [86400, "24 h"]];
const PARTS = [["fn", "function"], ["upstream", "waiting"], ["network", "network"], ["overhead", "overhead"]];
const local = (app) => (app.local.flow ??= { span: 300, history: null, hop: null, state: null, rows: {} });
const chosen = (app) => (app.known.services[app.place.id] ? app.place.id : null);
const span = (seconds) => (seconds < 60 ? `${seconds} s` : `${seconds / 60} min`);

// Asks for what frames do not have: the history and the whole hop of the chosen service.
async function look(app, anew) {
  const service = chosen(app), at = local(app);
  if (!service) return;
  const now = Date.now();
  const pace = at.span === 300 ? 1000 : 10000;
  if (!anew && at.service === service && now - at.asked < pace) return;
  if (at.service !== service) Object.assign(at, { history: null, hop: null, state: null, stateWhy: null });
  Object.assign(at, { service, asked: now });
  try {
    const [hop, history] = await Promise.all([
      app.ask(`/v1/hops/${service}`), app.pictures ? null : app.ask(`/v1/history?service=${service}&span=${at.span}`),
    ]);
    if (local(app) === at && at.service === service) Object.assign(at, { hop, history: history && { ...history, service } });
  } catch { /* the service went away, or the session: the header says so */ }
  app.redraw();
}

async function readState(app) {
  const service = chosen(app), at = local(app);
  const said = await app.attempt(() => app.say({ command: "state", service }));
  if (said && at.service === service) at.state = said.values;
  app.redraw();
}

export const flow = {
  name: "flow", key: "1", title: "Flow",
  arrive(app) { look(app, true); },
  frame(app) { look(app, false); },
  drawn(app) {
    const at = local(app), box = at.history && document.querySelector(".plot");
    this.scrolled(app);
    const now = app.keptAt === null ? (Date.now() - app.offset) / 1000 : app.known.now / 1000;
    const marks = edits(app.known).filter((edit) => edit.edit > 0 && edit.outcome.outcome === "live" && edit.services.some((one) => one.name === at.service))
      .map((edit) => [edit.at_ms / 1000, `edit ${edit.edit}`]);
    if (box) plot(box, at.history, marks, now);
  },
  scrolled(app) { follow(app, local(app).rows, document.getElementById("services"), app.known.order.length); },
  keys(app, { key }) {
    const all = windows(app.known), names = app.known.order;
    if (key === "+" || key === "-") {
      const next = all.indexOf(app.window) + (key === "+" ? 1 : -1);
      if (all[next]) app.window = all[next];
    } else if (key === "j" || key === "k") {
      const at = names.indexOf(chosen(app));
      const next = at < 0 ? 0 : Math.min(Math.max(at + (key === "j" ? 1 : -1), 0), names.length - 1);
      local(app).rows.reveal = next;
      app.go({ page: "flow", id: names[next] });
    } else if (key === "Escape" && app.place.id) app.go({ page: "flow", id: null });
    else return false;
    app.redraw();
    return true;
  },
  draw(app) {
    const service = chosen(app);
    return html`<div class="title"><h1>Flow</h1><span class="grow"></span>
        <div class="choice" role="group" aria-label="Window of the figures">${windows(app.known).map((seconds) => html`
          <button aria-pressed=${seconds === app.window} @click=${() => { app.window = seconds; app.redraw(); }}>${span(seconds)}</button>`)}</div></div>
      <section class="panel scrolls drawing" tabindex="0" aria-label="Drawing of the flow">${drawing(app, service)}</section>
      <div class="columns ${service ? "two" : ""}"><section class="panel scrolls">${table(app, service)}</section>
        ${service ? html`<aside class="panel" aria-label="Service ${service}">${detail(app, service)}</aside>` : nothing}</div>`;
  },
};

// The drawing where something of it changed: most frames bring figures of the table alone.
function drawing(app, service) {
  const { edited, known, layout, window } = app, at = local(app), large = layout?.node[1] > 30;
  const like = [layout, service, known.order, known.services, known.calls, large && known.figures[window], large && known.seconds,
    edited && Date.now() - edited.at < 10000 && known.edits];
  const same = at.like?.every((one, index) => one === like[index]) && document.querySelector(".drawing")?.firstElementChild;
  at.like = like;
  return same ? noChange : graph(app, service);
}

const bar = (measured) => {
  const parts = PARTS.map(([key]) => measured[key]);
  const all = parts.reduce((sum, part) => sum + part, 0) || 1;
  let x = 0;
  return html`<svg class="bar" width="100" height="10" viewBox="0 0 100 10" role="img" aria-label=${PARTS.map(([key, word]) => `${word} ${micros(measured[key])}`).join(", ")}>
    ${PARTS.map(([key], at) => { const width = (parts[at] * 100) / all; const part = svg`<rect class=${key} x=${x} y="0" width=${width} height="10"></rect>`; x += width; return part; })}</svg>`;
};
const legend = () => html`${PARTS.map(([key, word]) => html`<span class="legend"><i class=${key}></i>${word}</span>`)}`;

function table(app, service) {
  return html`<table class="wide" aria-rowcount=${app.known.order.length + 1}><thead><tr><th>service</th><th class="n">req/s</th><th class="n">errors</th><th class="n">p50</th><th class="n">p90</th><th class="n">p99</th>
      <th>${legend()}</th><th>last minute</th></tr></thead>
    <tbody id="services" class="services">${rows(local(app).rows, app.known.order, 8, (name) => row(app, name, name === service))}</tbody></table>`;
}

const several = (service) => (service?.instances?.length > 1 ? html` <span class="dim" title="${service.instances.length} instances">×${service.instances.length}</span>` : nothing);

function row(app, name, isChosen) {
  const [word, tone] = conditions[app.known.services[name]?.state ?? "starting"];
  const measured = figure(app.known, app.window, name);
  const time = (us) => (measured?.n ? micros(us) : "–");
  return html`<tr class=${isChosen ? "chosen" : ""} @click=${(event) => { if (!event.target.closest("a")) app.go({ page: "flow", id: name }); }}>
    <td><i class="dot ${tone}" aria-hidden="true"></i> <a href="#/flow/${name}">${name}</a>${several(app.known.services[name])}${word === "live" ? nothing : html` <span class=${tone}>${word}</span>`}</td>
    <td class="n">${measured ? rate(measured.rate) : "–"}</td>
    <td class="n ${measured?.errors ? "bad strong" : "dim"}">${measured ? count(measured.errors) : "–"}</td>
    <td class="n">${time(measured?.p50)}</td><td class="n">${time(measured?.p90)}</td><td class="n">${time(measured?.p99)}</td>
    <td>${measured?.n ? bar(measured) : nothing}</td>
    <td><svg width="76" height="16" aria-hidden="true">${spark(app.known.seconds[name], 1, 1, 74, 14)}</svg></td></tr>`;
}

function detail(app, name) {
  const service = app.known.services[name], at = local(app);
  const measured = figure(app.known, app.window, name);
  const feeds = app.known.edges.filter((edge) => edge.to === name);
  const hop = at.service === name ? at.hop : null;
  const inputs = service.inputs.map((input) => `${input.name}: ${input.type}`).join(", ");
  return html`<div class="title"><h2>${name}</h2><span class="grow"></span>${pill(conditions[service.state])}</div>
    ${service.why ? html`<p class="why bad">${service.why}</p>` : nothing}
    <dl>
      <dt>version</dt><dd>${service.version ? html`<code>${service.version.split("@").pop()}</code> <span class="dim">${service.since_ms != null ? ago(app.known.now - service.since_ms) : ""}</span>` : html`<span class="dim">none serves yet</span>`}</dd>
      ${feeds.length ? html`<dt>waits for</dt><dd>${feeds.map((edge) => waits(app, edge, name))}</dd>` : nothing}
      <dt>takes</dt><dd>${inputs ? html`<code>${inputs}</code>` : html`<span class="dim">nothing</span>`}</dd>
      <dt>gives</dt><dd><code>${service.output}</code></dd>
      ${service.url ? html`<dt>address</dt><dd><button class="url" @click=${() => app.copy(service.url, "address")}>${service.url}</button></dd>` : nothing}
      ${service.at ? html`<dt>place</dt><dd>${service.at}</dd>` : nothing}
      ${service.instances?.length > 1 ? html`<dt>instances</dt><dd>${service.instances.map(instance)}</dd>` : nothing}
      ${service.restarts ? html`<dt>restarts</dt><dd>${service.restarts}</dd>` : nothing}
      ${hop?.retries ? html`<dt>retries</dt><dd>${count(hop.retries)}</dd>` : nothing}
      ${hop?.open?.length ? html`<dt>open circuits</dt><dd class="bad">${hop.open.join(", ")}</dd>` : nothing}
    </dl>
    ${app.pictures ? nothing : html`<p class="actions">${app.reads ? nothing : html`<a class="button main" href="#/call/${name}">Call</a>`}
      <a class="button" href="#/requests?q=service:${name}">Requests</a><a class="button" href="#/logs?s=${name}">Logs</a>
      ${app.reads ? nothing : html`<button @click=${() => app.confirm(`Restart ${name}? Its placed values begin anew.`, "Restart", () => app.attempt(async () => app.tell((await app.say({ command: "restart", service: name })).message)))}>Restart</button>`}</p>
    <div class="title"><h3>Latency</h3><span class="legend"><i class="accent"></i>p50</span><span class="legend"><i class="overhead"></i>p99</span><span class="grow"></span>
      <div class="choice" role="group" aria-label="Span of the plot">${SPANS.map(([seconds, word]) => html`<button aria-pressed=${at.span === seconds} @click=${() => { at.span = seconds; look(app, true); app.redraw(); }}>${word}</button>`)}</div></div>
    <div class="plot" role="img" aria-label="Latency of ${name} over time"></div>
    ${at.history && !at.history.points.length ? html`<p class="dim">No request in this time.</p>` : nothing}`}
    ${compared(hop?.edit)}
    ${measured?.n ? split(measured) : nothing}
    ${histogram(hop?.windows?.find((one) => one.seconds === app.window))}
    ${placed(app, service, at)}`;
}

function instance(one) {
  const [word, tone] = conditions[one.state];
  return html`<div><span class=${tone}>${word}</span>${one.at ? ` in ${one.at}` : ""} <code>${one.version?.split("@").pop() ?? ""}</code>
    <span class="dim">${one.restarts ? `restarted ${many(one.restarts, "time")}` : ""} ${one.why ?? ""}</span></div>`;
}

function waits(app, edge) {
  const measured = edgeFigure(app.known, edge.from, edge.to);
  return html`<div><a href="#/flow/${edge.from}">${edge.from}</a>${edge.input ? nothing : html` <span class="dim">called in the body</span>`}
    ${measured ? html`<span class="dim">${micros(measured.p50)} · p99 ${micros(measured.p99)}</span>` : nothing}</div>`;
}

function compared(edit) {
  if (!edit?.edit) return nothing;
  const [word, tone] = { slower: ["slower", "bad"], faster: ["faster", "good"], no_evidence: ["no evidence of a change", "dim"] }[edit.verdict];
  return html`<p class="verdict"><strong class=${tone}>${word}</strong> since <a href="#/edits/${edit.edit}">edit ${edit.edit}</a>:
    function p50 ${nanos(edit.before_p50)} → <strong>${nanos(edit.after_p50)}</strong> <span class="dim">n ${edit.before_n} / ${edit.after_n}</span></p>`;
}

function split(measured) {
  const all = PARTS.reduce((sum, [key]) => sum + measured[key], 0) || 1;
  return html`<h3>Where the time goes</h3><table>${PARTS.map(([key, word]) => html`<tr><th scope="row"><span class="legend"><i class=${key}></i>${word}</span></th>
    <td class="n">${micros(measured[key])}</td><td class="n dim">${Math.round((measured[key] * 100) / all)} %</td></tr>`)}</table>`;
}

function histogram(window) {
  const bars = window?.histogram ?? [];
  if (bars.length < 2) return nothing;
  const most = Math.max(...bars.map(([, n]) => n));
  const width = 260 / bars.length;
  return html`<h3>Requests by time, ${window.seconds < 60 ? `${window.seconds} s` : `${window.seconds / 60} min`}</h3>
    <svg class="histogram" viewBox="0 0 260 58" role="img" aria-label=${bars.map(([below, n]) => `${n} below ${micros(below)}`).join(", ")}>
    ${bars.map(([below, n], at) => svg`<rect class="fn" x=${at * width + 1} y=${44 - (n * 42) / most} width=${width - 2} height=${(n * 42) / most}><title>${many(n, "request")} below ${micros(below)}</title></rect>`)}
    <text x="1" y="56">${micros(bars[0][0])}</text><text x="259" y="56" text-anchor="end">${micros(bars[bars.length - 1][0])}</text></svg>`;
}

function placed(app, service, at) {
  const names = Object.keys(service.placed);
  if (!names.length) return nothing;
  const fate = (state) => (state.fate ? { kept: "kept by the last edit", carried: "carried through JSON", reset: "began anew", new: "new" }[state.fate.how] : "");
  return html`<div class="title"><h3>Placed values</h3><span class="grow"></span>${app.reads ? nothing : html`<button @click=${() => readState(app)}>${at.state ? "Read again" : "Read"}</button>`}</div>
    ${names.map((name) => html`<div class="placed"><code>${name}: ${service.placed[name].type}</code> <span class="dim">${fate(service.placed[name])}</span>
      ${at.state && name in at.state ? html`${tree(at.state[name])}${at.editing === name ? setter(app, service, name, at) : html`<button @click=${() => { at.editing = name; app.redraw(); }}>Set…</button>`}` : nothing}</div>`)}`;
}

function setter(app, service, name, at) {
  const set = (event) => {
    event.preventDefault();
    const text = event.target.elements.value.value;
    try { JSON.parse(text); } catch (error) { return app.tell(`this is no JSON: ${error.message}`, "bad"); }
    return app.confirm(`Set ${service.name}.${name}?`, "Set", () => app.attempt(async () => {
      const said = await app.say(`{"command":"set","service":${JSON.stringify(service.name)},"state":${JSON.stringify(name)},"value":${text}}`);
      at.editing = null;
      app.tell(said.message);
      await readState(app);
    }));
  };
  return html`<form @submit=${set}><label>New value, as JSON <textarea name="value" rows="3" .value=${JSON.stringify(at.state[name])}></textarea></label>
    <p class="actions"><button class="main">Set</button><button type="button" @click=${() => { at.editing = null; app.redraw(); }}>Cancel</button></p></form>`;
}
