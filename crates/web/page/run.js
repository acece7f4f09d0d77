// The edge: takes in what happens, draws what changed.
import { render } from "./lit-html.js";
import * as session from "./session.js";
import { apply, empty, hash, place } from "./state.js";
import { chrome, pagesOf } from "./frame.js";

const root = document.getElementById("app");
let asked = 0, drawnAt = 0;

const app = {
  known: empty(), layout: null, link: "connecting", hello: null, place: place(location.hash), window: 10,
  notice: null, question: null, overlay: null, search: "", typed: false, offset: 0, local: {},
  ask: session.ask, lines: session.lines, say: session.say,
  // It may look and change nothing.
  get reads() { return Boolean(app.hello?.reads); },
  // When it was kept, of a file that shows a session; null of a session that runs.
  get keptAt() { return app.hello?.kept_at_ms ?? null; },
  // There are pictures alone, as of a cluster, and nobody to ask for more.
  get pictures() { return Boolean(app.hello?.pictures); },
  redraw() {
    if (!asked) asked = requestAnimationFrame(() => { asked = 0; draw(); });
  },
  go(to) {
    const next = hash({ page: app.place.page, ...to });
    if (location.hash === next) arrive();
    else location.hash = next;
  },
  // The same place with another query; nothing is added to the history.
  refine(query) {
    history.replaceState(null, "", hash({ ...app.place, query: { ...app.place.query, ...query } }));
    arrive();
  },
  tell(text, tone = "dim") {
    app.notice = { text, tone };
    clearTimeout(app.noticeTimer);
    if (tone !== "bad") app.noticeTimer = setTimeout(() => { app.notice = null; app.redraw(); }, 6000);
    app.redraw();
  },
  // Does something that may be refused, and says so.
  async attempt(work) {
    try { return await work(); } catch (error) {
      if (error.name !== "AbortError") app.tell(error.message, "bad");
      return null;
    } finally { app.redraw(); }
  },
  async copy(text, what) {
    await navigator.clipboard.writeText(text).then(() => app.tell(`${what} copied`), () => app.tell("the browser does not allow copying", "bad"));
  },
  // Asks before something that cannot be taken back.
  confirm(question, yes, act) { app.question = { question, yes, act, back: document.activeElement }; app.redraw(); },
  look: () => {},
  theme: localStorage.getItem("theme"),
  switchTheme() {
    const dark = app.theme ? app.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    app.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", app.theme);
    document.documentElement.dataset.theme = app.theme;
    app.redraw();
  },
};
if (app.theme) document.documentElement.dataset.theme = app.theme;

function current() { const pages = pagesOf(app); return pages.find((page) => page.name === app.place.page) ?? pages[0]; }

function draw() {
  const page = current();
  drawnAt = Date.now();
  document.title = `${app.known.set.app ? `${app.known.set.app} · ` : ""}${page.title}`;
  render(chrome(app, page), root);
  page.drawn?.(app);
  const dialog = (app.overlay || app.question) && root.querySelector("dialog");
  if (dialog && !dialog.open) dialog.showModal();
}

function arrive() {
  const before = app.place.page;
  app.place = place(location.hash);
  const page = current();
  app.follower?.look(page.look?.(app) ?? {});
  if (before !== app.place.page) app.overlay = null;
  page.arrive?.(app);
  app.redraw();
  if (before !== app.place.page) requestAnimationFrame(() => root.querySelector("main")?.focus({ preventScroll: true }));
}

// What the session tells. True keeps the page as it is although its files are outdated.
function on(told) {
  if (told.outdated) {
    if (app.typed) app.tell("a newer version of this page is there: load it anew when your input is done", "warn");
    return app.typed;
  }
  if (told.notice) app.tell(told.notice, "warn");
  if (told.link) {
    if (told.ended) app.refused = "The access of every browser was ended.";
    if (told.link === "lost" && app.link === "live") app.lostAt = Date.now();
    // What is half filled in stays; its forms are asked for anew.
    if (told.link === "live" && told.hello.session !== app.hello?.session) app.local = app.local.call ? { call: { ...app.local.call, edit: null } } : {};
    app.link = told.link;
    app.hello = told.hello ?? app.hello;
    if (told.link === "live") arrive();
  }
  if (told.layout) app.layout = told.layout;
  if (told.frame) {
    const edit = app.known.set.edit;
    app.known = apply(app.known, told.frame);
    app.offset = Date.now() - app.known.now;
    if (edit !== undefined && app.known.set.edit !== edit) app.edited = { edit: app.known.set.edit, at: Date.now() };
    current().frame?.(app, told.frame);
  }
  if (told.lines || told.anew) pagesOf(app).find((page) => page.name === "logs")?.take(app, told);
  app.redraw();
  return false;
}

function key(event) {
  const typing = event.target.matches?.("input, textarea, select, [contenteditable]");
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return root.querySelector("#search")?.focus();
  }
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing || event.metaKey || event.ctrlKey || event.altKey || app.question) return undefined;
  if (event.key === "Escape" && app.overlay) { app.overlay = null; return app.redraw(); }
  const page = pagesOf(app).find((page) => page.key === event.key);
  if (page) { event.preventDefault(); return app.go({ page: page.name, id: null }); }
  if (event.key === "/") { event.preventDefault(); return root.querySelector("main input[type=search], #search")?.focus(); }
  if (event.key === "?") { app.overlay = app.overlay === "keys" ? null : "keys"; return app.redraw(); }
  if (event.key === "Escape" && app.notice) { app.notice = null; return app.redraw(); }
  if (current().keys?.(app, event)) event.preventDefault();
  return undefined;
}

async function begin() {
  // Every file came.
  sessionStorage.removeItem("anew");
  const ticket = location.hash.match(/^#enter=(.+)$/)?.[1];
  if (ticket) {
    // Before anything else: it is in no history and no screenshot.
    history.replaceState(null, "", "/#/flow");
    app.refused = await session.enter(ticket).catch((error) => error.message);
  }
  app.place = place(location.hash);
  addEventListener("hashchange", arrive);
  addEventListener("keydown", key);
  addEventListener("scroll", () => current().scrolled?.(app), { capture: true, passive: true });
  // Ages grow also when nothing happens.
  setInterval(() => { if (document.visibilityState === "visible" && Date.now() - drawnAt > 900) app.redraw(); }, 1000);
  app.follower = session.follow(on);
  draw();
}
begin();
