// Does what Selkies 1.6's web client does: asks /turn, opens two signaling sockets (video
// with input, audio), answers the app's offers and sends input over the data channel.
"use strict";

const RETRY_MS = 3000;
const VIDEO_PEER = 1;
const AUDIO_PEER = 3;

// Selkies 1.6 takes its app name from the first folder of the page's path.
function signalingURL() {
  const parts = location.pathname.split("/");
  const app = location.pathname.endsWith("/") && parts[1] ? parts[1] : "webrtc";
  return webSocketURL("/" + app + "/signalling/");
}

// peer runs one signaling socket and its connection. ended is called once.
function peer(id, configuration, { onTrack, onChannel, onState, ended }) {
  const socket = new WebSocket(signalingURL());
  let over = false;
  const close = (reason) => {
    if (over) return;
    over = true;
    socket.close();
    connection.close();
    ended(reason);
  };
  const connection = media(configuration, {
    send: (value) => { if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(value)); },
    onTrack, onChannel, onICE: onState, failed: () => close("no route for media"),
  });

  socket.onopen = () => {
    onState("open");
    const size = { res: Math.round(screen_.clientWidth * devicePixelRatio) + "x" + Math.round(screen_.clientHeight * devicePixelRatio), scale: devicePixelRatio };
    socket.send("HELLO " + id + " " + btoa(JSON.stringify(size)));
  };
  socket.onmessage = async (event) => {
    if (over) return;
    if (event.data === "HELLO") return onState("hello");
    if (event.data.startsWith("ERROR")) return console.warn("signaling:", event.data);
    try {
      const said = JSON.parse(event.data);
      if (said.sdp) onState("offer");
      await connection.take(said);
    } catch (error) {
      console.error("signaling:", error);
      close("signaling failed");
    }
  };
  socket.onclose = (event) => close(event.reason || (event.code === 1000 ? "" : "code " + event.code));
  return { close, stats: connection.stats };
}

async function connect() {
  desktop.connections++;
  show("connecting");
  const configuration = await iceConfiguration("/turn");
  let audio = null;
  let live = true;
  const stopCounting = countFrames();
  const video = peer(VIDEO_PEER, configuration, {
    onTrack: (event) => showStream(event, () => live),
    onChannel: takeChannel,
    onState: (state) => {
      if (state === "open") { mark("wsOpen"); show("waiting"); }
      if (state === "hello") mark("hello");
      if (state === "offer") { mark("offer"); show("offered"); }
      if (state === "connected") mark("iceConnected");
    },
    ended: (reason) => {
      live = false;
      if (audio) audio.close("");
      stopCounting();
      forget();
      show("closed", reason);
      setTimeout(connect, RETRY_MS);
    },
  });
  desktop.stats = () => videoStats(video.stats());
  audio = peer(AUDIO_PEER, configuration, {
    onTrack: hear, onChannel: () => {}, onState: () => {},
    ended: (reason) => { if (reason) console.warn("audio:", reason); },
  });
}

connect();
