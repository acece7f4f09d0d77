// Nodes: the fleet that this machine is a node of, what each serves, and where overflow goes.
import { html, nothing, svg } from "./lit-html.js";
import { follow } from "./beside.js";
import { pill } from "./frame.js";
import { age, many, micros, rate } from "./words.js";

const TONES = { here: "good", up: "good", down: "bad", expelled: "bad" };
const local = (app) => (app.local.nodes ??= { found: null, why: null, missing: false, timer: null });

// Requests a second that each node serves for another, over all services.
export function arcs(nodes) {
  const sums = new Map();
  for (const node of nodes) for (const service of node.services) for (const [to, served] of Object.entries(service.to ?? {})) {
    const key = JSON.stringify([node.name, to]);
    sums.set(key, (sums.get(key) ?? 0) + served);
  }
  return [...sums].map(([key, served]) => { const [from, to] = JSON.parse(key); return { from, to, served }; }).filter((arc) => arc.served > 0);
}

export const nodesPage = {
  name: "nodes", key: "8", title: "Nodes",
  arrive: (app) => follow(app, "nodes", "/beside/node/nodes", local),
  frame: (app) => follow(app, "nodes", "/beside/node/nodes", local),
  draw(app) {
    const { found, why, missing } = local(app);
    if (missing) return html`<h1>Nodes</h1><section class="panel"><p>This machine shows no fleet: ${why}.</p>
      <p>Nodes are machines that serve each other's overflow. <code>dyn node init</code> begins a fleet, and <code>dyn node join</code> brings a machine into one.</p></section>`;
    if (!found) return html`<h1>Nodes</h1><p class=${why ? "bad" : "dim"}>${why ?? "Asking the node of this machine."}</p>`;
    const services = found.nodes.flatMap((node) => node.services.map((service) => ({ node, service })));
    return html`<div class="title"><h1>Nodes</h1><span class="dim">fleet ${found.fleet}, seen from ${found.here}</span><span class="grow"></span><span class="dim">${many(found.nodes.length, "node")} · strategy ${found.strategy}</span></div>
      ${why ? html`<section class="banner bad" role="alert"><strong>The node does not answer</strong> <span>${why}. What stands here is its last picture.</span></section>` : nothing}
      <section class="panel flush drawing" aria-label="Overflow">${drawing(found.nodes)}</section>
      <section class="panel scrolls" aria-label="Nodes"><h2>Nodes</h2><table class="wide"><thead><tr><th>node</th><th>state</th><th>address</th><th>link</th><th class="n">round trip</th><th class="n">for</th><th>labels</th></tr></thead><tbody>
        ${found.nodes.map((node) => html`<tr><td>${node.name}</td><td>${pill([node.state, TONES[node.state] ?? "dim"])}</td><td class="mono">${node.address}</td><td>${node.link ? html`<span class=${node.link === "up" ? "" : "bad"}>${node.link}</span>` : html`<span class="dim">no neighbour</span>`}</td>
          <td class="n">${node.rtt_us == null ? "–" : micros(node.rtt_us)}</td><td class="n">${node.since_s == null ? "–" : age(node.since_s * 1000)}</td><td>${Object.entries(node.labels).map(([key, value]) => `${key}=${value}`).join(" ")}</td></tr>`)}</tbody></table></section>
      <section class="panel scrolls" aria-label="Shared services"><h2>Shared services, requests a second</h2>${services.length ? html`<table class="wide"><thead><tr><th>service</th><th>node</th><th class="n">limit</th><th class="n">users</th><th class="n">guests</th><th class="n">away</th><th class="n">refused</th><th class="n">needs</th><th class="n">offers here</th><th>why not asked</th></tr></thead><tbody>
        ${services.map(({ node, service }) => html`<tr><td>${service.app}/${service.service}</td><td>${node.name}</td><td class="n">${service.limit == null ? "none" : rate(service.limit)}</td><td class="n">${rate(service.users)}</td><td class="n">${rate(service.guests)}</td>
          <td class="n" title=${Object.entries(service.to ?? {}).map(([to, served]) => `${rate(served)}/s to ${to}`).join(", ")}>${rate(service.away)}</td><td class="n ${service.refused >= 0.05 ? "bad strong" : ""}">${rate(service.refused)}</td><td class="n">${rate(service.need)}</td>
          <td class="n">${node.state === "here" ? "–" : rate(service.offered)}</td><td>${service.why ?? ""}</td></tr>`)}</tbody></table>` : html`<p class="dim">No node serves an app yet: <code>dyn push ${app.known.set.file ?? "FILE"} --to all</code>.</p>`}</section>`;
  },
};

const STEP = 150, WIDE = 116, HIGH = 40;

// Nodes in a row, in the order that they are listed in, and an arc from each to those that served its overflow.
function drawing(nodes) {
  const at = new Map(nodes.map((node, index) => [node.name, 20 + index * STEP + WIDE / 2]));
  const all = arcs(nodes).filter((arc) => at.has(arc.from) && at.has(arc.to));
  const rise = ({ from, to }) => 22 + 12 * Math.min(Math.abs(at.get(from) - at.get(to)) / STEP, 8);
  const top = Math.max(16, ...all.map((arc) => rise(arc) + 14)), width = 20 + nodes.length * STEP;
  const most = Math.max(1, ...all.map((arc) => arc.served));
  const words = all.map((arc) => `${arc.from} sends ${rate(arc.served)} requests a second to ${arc.to}`).join("; ") || "no overflow";
  return html`<svg class="graph" role="img" aria-label=${words} width=${width} height=${top + HIGH + 26} viewBox="0 0 ${width} ${top + HIGH + 26}">
    ${all.map((arc) => { const a = at.get(arc.from), b = at.get(arc.to), middle = (a + b) / 2, high = top - rise(arc);
      return svg`<path class="edge chosen" d=${`M${a} ${top} Q${middle} ${high - rise(arc) / 2} ${b} ${top}`} stroke-width=${1 + 3 * (arc.served / most)}></path>
        <path class="arrow" d=${`M${b - 4} ${top - 7} L${b} ${top} L${b + 4} ${top - 7}`}></path>
        <text class="wait chosen" text-anchor="middle" x=${middle} y=${high + 8}>${rate(arc.served)}/s</text>`; })}
    ${nodes.map((node) => svg`<g class="node" transform=${`translate(${at.get(node.name) - WIDE / 2} ${top})`}><rect width=${WIDE} height=${HIGH} rx="8"></rect>
      <text class="name" x="10" y="17">${node.name.length > 15 ? `${node.name.slice(0, 14)}…` : node.name}</text><text class="state ${TONES[node.state] ?? ""}" x="10" y="32">${node.state}</text></g>`)}</svg>`;
}
