// The flow as a drawing: places come from the session, figures from frames. Pure.
import { html, svg, nothing } from "./lit-html.js";
import { edgeFigure, figure } from "./state.js";
import { conditions, micros, rate } from "./words.js";

// A curve from place to place, level at each.
const curve = (points) => points.slice(1).reduce((path, [x, y], at) => {
  const [a, b] = points[at];
  const middle = (a + x) / 2;
  return `${path} C ${middle} ${b}, ${middle} ${y}, ${x} ${y}`;
}, `M ${points[0][0]} ${points[0][1]}`);

export function graph(app, chosen) {
  const { layout, known } = app;
  if (!layout || !known.order.length) return html`<p class="dim pad">No service yet: the file is being read.</p>`;
  const [width, height] = layout.node;
  const large = height > 30;
  const place = (name) => layout.nodes[name] ?? [0, 0];
  const touches = (edge) => chosen && (edge.from === chosen || edge.to === chosen);
  // The chosen edges last, so that they lie above the others.
  const edges = [...layout.edges].sort((a, b) => Boolean(touches(a)) - Boolean(touches(b)));
  return html`<svg class="graph ${large ? "large" : "small"}" width=${layout.width} height=${layout.height} viewBox="0 0 ${layout.width} ${layout.height}" role="group" aria-label="Flow of services">
    ${edges.map((edge) => drawnEdge(app, edge, place, width, touches(edge)))}
    ${known.order.filter((name) => layout.nodes[name]).map((name) => node(app, name, place(name), width, height, name === chosen))}
  </svg>`;
}

function drawnEdge(app, edge, place, width, isChosen) {
  const [x, y] = place(edge.from);
  const [a, b] = place(edge.to);
  const back = a <= x;
  const lane = edge.lane.flatMap(([x, y]) => [[x - width / 2, y], [x + width / 2, y]]);
  const points = back ? null : [[x + width / 2, y], ...lane, [a - width / 2, b]];
  const path = back
    ? `M ${x - width / 2} ${y} C ${x - width} ${y + 60}, ${a + width} ${b + 60}, ${a + width / 2} ${b}`
    : curve(points);
  const wait = edgeFigure(app.known, edge.from, edge.to);
  // In the gap before the right end, where no other edge has its label.
  const [lx, ly] = back ? [0, 0] : [a - width / 2 - 34, (3 * b + points[points.length - 2][1]) / 4];
  return svg`<path class="edge ${isChosen ? "chosen" : ""} ${edge.is_call ? "call" : ""}" d=${path}><title>${edge.from} to ${edge.to}${edge.is_call ? ", called in the body" : ""}${wait ? `: waits ${micros(wait.p50)} p50, ${micros(wait.p99)} p99 in the last minute` : ""}</title></path>
    ${wait && !back && app.layout.node[1] > 30 ? svg`<text class="wait ${isChosen ? "chosen" : ""}" x=${lx} y=${ly - 4} text-anchor="middle">${micros(wait.p50)}</text>` : nothing}`;
}

function node(app, name, [x, y], width, height, isChosen) {
  const service = app.known.services[name];
  if (!service) return nothing;
  const [word, tone] = conditions[service.state];
  const large = height > 30;
  const measured = figure(app.known, app.window, name);
  const fits = Math.floor((width - 30 - (large && word !== "live" ? 50 : 0)) / 6.6);
  const shown = service.instances?.length > 1 ? `${name} ×${service.instances.length}` : name;
  const short = shown.length > fits ? `${shown.slice(0, fits - 1)}…` : shown;
  const edited = app.edited && Date.now() - app.edited.at < 10000
    && app.known.edits[app.edited.edit]?.services.some((one) => one.name === name);
  return svg`<a class="node ${isChosen ? "chosen" : ""} ${edited ? "edited" : ""}" href="#/flow/${name}" aria-current=${isChosen ? "true" : nothing}>
    <rect x=${x - width / 2} y=${y - height / 2} width=${width} height=${height} rx="6"></rect>
    <circle class=${tone} cx=${x - width / 2 + 12} cy=${large ? y - 9 : y} r="3.5"><title>${name}: ${word}</title></circle>
    <text class="name" x=${x - width / 2 + 21} y=${large ? y - 5 : y + 4}>${short}</text>
    ${large && word !== "live" ? svg`<text class="state ${tone}" x=${x + width / 2 - 8} y=${y - 5} text-anchor="end">${word}</text>` : nothing}
    ${large ? svg`<text class="figure" x=${x - width / 2 + 9} y=${y + 13}>${measured ? `${rate(measured.rate)}/s ${measured.n ? micros(measured.p50) : ""}` : "no request yet"}</text>
      ${word === "live" && shown.length < 9 ? spark(app.known.seconds[name], x + width / 2 - 34, y - 15, 26, 12) : nothing}` : nothing}
  </a>`;
}

// Points by the seconds that they are of and by their place: a frame seldom brings other seconds.
const known = new WeakMap();

// Requests of each of the last 60 seconds.
export function spark(seconds, x, y, width, height) {
  if (!seconds?.length || !seconds.some(Boolean)) return nothing;
  if (!known.has(seconds)) known.set(seconds, {});
  const at = known.get(seconds), most = Math.max(...seconds);
  const point = (n, at) => `${(x + (at * width) / (seconds.length - 1)).toFixed(1)},${(y + height - (n * height) / most).toFixed(1)}`;
  return svg`<polyline class="spark" points=${at[`${x},${y}`] ??= seconds.map(point).join(" ")}></polyline>`;
}
