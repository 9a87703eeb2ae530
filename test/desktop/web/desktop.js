// The demo desktop's client. It does what Selkies 1.6's web client does: asks /turn, opens
// two signaling sockets (video with input, audio), answers the app's offers and sends
// mouse and keyboard over the data channel. window.desktop shows tests where it is.
"use strict";

const RETRY_MS = 3000;
const VIDEO_PEER = 1;
const AUDIO_PEER = 3;

const screen_ = document.getElementById("screen");
const sound = document.getElementById("sound");
const stateText = document.getElementById("state");
const message = document.getElementById("message");
const numbers = document.getElementById("numbers");

// Marks are milliseconds since 1970, so that they compare with clocks elsewhere. Each keeps
// its first value since the page was opened.
const desktop = { state: "starting", marks: { opened: performance.timeOrigin }, connections: 0, frames: 0, error: "" };
window.desktop = desktop;

function mark(name) {
  if (!(name in desktop.marks)) desktop.marks[name] = performance.timeOrigin + performance.now();
}

const TEXTS = {
  starting: "Starting",
  connecting: "Connecting to the desktop",
  waiting: "Waiting for the desktop",
  offered: "Setting up video",
  live: "Connected",
  closed: "Disconnected, trying again in 3 seconds",
};

function show(state, error = "") {
  desktop.state = state;
  desktop.error = error;
  document.body.dataset.state = state;
  const text = TEXTS[state] + (error ? " (" + error + ")" : "");
  if (stateText.textContent !== text) stateText.textContent = text;
  message.textContent = text;
}

// Selkies 1.6 takes its app name from the first folder of the page's path.
function signalingURL() {
  const parts = location.pathname.split("/");
  const app = location.pathname.endsWith("/") && parts[1] ? parts[1] : "webrtc";
  return (location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/" + app + "/signalling/";
}

async function iceConfiguration() {
  try {
    const response = await fetch("/turn", { credentials: "same-origin" });
    if (!response.ok) throw new Error("status " + response.status);
    const answer = await response.json();
    mark("turn");
    return { iceServers: answer.iceServers || [], iceTransportPolicy: answer.iceTransportPolicy || "all" };
  } catch (error) {
    console.warn("no TURN configuration, going on without:", error);
    return { iceServers: [] };
  }
}

// peer runs one signaling socket and its connection. ended is called once.
function peer(id, configuration, { onTrack, onChannel, onState, ended }) {
  const socket = new WebSocket(signalingURL());
  let connection = null;
  let early = [];
  let over = false;
  const close = (reason) => {
    if (over) return;
    over = true;
    socket.close();
    if (connection) connection.close();
    ended(reason);
  };
  const send = (value) => { if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(value)); };

  async function offered(offer) {
    connection = new RTCPeerConnection(configuration);
    connection.ontrack = onTrack;
    connection.ondatachannel = (event) => onChannel(event.channel);
    connection.onicecandidate = (event) => { if (event.candidate) send({ ice: event.candidate }); };
    connection.oniceconnectionstatechange = () => onState(connection.iceConnectionState);
    connection.onconnectionstatechange = () => { if (connection.connectionState === "failed") close("no route for media"); };
    await connection.setRemoteDescription(offer);
    const answer = await connection.createAnswer();
    await connection.setLocalDescription(answer);
    send({ sdp: connection.localDescription });
    for (const candidate of early.splice(0)) await connection.addIceCandidate(candidate);
  }

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
      if (said.sdp) {
        onState("offer");
        await offered(said.sdp);
      } else if (said.ice) {
        if (connection && connection.remoteDescription) await connection.addIceCandidate(said.ice);
        else if (early.length < 64) early.push(said.ice);
      }
    } catch (error) {
      console.error("signaling:", error);
      close("signaling failed");
    }
  };
  socket.onclose = (event) => close(event.reason || (event.code === 1000 ? "" : "code " + event.code));
  return { close, stats: () => (connection ? connection.getStats() : null) };
}

async function connect() {
  desktop.connections++;
  show("connecting");
  const configuration = await iceConfiguration();
  let audio = null;
  let live = true;
  const nothing = () => {};
  const video = peer(VIDEO_PEER, configuration, {
    onTrack: (event) => {
      screen_.srcObject = event.streams[0] || new MediaStream([event.track]);
      watchFrames(() => live);
    },
    onChannel: (channel) => { if (channel.label === "input") takeInput(channel); },
    onState: (state) => {
      if (state === "open") { mark("wsOpen"); show("waiting"); }
      if (state === "hello") mark("hello");
      if (state === "offer") { mark("offer"); show("offered"); }
      if (state === "connected") mark("iceConnected");
    },
    ended: (reason) => {
      live = false;
      if (audio) audio.close("");
      clearInterval(ticker);
      numbers.textContent = "";
      screen_.srcObject = null;
      sound.srcObject = null;
      show("closed", reason);
      setTimeout(connect, RETRY_MS);
    },
  });
  // What WebRTC itself counts of the picture, for tests.
  desktop.stats = async () => {
    for (const entry of (await video.stats())?.values() ?? []) if (entry.type === "inbound-rtp" && entry.kind === "video") return { ...entry };
    return null;
  };
  audio = peer(AUDIO_PEER, configuration, {
    onTrack: (event) => { sound.srcObject = event.streams[0] || new MediaStream([event.track]); },
    onChannel: nothing, onState: nothing,
    ended: (reason) => { if (reason) console.warn("audio:", reason); },
  });
  let before = 0;
  const ticker = setInterval(() => {
    if (desktop.state === "live") numbers.textContent = screen_.videoWidth + "×" + screen_.videoHeight + ", " + (desktop.frames - before) + " frames a second";
    before = desktop.frames;
  }, 1000);
}

function watchFrames(live) {
  const seen = () => {
    if (!live()) return;
    desktop.frames++;
    if (desktop.state !== "live") { mark("firstFrame"); show("live"); screen_.focus({ preventScroll: true }); }
    screen_.requestVideoFrameCallback(seen);
  };
  screen_.requestVideoFrameCallback(seen);
}

// Input: pointer positions in the desktop's pixels, X button bits and X keysyms.
let channel = null;
let buttons = 0;
const pressed = new Map(); // event.code -> keysym that was sent

function takeInput(opened) {
  channel = opened;
  channel.onopen = () => mark("input");
  channel.onclose = () => { if (channel === opened) channel = null; };
}

function say(text) {
  if (channel && channel.readyState === "open") channel.send(text);
}

function position(event) {
  const box = screen_.getBoundingClientRect();
  const w = screen_.videoWidth || 1, h = screen_.videoHeight || 1;
  const scale = Math.min(box.width / w, box.height / h) || 1;
  const left = box.left + (box.width - w * scale) / 2, top = box.top + (box.height - h * scale) / 2;
  const clamp = (value, most) => Math.max(0, Math.min(most, Math.round(value)));
  return clamp((event.clientX - left) / scale, w - 1) + "," + clamp((event.clientY - top) / scale, h - 1);
}

const point = (event, mask, scroll = 0) => say("m," + position(event) + "," + mask + "," + scroll);

screen_.addEventListener("pointermove", (event) => point(event, buttons));
screen_.addEventListener("pointerdown", (event) => {
  screen_.focus({ preventScroll: true });
  screen_.setPointerCapture(event.pointerId);
});
// Mouse events, not pointer events, tell of a second button.
screen_.addEventListener("mousedown", (event) => { buttons |= 1 << event.button; point(event, buttons); event.preventDefault(); });
window.addEventListener("mouseup", (event) => {
  if (buttons & (1 << event.button)) { buttons &= ~(1 << event.button); point(event, buttons); }
});
screen_.addEventListener("contextmenu", (event) => event.preventDefault());
screen_.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (!event.deltaY) return;
  const wheel = event.deltaY < 0 ? 1 << 3 : 1 << 4;
  point(event, buttons | wheel, Math.max(1, Math.min(10, Math.round(Math.abs(event.deltaY) / 100))));
  point(event, buttons);
}, { passive: false });

const KEYSYMS = {
  Backspace: 0xff08, Tab: 0xff09, Enter: 0xff0d, Escape: 0xff1b, Delete: 0xffff, Home: 0xff50, ArrowLeft: 0xff51, ArrowUp: 0xff52,
  ArrowRight: 0xff53, ArrowDown: 0xff54, PageUp: 0xff55, PageDown: 0xff56, End: 0xff57, Insert: 0xff63, CapsLock: 0xffe5,
  Shift: [0xffe1, 0xffe2], Control: [0xffe3, 0xffe4], Alt: [0xffe9, 0xffea], Meta: [0xffeb, 0xffec], AltGraph: 0xfe03,
};

function keysym(event) {
  const known = KEYSYMS[event.key];
  if (Array.isArray(known)) return known[event.location === KeyboardEvent.DOM_KEY_LOCATION_RIGHT ? 1 : 0];
  if (known) return known;
  const f = /^F([1-9]|1[0-2])$/.exec(event.key);
  if (f) return 0xffbd + Number(f[1]);
  if ([...event.key].length !== 1) return 0;
  const code = event.key.codePointAt(0);
  return code < 0x100 ? code : 0x01000000 + code; // X's rule for Unicode
}

screen_.addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.shiftKey && event.altKey) return; // leave a way to the browser
  const symbol = keysym(event);
  if (!symbol) return;
  event.preventDefault();
  pressed.set(event.code, symbol);
  say("kd," + symbol);
});
screen_.addEventListener("keyup", (event) => {
  const symbol = pressed.get(event.code);
  if (!symbol) return;
  event.preventDefault();
  pressed.delete(event.code);
  say("ku," + symbol);
});
// Keys whose release another window takes would stay down.
const letGo = () => { pressed.clear(); say("kr"); };
window.addEventListener("blur", letGo);
screen_.addEventListener("blur", letGo);

show("starting");
connect();
