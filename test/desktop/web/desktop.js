// What the demo desktop's clients have in common: the screen, the status bar, mouse and
// keyboard. Which protocol they speak is in the scripts that the page loads after this one.
// window.desktop shows tests where it is.
"use strict";

// The folder that this page is in.
const FOLDER = location.pathname.slice(0, location.pathname.lastIndexOf("/") + 1);

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
  closed: "Disconnected, trying again in a few seconds",
  over: "Disconnected",
};

function show(state, error = "") {
  desktop.state = state;
  desktop.error = error;
  document.body.dataset.state = state;
  const text = TEXTS[state] + (error ? " (" + error + ")" : "");
  if (stateText.textContent !== text) stateText.textContent = text;
  message.textContent = text;
}

function webSocketURL(path) {
  return (location.protocol === "https:" ? "wss://" : "ws://") + location.host + path;
}

// countFrames shows the frame rate until the returned function is called.
function countFrames() {
  let before = 0;
  const ticker = setInterval(() => {
    if (desktop.state === "live") numbers.textContent = screen_.videoWidth + "×" + screen_.videoHeight + ", " + (desktop.frames - before) + " frames a second";
    before = desktop.frames;
  }, 1000);
  return () => { clearInterval(ticker); numbers.textContent = ""; };
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
let send = null; // how input leaves, while it can
let buttons = 0;
const pressed = new Map(); // event.code -> keysym that was sent

// takeInput says where input goes, null for nowhere.
function takeInput(how) {
  send = how;
  if (how) mark("input");
}

function say(text) {
  if (send) send(text);
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
