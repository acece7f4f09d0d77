// Latency over time, drawn by uPlot on a canvas.
import { micros } from "./words.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const resolved = (name) => {
  // light-dark() is resolved where it is used, so an element is asked.
  const probe = document.createElement("i");
  probe.className = `probe ${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found || colour(`--${name}`);
};

const drawn = new WeakMap();

// Draws `history` into `box`; `marks` are [seconds, words]. Drawn anew only where something changed.
export function plot(box, history, marks, now) {
  if (!box || !window.uPlot) return;
  const known = drawn.get(box);
  const theme = document.documentElement.dataset.theme ?? String(matchMedia("(prefers-color-scheme: dark)").matches);
  const like = `${history?.service}|${history?.span_s}|${theme}|${box.clientWidth}`;
  const data = series(history, now);
  if (known?.like === like) {
    known.marks = marks;
    known.chart.setData(data, false);
    known.chart.setScale("x", { min: now - history.span_s, max: now });
    return;
  }
  known?.chart.destroy();
  box.replaceChildren();
  if (!history) return drawn.delete(box);
  const state = { like, marks, chart: null };
  const [accent, warn, dim, line] = ["accent", "overhead", "dim", "line"].map(resolved);
  const font = "11px system-ui, sans-serif";
  const axis = { stroke: dim, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  const past = (s) => (s >= 3600 ? `-${Math.round(s / 3600)} h` : s >= 60 ? `-${Math.round(s / 60)} min` : s > 0 ? `-${Math.round(s)} s` : "now");
  state.chart = new window.uPlot({
    width: Math.max(box.clientWidth, 120), height: 150, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false, min: now - history.span_s, max: now }, y: { distr: 3 } },
    series: [{}, { stroke: accent, width: 1.5, points: { show: false } }, { stroke: warn, width: 1, points: { show: false } }],
    axes: [
      { ...axis, grid: { show: false }, values: (chart, at) => at.map((s) => past(chart.scales.x.max - s)), space: 60 },
      { ...axis, size: 58, filter: decades, grid: { ...axis.grid, filter: decades }, values: (_, at) => at.map((us) => (us == null ? "" : micros(us))) },
    ],
    hooks: { draw: [(chart) => {
      const { ctx, bbox } = chart;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = accent;
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.setLineDash([4, 3]);
      // Of those that stand close only the latest is named.
      let named = Infinity;
      for (const [at, words] of [...state.marks].sort(([one], [other]) => other - one)) {
        const x = chart.valToPos(at, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        const width = ctx.measureText(words).width + 10;
        if (named - x < width) continue;
        named = x;
        ctx.textAlign = x > bbox.left + bbox.width / 2 ? "right" : "left";
        ctx.fillText(words, x + (ctx.textAlign === "right" ? -5 : 5), bbox.top + 11 * devicePixelRatio);
      }
      ctx.restore();
    }] },
  }, data, box);
  drawn.set(box, state);
}

// Of a logarithmic axis only powers of ten are written and drawn.
const decades = (_, at) => at.map((us) => (us && Math.abs(Math.log10(us) - Math.round(Math.log10(us))) < 0.001 ? us : null));

// Steps in which nothing happened are gaps.
function series(history, now) {
  if (!history) return [[], [], []];
  const [at, p50, p99] = [[], [], []];
  let last = null;
  for (const [second, , , half, , most] of history.points) {
    if (second < now - history.span_s - history.step_s) continue;
    if (last !== null && second - last > history.step_s * 1.5) { at.push(last + history.step_s); p50.push(null); p99.push(null); }
    at.push(second); p50.push(half || 1); p99.push(most || 1);
    last = second;
  }
  return [at, p50, p99];
}
