// Does what Selkies 2's dashboard does before it opens anything: it asks api/status for the
// mode, but not for long. Without an answer it goes by the mode of last time, and the first
// time by WebSockets. Where a connection that never opened is of the wrong mode (409), it
// remembers the other one and loads the page again, once.
"use strict";

const STATUS_MS = 2000;
const WEBRTC = "webrtc", WEBSOCKETS = "websockets";
const REMEMBERED = (location.origin + location.pathname).replace(/[^a-zA-Z0-9._-]/g, "_") + "_stream_mode";
const FLIPPED = "selkies_mode_flip";

async function askedMode() {
  try {
    const response = await fetch(FOLDER + "api/status", { credentials: "same-origin", signal: AbortSignal.timeout(STATUS_MS) });
    if (!response.ok) throw new Error("status " + response.status);
    return (await response.json()).current_mode;
  } catch (error) {
    desktop.statusError = String(error);
    console.warn("the mode is not known:", error);
    return null;
  }
}

// flip remembers the other mode if this one's address says that it is the wrong one.
async function flip(address, other) {
  if (sessionStorage.getItem(FLIPPED)) return;
  const response = await fetch(address, { cache: "no-store" }).catch(() => null);
  if (!response || response.status !== 409) return;
  sessionStorage.setItem(FLIPPED, "1");
  localStorage.setItem(REMEMBERED, other);
}

const flipped = () => sessionStorage.removeItem(FLIPPED);

(async () => {
  const mode = (await askedMode()) || localStorage.getItem(REMEMBERED) || WEBSOCKETS;
  localStorage.setItem(REMEMBERED, mode);
  desktop.mode = mode;
  mark("mode");
  if (mode === WEBRTC) return call(flipped, () => flip(FOLDER + "api/webrtc/signaling/", WEBSOCKETS));
  stream("api/websockets", (opened) => (opened ? flipped() : flip(FOLDER + "api/websockets", WEBRTC)));
})();
