package agent

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

const (
	// eagerLook, steadyLook and lazyLook are the pauses between two looks at the
	// kernel's table of sockets: while the desktop starts, when that takes long, and
	// once it listens. A look costs some 30 µs.
	eagerLook, eagerFor   = 3 * time.Millisecond, 10 * time.Second
	steadyLook, steadyFor = 20 * time.Millisecond, 5 * time.Minute
	lazyLook              = time.Second
	// maxTable bounds what is read of the table, in bytes: some 7000 sockets.
	maxTable = 1 << 20
	// stateListen is a listening socket's in that table (Linux, include/net/tcp_states.h).
	stateListen = "0A"
)

// watchPort keeps a.listening current. It looks for a listening socket rather than
// connect to it, which the desktop would notice.
func (a *Agent) watchPort(ctx context.Context) {
	began, now := time.Now(), false
	for {
		if is := listens(a.Proc, a.DesktopPort); is != now {
			now = is
			a.mu.Lock()
			a.listening = now
			close(a.changed)
			a.changed = make(chan struct{})
			a.mu.Unlock()
		}
		pause := lazyLook
		switch waited := time.Since(began); {
		case now:
		case waited < eagerFor:
			pause = eagerLook
		case waited < steadyFor:
			pause = steadyLook
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// listens says whether a socket of this network namespace listens on the port where
// others can reach it.
func listens(proc string, port uint16) bool {
	wanted := fmt.Sprintf("%04X", port)
	for _, table := range []string{"tcp", "tcp6"} {
		for line := range bytes.Lines(read(filepath.Join(proc, "net", table))) {
			// sl local_address rem_address st …
			f := bytes.Fields(line)
			if len(f) < 4 || string(f[3]) != stateListen {
				continue
			}
			addr, at, ok := bytes.Cut(f[1], []byte(":"))
			if ok && string(at) == wanted && !loopback(addr) {
				return true
			}
		}
	}
	return false
}

// loopback reads an address as the kernel prints it: words of four bytes, each in the
// machine's order, which is little-endian on all that Go and desktops run on.
func loopback(text []byte) bool {
	raw := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(raw, text); err != nil || len(raw)%4 != 0 {
		return false
	}
	for w := 0; w < len(raw); w += 4 {
		raw[w], raw[w+1], raw[w+2], raw[w+3] = raw[w+3], raw[w+2], raw[w+1], raw[w]
	}
	addr, ok := netip.AddrFromSlice(raw)
	return ok && addr.Unmap().IsLoopback()
}

// read returns a file's beginning, or nothing.
func read(name string) []byte {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	content, _ := io.ReadAll(io.LimitReader(f, maxTable))
	return content
}
