package frame

import "sync"

// bufferSize is what a connection borrows while bytes of it are in passing: a video
// frame takes few system calls, and some hundred busy connections a few megabytes.
const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func borrow() *[bufferSize]byte    { return buffers.Get().(*[bufferSize]byte) }
func giveBack(b *[bufferSize]byte) { buffers.Put(b) }
