package relay

import "sync"

// bufferSize is one WebSocket's read buffer, and what a write borrows from
// WriteBuffers: signaling messages are a few hundred bytes to a few kilobytes.
const bufferSize = 4 << 10

// WriteBuffers is shared by all WebSockets, so that an idle one keeps no write
// buffer.
var WriteBuffers = &sync.Pool{}
