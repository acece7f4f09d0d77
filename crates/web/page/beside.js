// A server of this machine beside the session, asked once a second while its page is looked at, and not otherwise.
const EVERY = 1000;

// `path` is what is asked, `local` where the answer is kept: {found} or {why}, and {missing} where no such server runs.
// `then` is called after each answer.
export function follow(app, name, path, local, then = () => {}) {
  const at = local(app);
  if (at.timer) return;
  const looks = () => app.place.page === name && document.visibilityState === "visible" && app.link !== "out";
  const turn = async () => {
    if (!looks()) { at.timer = null; return; }
    await read(app, path, at);
    then(app);
    at.timer = setTimeout(turn, EVERY);
  };
  at.timer = setTimeout(turn, 0);
}

// Answers with JSON; that no such server is there, or that it does not answer, is an error with its words.
export async function asked(app, path) {
  const found = await app.ask(path), why = found.absent ?? found.silent;
  if (why !== undefined) throw Object.assign(new Error(why), { missing: found.absent !== undefined });
  return found;
}

export async function read(app, path, at) {
  try {
    const found = await asked(app, path);
    Object.assign(at, { found, why: null, missing: false });
  } catch (error) {
    Object.assign(at, { why: error.message, missing: Boolean(error.missing) });
    if (at.missing) at.found = null;
  }
  app.redraw();
}

// Has something done by such a server; a refusal is an error with its words.
export async function deed(path, body = {}) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text.trim() || `it answers ${answer.status}`);
  return JSON.parse(text);
}
