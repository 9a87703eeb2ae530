// What both of Selkies' WebRTC clients do once the desktop makes its offer.
"use strict";

async function iceConfiguration(path) {
  try {
    const response = await fetch(path, { credentials: "same-origin" });
    if (!response.ok) throw new Error("status " + response.status);
    const answer = await response.json();
    mark("turn");
    return { iceServers: answer.iceServers || [], iceTransportPolicy: answer.iceTransportPolicy || "all" };
  } catch (error) {
    console.warn("no TURN configuration, going on without:", error);
    return { iceServers: [] };
  }
}

// media answers one offer. send takes what the desktop shall know; failed is called when
// there is no way for media.
function media(configuration, { send, onTrack, onChannel, onICE, failed }) {
  let connection = null;
  const early = [];

  async function offered(offer) {
    connection = new RTCPeerConnection(configuration);
    connection.ontrack = onTrack;
    connection.ondatachannel = (event) => onChannel(event.channel);
    connection.onicecandidate = (event) => { if (event.candidate) send({ ice: event.candidate }); };
    connection.oniceconnectionstatechange = () => onICE(connection.iceConnectionState);
    connection.onconnectionstatechange = () => { if (connection.connectionState === "failed") failed(); };
    await connection.setRemoteDescription(offer);
    const answer = await connection.createAnswer();
    await connection.setLocalDescription(answer);
    send({ sdp: connection.localDescription });
    for (const candidate of early.splice(0)) await connection.addIceCandidate(candidate);
  }

  return {
    // take is for what the desktop says.
    take: async (said) => {
      if (said.sdp) await offered(said.sdp);
      else if (said.ice && connection && connection.remoteDescription) await connection.addIceCandidate(said.ice);
      else if (said.ice && early.length < 64) early.push(said.ice);
    },
    // settled is false while an offer is being answered.
    settled: () => !connection || connection.signalingState === "stable",
    close: () => { if (connection) connection.close(); },
    stats: () => (connection ? connection.getStats() : null),
  };
}

function showStream(event, live) {
  screen_.srcObject = event.streams[0] || new MediaStream([event.track]);
  watchFrames(live);
}

function hear(event) {
  sound.srcObject = event.streams[0] || new MediaStream([event.track]);
}

function takeChannel(channel) {
  if (channel.label !== "input") return;
  const how = (text) => { if (channel.readyState === "open") channel.send(text); };
  channel.onopen = () => takeInput(how);
  channel.onclose = () => { if (send === how) takeInput(null); };
}

// videoStats is what WebRTC itself counts of the picture, for tests.
async function videoStats(report) {
  for (const entry of (await report)?.values() ?? []) if (entry.type === "inbound-rtp" && entry.kind === "video") return { ...entry };
  return null;
}

function forget() {
  screen_.srcObject = null;
  sound.srcObject = null;
}
