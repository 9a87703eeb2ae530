// Asks for the session's state until the desktop accepts connections, then loads
// it. Nothing is lost when a question fails: the next one comes.
"use strict";
(() => {
  const pollEvery = 250; // ms: short against a cold start of a second or more
  const settled = 3000; // ms: until then the wake that this page asked for may not show yet
  const byId = (id) => document.getElementById(id);
  const began = performance.now();
  performance.mark("vdi-page-shown");

  const say = (text) => {
    // Only a change is announced to screen readers.
    if (text && byId("message").textContent !== text) byId("message").textContent = text;
  };

  const stop = (title) => {
    document.title = title;
    byId("title").textContent = title;
    byId("progress").hidden = true;
    byId("elapsed").hidden = true;
    byId("failed").hidden = false;
    byId("again").href = location.href;
    byId("again").focus();
  };

  const ask = async () => {
    const answer = await fetch(document.body.dataset.status, { cache: "no-store" });
    if (answer.status === 401 || answer.status === 403 || answer.status === 404) {
      location.reload(); // the page that comes says why
      return false;
    }
    if (!answer.ok) return true;
    const status = await answer.json();
    say(status.message);
    switch (status.state) {
      case "ready":
      case "off": // the page that comes says so
        location.reload();
        return false;
      case "failed":
      case "asleep":
        if (performance.now() - began < settled) return true;
        stop(document.body.dataset[`${status.state}Title`]);
        return false;
    }
    return true;
  };

  const tick = async () => {
    let more = true;
    try {
      more = await ask();
    } catch {
      // The network or the gateway was away for a moment.
    }
    const seconds = Math.round((performance.now() - began) / 1000);
    if (seconds >= 3) byId("elapsed").textContent = `${seconds} s`;
    if (more) setTimeout(tick, pollEvery);
  };
  tick();
})();
