// Figures as a person reads them: three digits and a unit, the same as on the terminal. Pure.

const digits = (n) => (n < 9.995 ? n.toFixed(2) : n < 99.95 ? n.toFixed(1) : n.toFixed(0));

export const millis = (ms) => (ms < 999.5 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`);
export const micros = (us) => (us < 1000 ? `${Math.round(us)} µs` : millis(us / 1000));
export const nanos = (ns) => (ns < 1000 ? `${ns} ns` : micros(Math.floor(ns / 1000)));
export const rate = (r) =>
  r < 0.05 ? "0" : r < 99.95 ? r.toFixed(1) : r < 9999.5 ? r.toFixed(0) : `${digits(r / 1000)}k`;
export const count = (n) => (n < 10000 ? String(n) : rate(n));
export const bytes = (b) =>
  b < 999.5 ? `${b} B` : b < 999500 ? `${digits(b / 1e3)} kB` : b < 999.5e6 ? `${digits(b / 1e6)} MB` : `${digits(b / 1e9)} GB`;

export const age = (ms) => {
  const s = Math.floor(ms / 1000);
  if (s < 1) return "now";
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`;
};
export const ago = (ms) => (ms < 1000 ? "now" : `${age(ms)} ago`);
export const many = (n, word, words = `${word}s`) => `${n} ${n === 1 ? word : words}`;

// The time of day of a moment since 1970, in milliseconds.
export const clock = (ms) => {
  const at = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
};
// A moment of the session, in milliseconds since it began.
export const moment = (ms) => {
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s >= 3600 ? `${Math.floor(s / 3600)}:${rest}` : rest;
};

// Words of states, and the colour that goes with each.
export const conditions = {
  starting: ["starting", "busy"], live: ["live", "good"], building: ["building", "busy"],
  stale: ["stale", "warn"], draining: ["draining", "warn"], down: ["down", "bad"],
};
export const outcomes = {
  open: ["building", "busy"], live: ["live", "good"], unchanged: ["no change", "dim"],
  broken: ["broken", "bad"], rolled_back: ["rolled back", "warn"], superseded: ["superseded", "dim"],
};
export const stages = {
  preparing: ["preparing", "busy"], asking: ["waiting for confirmation", "busy"], underway: ["under way", "busy"],
  stopping: ["stopping", "warn"], planned: ["plan only", "dim"], nothing: ["nothing to do", "dim"],
  declined: ["declined", "dim"], live: ["live", "good"], failed: ["failed", "bad"], stopped: ["stopped", "warn"],
};
export const states = {
  queued: ["queued", "busy"], running: ["running", "busy"], done: ["done", "good"],
  failed: ["failed", "bad"], cancelled: ["cancelled", "dim"], expired: ["expired", "warn"],
};
// The end of a request: a word and a colour.
export const ending = (end) =>
  end === "value" ? ["ok", "good"] : end === "filtered" ? ["filtered", "dim"] : end === "none" ? ["none", "dim"] : [end, "bad"];
