// Does what Selkies 1.6's web client does: asks /turn, opens two signaling sockets (video
// with input, audio), answers the app's offers and sends input over the data channel. When
// an open socket ends, both connect again at once, whatever the reason: a second tab, whose
// ids are taken, so opens several sockets a second for as long as it is there.
"use strict";

const RETRY_MS = 3000;
const MOST_FAILURES = 3; // upgrades in a row; then it leaves for the host's root
const VIDEO_PEER = 1;
const AUDIO_PEER = 3;

// Selkies 1.6 takes its app name from the first folder of the page's path.
function signalingURL() {
  const parts = location.pathname.split("/");
  const app = location.pathname.endsWith("/") && parts[1] ? parts[1] : "webrtc";
  return webSocketURL("/" + app + "/signalling/");
}

// peer is one signaling socket after the other, each with its connection for media (there:
// signalling.js and webrtc.js). An end is told, after it has begun to connect again.
function peer(id, configuration, { onTrack, onChannel, onState, onEnd }) {
  let socket = null, connection = null, connecting = false, failures = 0;

  function connect() {
    connection = media(configuration, {
      send: (value) => { if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(value)); },
      onTrack, onChannel, onICE: onState, failed: () => {}, // there, nothing happens by itself
    });
    dial();
  }

  function dial() {
    desktop.connections++;
    connecting = true;
    const mine = socket = new WebSocket(signalingURL());
    mine.onopen = () => {
      connecting = false;
      failures = 0;
      onState("open");
      const even = (size) => Math.trunc(size * devicePixelRatio - ((size * devicePixelRatio) % 2));
      const size = { res: even(document.body.offsetWidth) + "x" + even(document.body.offsetHeight), scale: devicePixelRatio };
      socket.send("HELLO " + id + " " + btoa(JSON.stringify(size)));
    };
    mine.onmessage = (event) => said(event.data);
    mine.onerror = () => {
      failures++;
      if (socket.readyState !== WebSocket.CLOSED) return;
      setTimeout(failures > MOST_FAILURES ? () => location.replace(location.href.replace(location.pathname, "/")) : dial, RETRY_MS);
    };
    mine.onclose = (event) => { if (!connecting) ended(event.reason || (event.code === 1000 ? "" : "code " + event.code)); };
  }

  async function said(text) {
    if (text === "HELLO") return onState("hello");
    if (text.startsWith("ERROR")) return console.warn("signaling:", text);
    try {
      const what = JSON.parse(text);
      if (what.sdp) onState("offer");
      await connection.take(what);
    } catch (error) {
      console.error("signaling:", error);
    }
  }

  function ended(reason) {
    const settled = connection.settled();
    connection.close();
    if (settled) connect();
    else setTimeout(connect, RETRY_MS);
    onEnd(reason);
  }

  return { connect, disconnect: () => socket.close(), stats: () => connection.stats() };
}

(async () => {
  show("connecting");
  const configuration = await iceConfiguration("/turn");
  let visit = 0; // of the picture's connection
  const video = peer(VIDEO_PEER, configuration, {
    onTrack: (event) => { const its = visit; showStream(event, () => its === visit); },
    onChannel: takeChannel,
    onState: (state) => {
      if (state === "open") { mark("wsOpen"); show("waiting"); }
      if (state === "hello") mark("hello");
      if (state === "offer") { mark("offer"); show("offered"); }
      if (state === "connected") mark("iceConnected");
    },
    onEnd: (reason) => {
      visit++;
      forget();
      numbers.textContent = "";
      show("closed", reason);
      audio.disconnect();
    },
  });
  const audio = peer(AUDIO_PEER, configuration, {
    onTrack: hear, onChannel: () => {}, onState: () => {},
    onEnd: (reason) => {
      if (reason) console.warn("audio:", reason);
      video.disconnect();
    },
  });
  countFrames();
  desktop.stats = () => videoStats(video.stats());
  video.connect();
  audio.connect();
})();
