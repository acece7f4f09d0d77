// A JSON value as text that folds. Values are text everywhere: none becomes markup. Pure.
import { html, nothing } from "./lit-html.js";

// Characters of a value that are shown before a person asks for more, and entries of a list or an object.
const MOST = 64 * 1024;
const ENTRIES = 100;

export function tree(value, depth = 0) {
  if (value === null || typeof value !== "object") return scalar(value);
  const list = Array.isArray(value);
  const keys = Object.keys(value);
  if (!keys.length) return html`<code class="value">${list ? "[]" : "{}"}</code>`;
  const short = JSON.stringify(value);
  if (short.length <= 60) return html`<code class="value">${short}</code>`;
  const entries = keys.slice(0, ENTRIES).map((key) => html`<li><span class="key">${list ? key : JSON.stringify(key)}</span> ${tree(value[key], depth + 1)}</li>`);
  const more = keys.length - ENTRIES;
  return html`<details class="tree" ?open=${depth < 2 && short.length < MOST}><summary>${list ? `list of ${keys.length}` : `${keys.length} fields`}</summary>
    <ul>${entries}${more > 0 ? html`<li class="dim">${more} more: copy the value to see them</li>` : nothing}</ul></details>`;
}

function scalar(value) {
  const text = JSON.stringify(value) ?? "null";
  const kind = value === null ? "null" : typeof value;
  if (text.length <= MOST) return html`<code class="value ${kind}">${text}</code>`;
  return html`<code class="value ${kind}">${text.slice(0, 1000)}</code> <span class="dim">… ${text.length} characters: copy the value to see them</span>`;
}
