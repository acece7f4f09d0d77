// A session that was kept in this file, in place of session.js: answers come from the document, and nothing is asked elsewhere.

// The data are gzip in base64.
async function unpacked(text) {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = packed.charCodeAt(at);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}
const kept = await unpacked(document.getElementById("kept").textContent).catch((error) => {
  const old = globalThis.DecompressionStream ? "" : " A browser of 2023 or later can.";
  document.getElementById("app").textContent = `This browser cannot read the session in this file: ${error.message}.${old}`;
  throw error;
});
const missing = () => { throw new Error("this file does not hold that"); };

export const enter = async () => null;

// Words as the session reads them; those it knows besides are taken for a text of a value.
function matches(detail, word) {
  const [, name, value] = word.match(/^(service|version|end|trace):(.+)$/) ?? [];
  const { line, hops } = detail;
  const limit = word.match(/^([<>])([0-9.]+)(us|µs|ms|s)$/);
  if (limit) {
    const us = Number(limit[2]) * { us: 1, "µs": 1, ms: 1e3, s: 1e6 }[limit[3]];
    return limit[1] === ">" ? line.total_us > us : line.total_us < us;
  }
  switch (name) {
    case "service": return hops.some((hop) => hop.service === value);
    case "version": return hops.some((hop) => hop.version.split("@").pop().startsWith(value));
    case "trace": return line.trace.startsWith(value);
    case "end": return value === "error" ? !["value", "filtered"].includes(line.end) : line.end === value;
    default: return hops.some((hop) => JSON.stringify([hop.inputs, hop.end]).toLowerCase().includes(word.toLowerCase()));
  }
}

function requests(asked) {
  const all = kept.requests ?? [], before = Number(asked.get("before") ?? Infinity), limit = Number(asked.get("limit") ?? 100);
  const words = (asked.get("q") ?? "").split(/\s+/).filter(Boolean);
  const found = all.filter((one) => one.line.number < before && words.every((word) => matches(one, word)));
  return {
    requests: found.slice(0, limit).map((one) => one.line), newest: all[0]?.line.number ?? null, oldest: all[all.length - 1]?.line.number ?? null,
    scanned: all.length, next: found.length > limit ? found[limit - 1].line.number : null,
  };
}

export async function ask(path) {
  const [name, query = ""] = path.split("?"), asked = new URLSearchParams(query);
  const [, , what, id] = name.split("/");
  if (what === "requests") return id ? kept.requests.find((one) => String(one.line.number) === id) ?? missing() : requests(asked);
  if (what === "hops") return kept.hops[id] ?? missing();
  if (what === "history") {
    const span = Number(asked.get("span"));
    return kept.histories[asked.get("service")]?.[span] ?? { step_s: 1, span_s: span, points: [] };
  }
  return missing();
}

export async function lines(path) {
  const asked = new URLSearchParams(path.split("?")[1] ?? ""), service = asked.get("service"), text = (asked.get("q") ?? "").toLowerCase();
  return kept.lines.filter((line) => (!service || line.service === service) && line.line.toLowerCase().includes(text));
}

export async function say() { throw new Error("this file may look only"); }

export function follow(on) {
  const known = { session: "kept", build: "", reads: true, kept_at_ms: kept.at_ms };
  let service = null;
  const told = () => on({ lines: kept.lines.filter((line) => !service || line.service === service), anew: true });
  setTimeout(() => {
    on({ link: "live", hello: known });
    on({ frame: kept.frame, layout: kept.layout });
    told();
  });
  return { look(next) { if ((next.service ?? null) !== service) { service = next.service ?? null; told(); } } };
}
