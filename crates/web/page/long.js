// A table too long to be drawn whole: of its rows those are drawn that somebody sees, the others are room.
import { html, nothing } from "./lit-html.js";

const FEW = 60;
// Rows beyond what is seen, and as many are scrolled by until others are drawn.
const BEYOND = 10;
const STEP = 5;

// Rows of a table body; `at` is what the page remembers of it.
export function rows(at, all, columns, draw) {
  if (all.length <= FEW) return all.map(draw);
  const first = Math.min(at.first ?? 0, all.length), end = Math.min(at.end ?? 2 * BEYOND, all.length);
  const room = (count) => (count ? html`<tr aria-hidden="true"><td class="room" colspan=${columns} height=${count * (at.height ?? 32)}></td></tr>` : nothing);
  return html`${room(first)}${all.slice(first, end).map(draw)}${room(all.length - end)}`;
}

// Looks where the reader is, once drawn or scrolled. A row that is to be seen is scrolled to.
export function follow(app, at, body, length) {
  const one = body?.querySelector("tr:not([aria-hidden])");
  if (length <= FEW || !body) return;
  const main = body.closest("main"), view = main.getBoundingClientRect();
  at.height = one?.getBoundingClientRect().height ?? 32;
  let top = body.getBoundingClientRect().top - view.top;
  if (at.reveal !== undefined) {
    const y = top + at.reveal * at.height;
    if (y < 0 || y + at.height > view.height) main.scrollTop += y - view.height / 2;
    at.reveal = undefined;
    top = body.getBoundingClientRect().top - view.top;
  }
  const row = (y) => Math.floor(y / at.height / STEP) * STEP;
  const first = Math.max(0, row(-top) - BEYOND), end = Math.max(2 * BEYOND, row(view.height - top) + STEP + BEYOND);
  if (first === at.first && end === at.end) return;
  Object.assign(at, { first, end });
  app.redraw();
}
