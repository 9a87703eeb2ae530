// A client of no protocol: it counts numbered binary messages and paints the count, and
// sends its input as text, which comes back.
"use strict";

const PATH = "websockify";
const RETRY_MS = 3000;

const canvas = document.createElement("canvas");
canvas.width = 640;
canvas.height = 360;
const painter = canvas.getContext("2d", { alpha: false });

function paint(number) {
  painter.fillStyle = "#0b0f15";
  painter.fillRect(0, 0, canvas.width, canvas.height);
  painter.fillStyle = "#5ad1c8";
  painter.font = "64px monospace";
  painter.textAlign = "center";
  painter.fillText(String(number), canvas.width / 2, canvas.height / 2);
}

function connect() {
  desktop.connections++;
  show("connecting");
  const socket = new WebSocket(webSocketURL(FOLDER + PATH), "binary");
  socket.binaryType = "arraybuffer";
  let live = true, last = 0;
  desktop.gaps = 0; // numbers that are missing
  desktop.echoes = 0;
  const stopCounting = countFrames();
  socket.onopen = () => {
    mark("wsOpen");
    show("waiting");
    takeInput((text) => { if (socket.readyState === WebSocket.OPEN) socket.send(text); });
  };
  socket.onmessage = (event) => {
    const view = new DataView(event.data);
    if (view.getUint8(0) === "e".charCodeAt(0)) { desktop.echoes++; return; }
    const number = Number(view.getBigUint64(1));
    if (number !== last + 1) desktop.gaps++;
    last = number;
    mark("offer"); // the desktop's first message
    paint(number);
    if (!screen_.srcObject) {
      screen_.srcObject = canvas.captureStream();
      watchFrames(() => live);
    }
  };
  socket.onclose = (event) => {
    live = false;
    takeInput(null);
    stopCounting();
    screen_.srcObject = null;
    show("closed", event.reason || "code " + event.code);
    setTimeout(connect, RETRY_MS);
  };
}

connect();
