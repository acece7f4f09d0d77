// Call: a form from the types of a service, its answer, and the calls of this tab.
import { html, nothing } from "./lit-html.js";
import { pill } from "./frame.js";
import { blank, field, filled, written } from "./form.js";
import { entry } from "./state.js";
import { tree } from "./tree.js";
import { ago, micros } from "./words.js";

const local = (app) => (app.local.call ??= { forms: null, edit: null, drafts: {}, answers: [], busy: null, why: null });
const chosen = (app) => (app.known.services[app.place.id] ? app.place.id : entry(app.known));

// The forms of the types as they are now: types change with edits.
async function forms(app) {
  const at = local(app), edit = app.known.set.edit;
  if (at.edit === edit && at.forms) return;
  at.edit = edit;
  try { at.forms = await app.ask("/v1/forms"); at.why = null; } catch (error) { at.why = error.message; }
  app.redraw();
}

// What is being filled in for a service. It is kept while its form stays the same.
function draft(app, name) {
  const at = local(app), form = at.forms?.[name];
  if (!form) return null;
  const shape = JSON.stringify(form.input);
  const known = at.drafts[name];
  if (known?.shape === shape) return known;
  const inputs = Object.entries(form.input.properties ?? {}).map(([input, schema]) => {
    const feeder = app.known.edges.find((edge) => edge.to === name && edge.input === input)?.from ?? null;
    return { input, schema, feeder, fed: Boolean(feeder), node: blank(schema, form.input) };
  });
  return (at.drafts[name] = { shape, inputs, json: false, text: "", why: null });
}

function command(name, draft, root) {
  const { inputs } = draft;
  if (inputs.every((one) => one.fed)) return JSON.stringify({ command: "invoke", call: { service: name } });
  const feeds = inputs.map((one) => one.fed
    ? JSON.stringify({ call: { service: one.feeder } })
    : `{"value":${written(one.node, one.schema, root, one.input)}}`);
  return `{"command":"invoke","call":{"service":${JSON.stringify(name)},"inputs":[${feeds.join(",")}]}}`;
}

async function send(app, name) {
  const at = local(app), one = draft(app, name);
  one.why = null;
  let asked;
  try {
    if (one.json) readJson(app, name, one);
    asked = command(name, one, at.forms[name].input);
  } catch (error) { one.why = error.message; return app.redraw(); }
  at.busy = name;
  app.redraw();
  const began = Date.now();
  const said = await app.attempt(() => app.say(asked));
  at.busy = null;
  if (said) at.answers = [{ name, said, at: began }, ...at.answers].slice(0, 50);
  app.typed = false;
  return app.redraw();
}

const asJson = (one, root) => `{${one.inputs.filter((input) => !input.fed).map((input) => {
  try { return `${JSON.stringify(input.input)}: ${written(input.node, input.schema, root)}`; } catch { return `${JSON.stringify(input.input)}: null`; }
}).join(", ")}}`;

// What is written as JSON, put into the form. Numbers that JavaScript would round are left to the form.
function readJson(app, name, one) {
  const root = local(app).forms[name].input;
  let value;
  try { value = JSON.parse(one.text || "{}"); } catch (error) { throw new Error(`this is no JSON: ${error.message}`); }
  const large = one.text.match(/(?<![\w".])-?\d{16,}(?![\w".])/);
  if (large && !Number.isSafeInteger(Number(large[0]))) throw new Error(`${large[0]} has more digits than JSON keeps in a browser: use the form`);
  const unknown = Object.keys(value).find((key) => !one.inputs.some((input) => input.input === key));
  if (unknown) throw new Error(`${name} has no input ${unknown}`);
  for (const input of one.inputs) {
    const given = input.input in value;
    if (!given && !input.feeder) throw new Error(`${input.input} is missing: nothing feeds it`);
    input.fed = !given;
    if (given) input.node = filled(value[input.input], input.schema, root);
  }
}

async function prefill(app, name) {
  const one = draft(app, name), root = local(app).forms[name].input;
  await app.attempt(async () => {
    const { requests } = await app.ask(`/v1/requests?limit=1&q=${encodeURIComponent(`service:${name}`)}`);
    if (!requests.length) return app.tell(`no request in memory came to ${name}`);
    const { hops } = await app.ask(`/v1/requests/${requests[0].number}`);
    const hop = hops.find((hop) => hop.service === name);
    for (const input of one.inputs) {
      const at = hop?.names?.indexOf(input.input) ?? -1;
      if (at < 0) continue;
      input.fed = false;
      input.node = filled(hop.inputs[at], input.schema, root);
    }
    one.json = false;
    return app.tell(`inputs of request ${requests[0].number}`);
  });
}

export const call = {
  name: "call", key: "3", title: "Call",
  arrive: forms,
  frame: forms,
  keys(app, { key }) {
    if (key !== "j" && key !== "k") return false;
    const names = app.known.order, at = names.indexOf(chosen(app)) + (key === "j" ? 1 : -1);
    if (names[at]) app.go({ page: "call", id: names[at] });
    return true;
  },
  draw(app) {
    const at = local(app), name = chosen(app);
    return html`<h1>Call</h1><div class="columns three">
      <section class="panel scrolls names" aria-label="Services"><ul>${app.known.order.map((one) => html`<li><a href="#/call/${one}" class=${one === name ? "chosen" : ""} aria-current=${one === name ? "true" : nothing}>${one}${one === entry(app.known) ? html` <span class="dim">whole flow</span>` : nothing}</a></li>`)}</ul></section>
      <section class="panel" aria-label="Inputs">${inputs(app, at, name)}</section>
      <section class="panel" aria-label="Answer" aria-live="polite">${answers(app, at, name)}</section></div>`;
  },
};

function inputs(app, at, name) {
  if (at.why) return html`<p class="bad">${at.why}</p>`;
  if (!at.forms) return html`<p class="dim">Asking for the forms of the types.</p>`;
  const one = draft(app, name), service = app.known.services[name];
  if (!one || !service) return html`<p class="dim">No form for this service yet: the file is being read.</p>`;
  const root = at.forms[name].input;
  const changed = () => { app.typed = true; one.why = null; app.redraw(); };
  const toJson = () => { if (!one.json) one.text = asJson(one, root); one.json = true; app.redraw(); };
  const toForm = () => { try { readJson(app, name, one); one.json = false; one.why = null; } catch (error) { one.why = error.message; } app.redraw(); };
  return html`<form @submit=${(event) => { event.preventDefault(); send(app, name); }}>
    <div class="title"><h2>${name}</h2><span class="grow"></span><div class="choice" role="group" aria-label="Way to write inputs">
      <button type="button" aria-pressed=${!one.json} @click=${toForm}>Form</button><button type="button" aria-pressed=${one.json} @click=${toJson}>JSON</button></div></div>
    ${one.inputs.length ? nothing : html`<p class="dim">It takes nothing.</p>`}
    ${one.json ? html`<label>Inputs, as one object; those left out come from the flow<textarea class="mono" rows="10" .value=${one.text} @input=${(event) => { one.text = event.target.value; changed(); }}></textarea></label>`
      : one.inputs.map((input) => html`${input.feeder ? html`<label class="check"><input type="checkbox" .checked=${input.fed} @change=${(event) => { input.fed = event.target.checked; changed(); }}> ${input.input} <span class="dim">from ${input.feeder}, as in the flow</span></label>` : nothing}
        ${input.fed ? nothing : field(input.node, input.schema, root, changed, input.input)}`)}
    ${one.why ? html`<p class="bad" role="alert">${one.why}</p>` : nothing}
    ${app.reads ? html`<p class="dim">This page may look only, so it calls nothing.</p>` : nothing}
    <p class="actions"><button class="main" ?disabled=${app.reads || at.busy === name || !service.version}>${at.busy === name ? "Calling…" : `Call ${name}`}</button>
      ${one.inputs.length ? html`<button type="button" @click=${() => prefill(app, name)}>From the last request</button>` : nothing}</p>
    ${service.version ? nothing : html`<p class="dim">It does not serve yet.</p>`}</form>`;
}

const outcome = ({ status }) => (status === 204 ? ["filtered", "dim"] : status < 300 ? [String(status), "good"] : [String(status), "bad"]);

function answers(app, at, name) {
  const [latest] = at.answers.filter((one) => one.name === name);
  if (!latest) return html`<h2>Answer</h2><p class="dim">Nothing was called here yet.</p>${earlier(at)}`;
  const { said } = latest, first = said.hops[0];
  return html`<div class="title"><h2>Answer</h2>${pill(outcome(said))}<span class="dim">${micros(said.ms * 1000)}${first ? `, function ${micros(first.function_ms * 1000)}` : ""}</span><span class="grow"></span>
      <button @click=${() => app.copy(JSON.stringify(said.value), "answer")}>Copy</button></div>
    ${said.filtered_by ? html`<p>filtered by ${said.filtered_by}</p>` : tree(said.value)}
    ${said.hops.length ? html`<h3>Time by hop</h3><table class="wide"><thead><tr><th>service</th><th class="n">total</th><th class="n">function</th></tr></thead><tbody>${said.hops.map((hop) => html`<tr><td><a href="#/flow/${hop.service}">${hop.service}</a></td><td class="n">${micros(hop.total_ms * 1000)}</td><td class="n">${micros(hop.function_ms * 1000)}</td></tr>`)}</tbody></table>` : nothing}
    <p><a href="#/requests?q=trace:${said.trace}">the request, hop by hop</a></p>${earlier(at)}`;
}

function earlier(at) {
  if (at.answers.length < 2) return nothing;
  return html`<h3>Earlier in this tab</h3><table class="wide"><tbody>${at.answers.slice(1, 12).map((one) => html`<tr><td>${one.name}</td><td>${pill(outcome(one.said))}</td>
    <td class="cut mono">${one.said.filtered_by ? `filtered by ${one.said.filtered_by}` : JSON.stringify(one.said.value) ?? ""}</td><td class="n dim">${ago(Date.now() - one.at)}</td></tr>`)}</tbody></table>`;
}
