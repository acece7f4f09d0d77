// Loads the page anew where one of its files did not come: a browser whose network changes, as with each container that starts,
// gives up what is on its way, and of modules it asks for none again.
function say(words) {
  const write = () => { document.getElementById("app").textContent = words; };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", write); else write();
}
function keeps() {
  try { return navigator.cookieEnabled && Boolean(sessionStorage); } catch { return false; }
}
if (!keeps()) say("This page proves itself to the session by a cookie: allow cookies for this address, and open a new link.");
addEventListener("error", (event) => {
  if (!event.target.matches?.("script, link") || !keeps()) return;
  const tries = Number(sessionStorage.getItem("anew")) + 1;
  sessionStorage.setItem("anew", tries);
  if (tries <= 5) return void setTimeout(() => location.reload(), 200 * 2 ** tries);
  say("A file of this page did not come. Load it anew once the session answers.");
}, true);
