// A form from a JSON Schema: text, numbers, choices, lists, nested objects. Pure but for what its inputs tell.
//
// What is being filled in is a node: { kind, ... }. Numbers stay text up to the end, so that each keeps its last digit.
import { html, nothing } from "./lit-html.js";

const resolve = (schema, root) => {
  for (let steps = 0; schema?.$ref && steps < 32; steps += 1) schema = root.$defs?.[schema.$ref.split("/").pop()] ?? {};
  return schema ?? {};
};

// The ways that a schema may be filled in; `null` is one of them.
export function ways(schema, root) {
  schema = resolve(schema, root);
  if (schema.anyOf) return schema.anyOf.flatMap((way) => ways(way, root));
  if (schema.oneOf) return schema.oneOf.flatMap((way) => ways(way, root));
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  return types.length > 1 ? types.map((type) => ({ ...schema, type })) : [schema];
}

// The name of a way, as a choice shows it.
export function label(way, root) {
  way = resolve(way, root);
  if (way.type === "null") return "null";
  const tag = Object.entries(way.properties ?? {}).find(([, value]) => value.enum?.length === 1 || value.const !== undefined);
  if (tag) return tag[1].const ?? tag[1].enum[0];
  if (way.required?.length === 1 && Object.keys(way.properties ?? {}).length === 1) return way.required[0];
  if (way.enum) return "name";
  return { integer: "number", boolean: "true or false" }[way.type] ?? way.type ?? "JSON";
}

// An empty node of a schema.
export function blank(schema, root, depth = 0) {
  const all = ways(schema, root);
  const way = Math.max(all.findIndex((one) => one.type !== "null"), 0);
  if (all.length > 1) return { kind: "choice", way: all.some((one) => one.type === "null") ? all.findIndex((one) => one.type === "null") : way, nodes: {} };
  return of(all[0], root, depth);
}

function of(schema, root, depth) {
  if (depth > 12) return { kind: "json", text: "null" };
  if (schema.enum) return { kind: "enum", text: schema.enum[0] };
  switch (schema.type) {
    case "object":
      if (schema.properties) {
        const fields = Object.entries(schema.properties).map(([name, part]) => [name, { on: schema.required?.includes(name) ?? false, node: blank(part, root, depth + 1) }]);
        return { kind: "object", fields: Object.fromEntries(fields) };
      }
      return { kind: "map", entries: [] };
    case "array":
      if (schema.prefixItems) return { kind: "list", fixed: true, items: schema.prefixItems.map((part) => blank(part, root, depth + 1)) };
      return { kind: "list", items: [] };
    case "string": return { kind: "text", text: "" };
    case "integer": case "number": return { kind: "number", text: "" };
    case "boolean": return { kind: "bool", on: false };
    case "null": return { kind: "null" };
    default: return { kind: "json", text: "" };
  }
}

// A node that holds a value.
export function filled(value, schema, root) {
  const all = ways(schema, root);
  if (all.length > 1) {
    const way = Math.max(all.findIndex((one) => fits(value, one, root)), 0);
    return { kind: "choice", way, nodes: { [way]: filled(value, all[way], root) } };
  }
  const one = all[0], node = of(one, root, 0);
  if (node.kind === "object" && value && typeof value === "object") {
    for (const [name, field] of Object.entries(node.fields)) {
      field.on = name in value;
      if (field.on) field.node = filled(value[name], one.properties[name], root);
    }
  } else if (node.kind === "map" && value && typeof value === "object") {
    node.entries = Object.entries(value).map(([key, part]) => ({ key, node: filled(part, one.additionalProperties ?? {}, root) }));
  } else if (node.kind === "list" && Array.isArray(value)) {
    node.items = value.map((part, at) => filled(part, one.prefixItems?.[at] ?? one.items ?? {}, root));
  } else if (node.kind === "bool") node.on = value === true;
  else if (node.kind === "json") node.text = JSON.stringify(value);
  else if ("text" in node) node.text = typeof value === "string" ? value : JSON.stringify(value);
  return node;
}

function fits(value, schema, root) {
  schema = resolve(schema, root);
  if (schema.enum) return schema.enum.includes(value);
  if (value === null) return schema.type === "null";
  if (Array.isArray(value)) return schema.type === "array";
  if (typeof value === "object") return schema.type === "object" && (schema.required ?? []).every((name) => name in value)
    && Object.entries(schema.properties ?? {}).every(([name, part]) => !(name in value) || !part.enum || part.enum.includes(value[name]));
  return { string: ["string"], number: ["number", "integer"], boolean: ["boolean"] }[typeof value].includes(schema.type) || !schema.type;
}

// What is wrong with a number.
function mistake(text, schema) {
  if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return text ? "not a number" : "a number is needed";
  if (schema.type === "integer" && !/^-?\d+$/.test(text)) return "not a whole number";
  const whole = /^-?\d+$/.test(text) ? BigInt(text) : null;
  const out = (limit, below) => limit !== undefined && (whole !== null && Number.isInteger(limit) ? (below ? whole < BigInt(limit) : whole > BigInt(limit)) : below ? Number(text) < limit : Number(text) > limit);
  if (out(schema.minimum, true)) return `less than ${schema.minimum}`;
  if (out(schema.maximum, false)) return `more than ${schema.maximum}`;
  return null;
}

// JSON of a node as text, or an error with the path of what is wrong.
export function written(node, schema, root, path = "") {
  const wrong = (why) => { throw Object.assign(new Error(`${path || "the value"}: ${why}`), { path }); };
  const all = ways(schema, root);
  if (node.kind === "choice") return written(node.nodes[node.way] ?? of(all[node.way], root, 0), all[node.way], root, path);
  const one = all[0];
  switch (node.kind) {
    case "object": return `{${Object.entries(node.fields).filter(([, field]) => field.on).map(([name, field]) => `${JSON.stringify(name)}:${written(field.node, one.properties[name], root, path ? `${path}.${name}` : name)}`).join(",")}}`;
    case "map": return `{${node.entries.map(({ key, node: part }) => `${JSON.stringify(key)}:${written(part, one.additionalProperties ?? {}, root, `${path}.${key}`)}`).join(",")}}`;
    case "list": return `[${node.items.map((part, at) => written(part, one.prefixItems?.[at] ?? one.items ?? {}, root, `${path}[${at}]`)).join(",")}]`;
    case "number": { const why = mistake(node.text.trim(), one); return why ? wrong(why) : node.text.trim(); }
    case "bool": return String(node.on);
    case "null": return "null";
    case "json": try { JSON.parse(node.text); return node.text; } catch (error) { return wrong(node.text.trim() ? `no JSON: ${error.message}` : "a JSON value is needed"); }
    default: return JSON.stringify(node.text);
  }
}

// Draws a node. `changed` is called when a person changed it.
export function field(node, schema, root, changed, path, words = "") {
  const all = ways(schema, root);
  const one = node.kind === "choice" ? null : all[0];
  const put = (key) => (event) => { node[key] = event.target.type === "checkbox" ? event.target.checked : event.target.value; changed(); };
  const id = `f-${path.replace(/[^\w]/g, "-")}`;
  const name = path.split(".").pop();
  const head = (kind) => html`<label for=${id}>${name} <span class="dim mono">${kind}${words}</span></label>`;
  switch (node.kind) {
    case "choice": {
      const inner = node.nodes[node.way];
      return html`<div class="field">${head("one of")}<select id=${id} @change=${(event) => { node.way = Number(event.target.value); node.nodes[node.way] ??= of(all[node.way], root, 0); changed(); }}>
        ${all.map((way, at) => html`<option value=${at} .selected=${at === node.way}>${label(way, root)}</option>`)}</select>
        ${inner && inner.kind !== "null" ? html`<div class="inner">${field(inner, all[node.way], root, changed, `${path}.${label(all[node.way], root)}`)}</div>` : nothing}</div>`;
    }
    case "object": return html`<fieldset><legend>${name}${words}</legend>${Object.entries(node.fields).map(([key, part]) => optional(part, key, one, root, changed, `${path}.${key}`))}</fieldset>`;
    case "map": return html`<fieldset><legend>${name} <span class="dim mono">map${words}</span></legend>${node.entries.map((entry, at) => html`<div class="entry"><label>key <input .value=${entry.key} @input=${(event) => { entry.key = event.target.value; changed(); }}></label>
      ${field(entry.node, one.additionalProperties ?? {}, root, changed, `${path}.${at}`)}<button type="button" aria-label="Remove ${entry.key}" @click=${() => { node.entries.splice(at, 1); changed(); }}>Remove</button></div>`)}
      <button type="button" @click=${() => { node.entries.push({ key: "", node: blank(one.additionalProperties ?? {}, root) }); changed(); }}>Add</button></fieldset>`;
    case "list": return html`<fieldset><legend>${name} <span class="dim mono">list${words}</span></legend>${node.items.map((part, at) => html`<div class="entry">${field(part, one.prefixItems?.[at] ?? one.items ?? {}, root, changed, `${path}.${at}`)}
      ${node.fixed ? nothing : html`<button type="button" aria-label="Remove item ${at}" @click=${() => { node.items.splice(at, 1); changed(); }}>Remove</button>`}</div>`)}
      ${node.fixed ? nothing : html`<button type="button" @click=${() => { node.items.push(blank(one.items ?? {}, root)); changed(); }}>Add</button>`}</fieldset>`;
    case "enum": return html`<div class="field">${head(`one of ${one.enum.length}`)}<select id=${id} @change=${put("text")}>${one.enum.map((text) => html`<option .selected=${text === node.text}>${text}</option>`)}</select></div>`;
    case "bool": return html`<div class="field check"><input type="checkbox" id=${id} .checked=${node.on} @change=${put("on")}>${head("bool")}</div>`;
    case "null": return html`<div class="field">${head("null")}</div>`;
    case "number": {
      const why = node.text.trim() ? mistake(node.text.trim(), one) : null;
      return html`<div class="field">${head(one.format ?? one.type)}<input id=${id} class="mono" inputmode="decimal" autocomplete="off" aria-invalid=${Boolean(why)} aria-describedby="${id}-why" .value=${node.text} @input=${put("text")}>
        <span class="bad small" id="${id}-why">${why ?? ""}</span></div>`;
    }
    case "json": return html`<div class="field">${head("JSON")}<textarea id=${id} class="mono" rows="3" .value=${node.text} @input=${put("text")}></textarea>${one.description ? html`<span class="dim small">${one.description}</span>` : nothing}</div>`;
    default: return html`<div class="field">${head(one.format ?? "text")}<input id=${id} class="mono" autocomplete="off" .value=${node.text} @input=${put("text")}></div>`;
  }
}

function optional(part, key, schema, root, changed, path) {
  const needed = schema.required?.includes(key);
  if (needed) return field(part.node, schema.properties[key], root, changed, path);
  return html`<div class="optional"><label class="check"><input type="checkbox" .checked=${part.on} @change=${(event) => { part.on = event.target.checked; changed(); }}> ${key} <span class="dim">optional</span></label>
    ${part.on ? field(part.node, schema.properties[key], root, changed, path) : nothing}</div>`;
}
