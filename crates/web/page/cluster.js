// Cluster: the plan of a push, the question, how it goes, and earlier ones.
import { html, nothing } from "./lit-html.js";
import { pill } from "./frame.js";
import { pushes } from "./state.js";
import { ago, bytes, many, millis, stages } from "./words.js";

const TONES = { new: "good", changed: "busy", drifted: "warn", gone: "bad", "rolled back": "warn" };
const busy = (push) => ["preparing", "underway", "stopping"].includes(push?.stage.stage);
const open = (push) => busy(push) || push?.stage.stage === "asking";

export const cluster = {
  name: "cluster", key: "6", title: "Cluster",
  draw(app) {
    const [latest, ...earlier] = pushes(app.known), context = app.known.set.cluster;
    const local = (app.local.cluster ??= { busy: false });
    const begin = async (command) => {
      local.busy = true;
      app.redraw();
      const said = await app.attempt(() => app.say(command));
      local.busy = false;
      if (said?.answer === "planned" && said.push.stage.stage === "failed") app.tell(said.push.stage.why, "bad");
      app.redraw();
    };
    return html`<div class="title"><h1>Cluster</h1><span class="grow"></span><span class="dim">${context ? `context ${context}` : "no context in the kubeconfig"}</span></div>
      ${open(latest) || app.reads ? nothing : html`<section class="panel"><p>${context ? "Preparing a push changes nothing on the cluster: it builds what differs, and shows a plan." : "No kubeconfig names a context, so there is no cluster to push to."}</p>
        <p class="actions"><button class="main" ?disabled=${local.busy || !context} @click=${() => begin({ command: "push" })}>${local.busy ? "Preparing…" : "Prepare a push"}</button>
          <button ?disabled=${local.busy || !context} @click=${() => begin({ command: "rollback" })}>Prepare a rollback</button></p></section>`}
      ${app.reads && !latest ? html`<section class="panel"><p class="dim">Nothing was pushed in this session.</p></section>` : nothing}
      ${latest ? plan(app, latest) : nothing}
      ${earlier.length ? html`<section class="panel scrolls"><h2>Earlier</h2><table class="wide"><tbody>${earlier.map((push) => html`<tr><td>${word(push)} ${push.push}</td><td>${pill(stages[push.stage.stage])}</td><td>edit ${push.edit}</td>
        <td>${push.stage.why ?? ""}</td><td class="n">${push.stage.ms ? millis(push.stage.ms) : ""}</td><td class="n dim">${ago(app.known.now - push.at_ms)}</td></tr>`)}</tbody></table></section>` : nothing}`;
  },
};

const word = (push) => push.act.act;

function plan(app, push) {
  const { target, stage } = push;
  const goal = target ? `${target.context} / ${target.namespace}` : "";
  const decide = (yes) => app.attempt(async () => app.tell((await app.say({ command: "decide", push: push.push, yes })).message));
  return html`<section class="panel"><div class="title"><h2>${word(push) === "push" ? "Push" : "Rollback"} ${push.push}</h2>${pill(stages[stage.stage])}<span class="dim">edit ${push.edit}${push.layers ? ` · ${many(push.layers, "layer")}, ${bytes(push.bytes)} to send` : ""}</span><span class="grow"></span>
      ${stage.stage === "asking" && !app.reads ? html`<button @click=${() => decide(false)}>Put aside</button><button class="main" @click=${() => decide(true)}>${word(push) === "push" ? "Push" : "Roll back"} to ${goal}</button>` : nothing}
      ${stage.stage === "underway" && !app.reads ? html`<button @click=${() => app.confirm("Stop the push where it is? The next one goes on from there.", "Stop", () => app.attempt(async () => app.tell((await app.say({ command: "stop_push" })).message)))}>Stop</button>` : nothing}</div>
    ${target ? html`<p class="dim">Goes to ${target.server}, namespace ${target.namespace}.</p>` : nothing}
    ${push.doing ? html`<p aria-live="polite">${push.doing}</p>` : nothing}
    ${stage.why ? html`<p class="bad">${stage.why}${stage.hint ? html` <span class="dim">${stage.hint}</span>` : nothing}${stage.put_back ? " What had changed was rolled back." : ""}</p>` : nothing}
    ${stage.stage === "live" ? html`<p class="good">Live as number ${stage.number} after ${millis(stage.ms)}, ${bytes(stage.sent)} sent.</p>` : nothing}
    ${push.services.length ? html`<div class="scrolls"><table class="wide"><thead><tr><th>service</th><th>what</th><th>why</th><th>runs</th><th>becomes</th><th class="n">pods</th><th class="n">sends</th><th>state</th></tr></thead><tbody>
      ${push.services.map((roll) => html`<tr><td>${roll.name}</td><td>${pill([roll.what, TONES[roll.what] ?? "dim"])}</td><td>${(roll.reasons ?? []).join("; ")}</td><td class="mono">${roll.before?.split("@").pop() ?? "–"}</td><td class="mono">${roll.version?.split("@").pop() ?? "–"}</td>
        <td class="n">${roll.replicas}</td><td class="n">${roll.bytes ? bytes(roll.bytes) : "–"}</td><td>${state(roll.state)}</td></tr>`)}</tbody></table></div>` : nothing}
    ${(push.notes ?? []).map((note) => html`<p class="dim">${note}</p>`)}</section>`;
}

function state(of) {
  switch (of.state) {
    case "rolling": return `${of.ready} of ${of.wanted} new ready, ${of.old} old left${of.why ? `: ${of.why}` : ""}`;
    case "built": return `built in ${millis(of.ms)}`;
    case "live": return html`<span class="good">live after ${millis(of.ms)}</span>`;
    case "failed": return html`<span class="bad">${of.why}</span>${(of.lines ?? []).map((line) => html`<div class="mono dim">${line}</div>`)}`;
    case "put_back": return html`<span class="warn">rolled back</span>`;
    default: return html`<span class="dim">${of.state}</span>`;
  }
}
