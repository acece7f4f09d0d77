// The way to the session: one WebSocket for what changes, plain HTTP for questions and commands.

const RETRY = [500, 1000, 2000, 5000];
const BUILD = document.querySelector('meta[name="build"]').content;

// What may be asked twice is asked again where no answer came: a browser whose network changes gives up what is on its way.
async function asked(path, options) {
  for (const pause of [200, 500, 1000]) {
    try { return await fetch(path, options); } catch (error) {
      if (error.name === "AbortError") throw error;
      await new Promise((go) => setTimeout(go, pause));
    }
  }
  return fetch(path, options);
}

export async function enter(ticket) {
  const answer = await asked("/enter", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ ticket }),
  });
  return answer.ok ? null : (await answer.text()).trim();
}

// Answers with JSON, or throws an error with the session's words.
export async function ask(path, signal) {
  const answer = await asked(path, { signal });
  if (!answer.ok) throw new Error((await answer.text()).trim() || `the session answers ${answer.status}`);
  return answer.json();
}

// Lines of JSON.
export async function lines(path, signal) {
  const answer = await asked(path, { signal });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text.trim());
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

// Has something done; a refusal is an error with its words. `command` is an object, or JSON as text.
export async function say(command) {
  const body = typeof command === "string" ? command : JSON.stringify(command);
  const answer = await fetch("/v1/commands", { method: "POST", headers: { "content-type": "application/json" }, body });
  const text = await answer.text();
  let said;
  try { said = JSON.parse(text); } catch { throw new Error(text.trim() || `the session answers ${answer.status}`); }
  if (said.answer === "refused") throw new Error(said.hint ? `${said.message}: ${said.hint}` : said.message);
  return said;
}

// Follows the session. `on` is told {hello}, messages, and {link}.
export function follow(on) {
  let socket = null, known = null, tries = 0, look = {}, timer = null, ended = false;
  const visible = () => document.visibilityState === "visible";
  const send = (what) => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(what)); };
  const tellLook = () => send({ look: visible() ? look : null });

  function open() {
    socket = new WebSocket(`ws://${location.host}/live`);
    let greeted = false;
    socket.onmessage = ({ data }) => {
      let told;
      try { told = JSON.parse(data); } catch { return again("a message of the session does not read"); }
      if (told.ended) { ended = true; return on({ link: "out", ended }); }
      if (told.hello) {
        greeted = true;
        tries = 0;
        // Files of another version: once, so that a cache between us makes no circle of it.
        if (told.hello.build !== BUILD && sessionStorage.getItem("loaded") !== told.hello.build) {
          sessionStorage.setItem("loaded", told.hello.build);
          if (!on({ outdated: true })) return location.reload();
        }
        known = told.hello;
        on({ link: "live", hello: told.hello });
        return tellLook();
      }
      try { on(told); } catch (error) { return again(error.message); }
      // Drawn, or as good as: the browser is asked for the next picture when it has time for one.
      requestAnimationFrame(() => send({ ack: told.seq }));
    };
    socket.onclose = async () => {
      socket = null;
      if (ended) return undefined;
      if (!greeted && !known) {
        const answer = await fetch("/v1/snapshot").catch(() => null);
        if (answer?.status === 401) return on({ link: "out" });
        if (answer?.status === 503) return on({ link: "full" });
      }
      on({ link: known ? "lost" : "connecting" });
      return wait();
    };
  }
  function again(why) {
    on({ notice: `${why}; everything is asked for anew` });
    socket?.close();
  }
  function wait() {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (!known || (await isKnown(known))) return open();
      wait();
    }, RETRY[Math.min(tries++, RETRY.length - 1)]);
  }
  document.addEventListener("visibilitychange", tellLook);
  open();
  return {
    look(next) {
      if (JSON.stringify(next) === JSON.stringify(look)) return;
      look = next;
      tellLook();
    },
  };
}

// Whether the session at this address is the one that let this page in: a stranger that took its port is told nothing.
async function isKnown({ id, key }) {
  const nonce = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const answer = await fetch(`/alive?id=${id}&nonce=${nonce}`, { credentials: "omit" }).catch(() => null);
  if (!answer?.ok) return false;
  const raw = Uint8Array.from(key.match(/../g), (pair) => parseInt(pair, 16));
  const sign = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const proof = new Uint8Array(await crypto.subtle.sign("HMAC", sign, new TextEncoder().encode(nonce)));
  return (await answer.text()).trim() === [...proof].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
