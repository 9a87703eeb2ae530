// Does what Selkies 2's web client does in WebRTC mode: asks api/turn, opens one socket,
// says HELLO client, calls with SESSION server until somebody is there, and answers the
// offer. What it relays has the other side's name before it.
"use strict";

const RETRY_MS = 3000; // after a handshake that failed; after the third try the page is loaded again
const CALL_MS = 1000; // after ERROR peer server not found
const REJECTED = 4000, SUPERSEDED = 4001; // it stays away then
let failures = 0;

// call opens the socket. It tells live when there is a connection for media, and reloading
// before it loads the page again.
async function call(live, reloading) {
  desktop.connections++;
  show("connecting");
  const configuration = await iceConfiguration(FOLDER + "api/turn");
  const socket = new WebSocket(webSocketURL(FOLDER + "api/webrtc/signaling/"));
  let here = true, opened = false, server = "";
  const connection = media(configuration, {
    send: (value) => { if (socket.readyState === WebSocket.OPEN) socket.send(server + " " + JSON.stringify(value)); },
    onTrack: (event) => { if (event.track.kind === "video") showStream(event, () => here); else hear(event); },
    onChannel: takeChannel,
    onICE: (state) => { if (state === "connected") { mark("iceConnected"); live(); } },
    failed: () => socket.close(),
  });
  const stopCounting = countFrames();
  desktop.stats = () => videoStats(connection.stats());
  const ring = () => { if (socket.readyState === WebSocket.OPEN) socket.send("SESSION server"); };

  socket.onopen = () => {
    opened = true;
    failures = 0;
    mark("wsOpen");
    show("waiting");
    socket.send("HELLO client " + JSON.stringify({
      client_type: "controller", client_slot: -1, client_strict_viewer: false, client_token: "", display_id: "primary", display_position: "right",
    }));
  };
  socket.onmessage = async (event) => {
    if (event.data === "HELLO") { mark("hello"); return ring(); }
    if (event.data.startsWith("SESSION_OK")) { server = event.data.split(" ")[1]; return; }
    if (event.data.startsWith("ERROR")) { if (event.data === "ERROR peer server not found") setTimeout(ring, CALL_MS); return; }
    try {
      const said = JSON.parse(event.data.substring(event.data.indexOf(" ") + 1));
      if (said.sdp) { mark("offer"); show("offered"); }
      await connection.take(said);
    } catch (error) {
      console.error("signaling:", error);
      socket.close();
    }
  };
  socket.onclose = (event) => {
    here = false;
    connection.close();
    stopCounting();
    forget();
    const reason = event.reason || (event.code === 1000 ? "" : "code " + event.code);
    if (event.code === REJECTED || event.code === SUPERSEDED) return show("over", reason);
    show("closed", reason);
    if (opened) return call(live, reloading);
    const again = ++failures > 3 ? async () => { await reloading(); location.reload(); } : () => call(live, reloading);
    setTimeout(again, RETRY_MS);
  };
}
