// Does what Selkies 2's web client does in WebSockets mode, and that of linuxserver's
// images: one socket, settings and input as text, pictures as binary messages, which this
// page decodes by itself (VP8 here) and acknowledges.
"use strict";

const RELOAD_MS = 5000;
const ACK_MS = 50;
const BAD_TOKEN = 4001; // it stays away then
const HEADER = 10; // 04, key, number (2), top (2), width (2), height (2)

const canvas = document.createElement("canvas");
const painter = canvas.getContext("2d", { alpha: false });

// stream opens the socket at a path beside the page. Before the page is loaded again after
// its end, reloading is told whether it was ever open.
function stream(path, reloading = async () => {}) {
  desktop.connections++;
  show("connecting");
  const socket = new WebSocket(webSocketURL(FOLDER + path + location.search));
  socket.binaryType = "arraybuffer";
  const tell = (text) => { if (socket.readyState === WebSocket.OPEN) socket.send(text); };
  let live = true, opened = false, last = 0, acknowledged = 0;
  desktop.gaps = 0; // pictures that are missing in the count

  const decoder = new VideoDecoder({
    output: (picture) => {
      if (canvas.width !== picture.displayWidth || canvas.height !== picture.displayHeight) {
        canvas.width = picture.displayWidth;
        canvas.height = picture.displayHeight;
      }
      painter.drawImage(picture, 0, 0);
      picture.close();
      if (!screen_.srcObject) {
        screen_.srcObject = canvas.captureStream();
        watchFrames(() => live);
      }
    },
    error: (error) => { console.error("decoding:", error); socket.close(); },
  });
  decoder.configure({ codec: "vp8", optimizeForLatency: true });
  let keyed = false;

  function picture(buffer) {
    const view = new DataView(buffer);
    if (view.getUint8(0) !== 4 || buffer.byteLength <= HEADER) return; // sound is silence here
    const key = view.getUint8(1) === 1, number = view.getUint16(2);
    if (last && number !== ((last + 1) & 0xffff)) desktop.gaps++;
    last = number;
    keyed ||= key;
    if (!keyed) return tell("REQUEST_KEYFRAME");
    mark("offer"); // the desktop's first answer that means pictures
    decoder.decode(new EncodedVideoChunk({ type: key ? "key" : "delta", timestamp: performance.now() * 1000, data: new Uint8Array(buffer, HEADER) }));
  }

  const acknowledge = setInterval(() => {
    if (last === acknowledged) return;
    acknowledged = last;
    tell("CLIENT_FRAME_ACK " + last);
  }, ACK_MS);
  const watchTab = () => tell(document.hidden ? "STOP_VIDEO" : "START_VIDEO");
  document.addEventListener("visibilitychange", watchTab);
  const stopCounting = countFrames();

  socket.onopen = () => { opened = true; mark("wsOpen"); show("waiting"); };
  socket.onmessage = (event) => {
    if (event.data instanceof ArrayBuffer) return picture(event.data);
    if (event.data.startsWith("MODE ")) {
      mark("hello");
      tell("SETTINGS," + JSON.stringify({ displayId: "primary", initialClientWidth: screen_.clientWidth, initialClientHeight: screen_.clientHeight }));
      tell("cr");
      tell("START_AUDIO");
      tell("r," + Math.round(screen_.clientWidth * devicePixelRatio) + "x" + Math.round(screen_.clientHeight * devicePixelRatio) + ",primary");
      // Who only looks has no settings that count, and joins the stream of who has.
      if (location.hash === "#shared") tell("START_VIDEO");
      takeInput(tell);
    }
  };
  socket.onclose = async (event) => {
    live = false;
    takeInput(null);
    clearInterval(acknowledge);
    document.removeEventListener("visibilitychange", watchTab);
    stopCounting();
    if (decoder.state !== "closed") decoder.close();
    screen_.srcObject = null;
    const reason = event.reason || "code " + event.code;
    if (event.code === BAD_TOKEN || /superseded/i.test(event.reason)) return show("over", reason);
    show("closed", reason);
    setTimeout(async () => { await reloading(opened); location.reload(); }, RELOAD_MS);
    const page = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => null);
    if (page && page.status === 401) location.reload();
  };
}
