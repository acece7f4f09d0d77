// Loads the page anew where one of its files did not come: a browser whose network changes, as with each container that starts,
// gives up what is on its way, and of modules it asks for none again.
addEventListener("error", (event) => {
  if (!event.target.matches?.("script, link")) return;
  const tries = Number(sessionStorage.getItem("anew")) + 1;
  sessionStorage.setItem("anew", tries);
  if (tries <= 5) return void setTimeout(() => location.reload(), 200 * 2 ** tries);
  const say = () => { document.getElementById("app").textContent = "A file of this page did not come. Load it anew once the session answers."; };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", say); else say();
}, true);
