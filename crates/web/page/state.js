// What the page knows, and how frames and addresses change it. Pure: nothing here touches the document or the network.

export const empty = () => ({
  seq: 0, now: 0, set: {}, services: {}, order: [], edges: [], types: {}, edits: {}, pushes: {},
  figures: {}, seconds: {}, calls: {}, traces: [],
});

// Applies a frame to what is known. Throws where frames are missing in between: all is asked for anew then.
export function apply(known, frame) {
  if (frame.seq === 1) known = empty();
  else if (frame.seq !== known.seq + 1) throw new Error(`frame ${frame.seq} follows frame ${known.seq}`);
  const next = { ...known, seq: frame.seq, now: frame.now_ms };
  const put = (key, more) => { if (more) next[key] = { ...next[key], ...more }; };
  const drop = (key, gone) => {
    if (!gone?.length) return;
    next[key] = { ...next[key] };
    for (const name of gone) delete next[key][name];
  };
  const gone = frame.gone ?? {};
  put("set", frame.set);
  drop("services", gone.services); put("services", frame.services);
  drop("edits", gone.edits); put("edits", frame.edits);
  drop("pushes", gone.pushes); put("pushes", frame.pushes);
  drop("calls", gone.calls); put("calls", frame.calls);
  drop("seconds", gone.services); put("seconds", frame.seconds);
  for (const key of ["order", "edges", "types", "traces"]) if (frame[key]) next[key] = frame[key];
  for (const [seconds, rows] of Object.entries(frame.figures ?? {})) {
    next.figures = { ...next.figures, [seconds]: { ...next.figures[seconds], ...rows } };
  }
  for (const name of gone.services ?? []) {
    for (const seconds of Object.keys(next.figures)) drop2(next.figures, seconds, name);
  }
  return next;
}

function drop2(figures, seconds, name) {
  figures[seconds] = { ...figures[seconds] };
  delete figures[seconds][name];
}

// A service's figures in a window, by name; none where nothing was measured.
export function figure(known, seconds, service) {
  const row = known.figures[seconds]?.[service];
  if (!row) return null;
  const [n, errors, rate, [p50, p90, p99, max], [fn, upstream, network, overhead], inFlight, retries] = row;
  return { n, errors, rate, p50, p90, p99, max, fn, upstream, network, overhead, inFlight, retries };
}

// What a service waited for another in the last minute.
export function edgeFigure(known, from, to) {
  const row = known.calls[to]?.[from];
  if (!row) return null;
  const [n, errors, rate, [p50, p99], network] = row;
  return { n, errors, rate, p50, p99, network };
}

export const windows = (known) => Object.keys(known.figures).map(Number).sort((a, b) => a - b);
export const edits = (known) => Object.values(known.edits).sort((a, b) => b.edit - a.edit);
export const pushes = (known) => Object.values(known.pushes).sort((a, b) => b.push - a.push);
export const last = (list) => list[list.length - 1];

// The service that answers last: the one that the flow's route begins with.
export const entry = (known) => known.set.flow?.split("(")[0] ?? last(known.order);

// The state of the session in words, and its colour.
export function phase(known, link) {
  if (link === "lost") return ["session lost", "bad"];
  if (link === "connecting" || !known.seq) return ["connecting", "busy"];
  const all = known.order.length;
  const how = (state) => known.order.filter((name) => known.services[name]?.state === state).length;
  const down = how("down");
  const errors = (known.set.diagnostics ?? []).filter((found) => found.severity === "error").length;
  switch (known.set.phase) {
    case "starting": return [all ? `starting, ${how("live")} of ${all} live` : "starting", "busy"];
    case "broken": return [`broken: ${errors} ${errors === 1 ? "error" : "errors"}`, "bad"];
    case "closing": return ["stopping", "warn"];
    default:
  }
  if (down) return [`${down} of ${all} down`, "bad"];
  if (known.set.phase === "building") return [`building edit ${known.set.edit}`, "busy"];
  return [`${how("live")} of ${all} live`, how("live") === all ? "good" : "warn"];
}

// The place that a fragment names: `#/requests/12?q=map`.
export function place(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/").map((part) => decodeURIComponent(part));
  return { page: page || "flow", id: rest.join("/") || null, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function hash({ page, id, query = {} }) {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value != null));
  const search = String(words);
  return `#/${page}${id != null ? `/${encodeURIComponent(id)}` : ""}${search ? `?${search}` : ""}`;
}
