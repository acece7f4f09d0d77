// A change of the data server's settings: a form, the plan of what it leads to, and only then the change itself.
import { html, nothing } from "./lit-html.js";
import { asked, deed } from "./beside.js";
import { bytes, many } from "./words.js";

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

// The settings with what was filled in. Pure; what the form does not show stays as it is.
export function wanted(settings, { kind, name, fields }) {
  const next = structuredClone(settings);
  if (kind === "forget bucket") delete next.buckets[name];
  else if (kind === "forget store") delete next.stores[name];
  else if (kind === "bucket") {
    const { zones, replicas, at, ...rest } = next.buckets[name] ?? {};
    next.buckets[name] = { ...rest, master: fields.master, deletes: fields.deletes };
    const bucket = next.buckets[name];
    if (words(fields.zones).length) bucket.zones = words(fields.zones);
    // Exactly these stores, or a number of copies.
    if (words(fields.at).length) bucket.at = words(fields.at);
    else bucket.replicas = Number(fields.replicas);
  } else {
    next.places[fields.place] ??= {};
    next.stores[name] = { ...next.stores[name], place: fields.place };
    const store = next.stores[name];
    if (fields.folder) store.folder = fields.folder;
    else {
      store.endpoint = fields.endpoint;
      if (fields.region) store.region = fields.region;
      // A variable of the server's environment each: the settings hold no credential.
      if (fields.key || fields.secret) store.credentials = { key: { env: fields.key }, secret: { env: fields.secret } };
    }
  }
  return next;
}

// A step of a plan in words.
export function step(of) {
  switch (of.step) {
    case "add-store": return `add the store ${of.store}`;
    case "forget-store": return `forget the store ${of.store}; what it holds stays there`;
    case "add-bucket": return `add the bucket ${of.bucket} with its master at ${of.master}`;
    case "forget-bucket": return `forget the bucket ${of.bucket}; its objects stay at every store`;
    case "copy": return `copy ${of.bucket} from ${of.from} to ${of.to}: ${many(of.objects, "object")}, ${bytes(of.bytes)}`;
    case "move-master": return `move the master of ${of.bucket} from ${of.from} to ${of.to}`;
    case "remove": return `remove ${of.bucket} from ${of.store}, once all other copies are whole: ${of.why}`;
    case "add-endpoint": return `add the endpoint ${of.endpoint} in ${of.place}`;
    case "change-endpoint": return `change the endpoint ${of.endpoint}`;
    case "forget-endpoint": return `remove the endpoint ${of.endpoint}`;
    case "change-places": return "change zones or labels of places";
    case "change-routes": return "change rules for requests";
    case "change-server": return "change settings of the server";
    default: return `change settings of ${of.bucket}`;
  }
}

// Nothing comes back by itself: what is deleted at a store.
const permanent = (plan) => plan.steps.some((one) => one.step === "remove");

// Begins a change, with the settings as they are now.
export function change(app, at, { kind, name = "" }) {
  return app.attempt(async () => {
    const { revision, settings } = await asked(app, "/beside/data/settings");
    const bucket = settings.buckets[name], [first = ""] = Object.keys(settings.stores);
    const fields = kind === "store" ? { place: "", folder: "", endpoint: "", region: "", key: "", secret: "" }
      : { master: bucket?.master ?? first, replicas: String(bucket?.replicas ?? 1), zones: (bucket?.zones ?? []).join(" "), at: (bucket?.at ?? []).join(" "), deletes: bucket?.deletes ?? "follow" };
    at.change = { kind, name, isKnown: Boolean(name), revision, settings, fields, moves: false, plan: null };
    if (kind.startsWith("forget")) await planned(app, at);
  });
}

async function planned(app, at) {
  const { change: made } = at;
  made.wanted = wanted(made.settings, made);
  made.plan = await deed("/beside/data/plan", { settings: made.wanted, move_master: made.moves });
  app.redraw();
}

export function changed(app, at, after) {
  const { change: made } = at, { kind, plan } = made;
  const put = () => { at.change = null; app.redraw(); };
  const plans = (event) => { event?.preventDefault(); return app.attempt(() => planned(app, at)); };
  const applies = () => app.attempt(async () => {
    await deed("/beside/data/apply", { settings: made.wanted, move_master: made.moves, revision: made.revision });
    at.change = null;
    app.tell("the change is being carried out");
    await after();
  });
  const title = { bucket: made.isKnown ? `Change ${made.name}` : "Add a bucket", store: "Add a store", "forget bucket": `Forget ${made.name}`, "forget store": `Forget ${made.name}` }[kind];
  return html`<section class="panel" aria-label="Change"><div class="title"><h2>${title}</h2><span class="grow"></span><button @click=${put}>Cancel</button></div>
    ${kind.startsWith("forget") ? nothing : html`<form class="fields" @submit=${plans}>${form(app, made)}<p class="actions"><button class=${plan?.steps.length ? "" : "main"}>Show the plan</button></p></form>`}
    ${plan ? html`<div aria-live="polite"><h3>The plan</h3>
      ${plan.refused.map((one) => html`<p class="bad"><code>${one.at}</code> ${one.message} <span class="dim">${one.hint}</span></p>`)}
      ${plan.steps.length ? html`<ul>${plan.steps.map((one) => html`<li>${step(one)}</li>`)}</ul>` : plan.refused.length ? nothing : html`<p class="dim">Nothing changes.</p>`}
      ${plan.steps.length && !plan.refused.length ? html`<p class="actions"><button class="main" @click=${() => (permanent(plan) ? app.confirm("Copies are deleted in this plan. That is permanent.", "Apply", applies) : applies())}>Apply</button></p>` : nothing}</div>` : nothing}</section>`;
}

function form(app, made) {
  const { fields, settings } = made;
  const set = (name) => (event) => { fields[name] = event.target.value; made.plan = null; app.redraw(); };
  const text = (name, title, more = {}) => html`<label class="field"><span>${title}</span><input .value=${fields[name]} ?required=${more.required} placeholder=${more.example ?? ""} @input=${set(name)}></label>`;
  const name = html`<label class="field"><span>Name</span><input required .value=${made.name} ?disabled=${made.isKnown} @input=${(event) => { made.name = event.target.value.trim(); made.plan = null; app.redraw(); }}></label>`;
  if (made.kind === "store") {
    return html`${name}${text("place", "Place", { required: true })}${text("folder", "Folder of the server's machine", { example: "/srv/objects" })}
      ${fields.folder ? nothing : html`${text("endpoint", "or address of an S3 API")}${text("region", "Region")}${text("key", "Variable with the key", { example: "AWS_KEY" })}${text("secret", "Variable with the secret", { example: "AWS_SECRET" })}`}`;
  }
  const option = (value, chosen, word = value) => html`<option value=${value} .selected=${value === chosen}>${word}</option>`;
  return html`${name}
    <label class="field"><span>Master</span><select @change=${set("master")}>${Object.keys(settings.stores).map((store) => option(store, fields.master))}</select></label>
    <label class="field"><span>Copies besides</span><input type="number" min="0" max="99" required .value=${fields.replicas} @input=${set("replicas")}></label>
    ${text("at", "or exactly at these stores")}${text("zones", "Zones that hold every copy", { example: "anywhere" })}
    <label class="field"><span>What is deleted</span><select @change=${set("deletes")}>${option("follow", fields.deletes, "is deleted at copies, too")}${option("keep", fields.deletes, "stays at copies")}</select></label>
    <label class="field"><span>A master outside the zones</span><select @change=${(event) => { made.moves = event.target.value === "moves"; made.plan = null; app.redraw(); }}>${option("stays", made.moves ? "moves" : "stays", "is refused")}${option("moves", made.moves ? "moves" : "stays", "moves inside")}</select></label>`;
}
