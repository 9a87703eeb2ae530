package agent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

const (
	// displayTimeout bounds one exchange with an X server, which is on this machine.
	displayTimeout = 2 * time.Second
	// maxTable bounds what is read of the kernel's table of sockets, in bytes: some
	// 10,000 of them.
	maxTable = 1 << 20
	// maxSetup bounds an X server's greeting, in bytes; a common one is a tenth.
	maxSetup = 64 << 10
	// maxEvents bounds the messages that are skipped on the way to a reply.
	maxEvents = 64

	// Opcodes, and the name that the extension has (X11 protocol; MIT-SCREEN-SAVER 1.1).
	xQueryExtension   = 98
	saverExtension    = "MIT-SCREEN-SAVER"
	saverQueryInfo    = 1
	xMessage          = 32
	xProtocolMajor    = 11
	xReply            = 1
	xError            = 0
	setupFixed        = 40
	setupVendorLength = 24
	setupFormats      = 29
	setupFormatLength = 8
)

// display is a connection to an X server, for its clock of idleness. It is kept open:
// an X server may reset itself when its last client leaves. The server is the
// desktop's user's, so nothing it says is taken for granted.
type display struct {
	conn net.Conn
	// root is the first screen's window, saver the extension's opcode.
	root  uint32
	saver byte
}

var abstractSocket = regexp.MustCompile(`@/tmp/\.X11-unix/X[0-9]{1,5}$`)

// sockets are the X servers' abstract sockets in this network namespace.
func sockets(proc string) []string {
	var found []string
	for line := range bytes.Lines(read(filepath.Join(proc, "net", "unix"))) {
		if at := abstractSocket.Find(bytes.TrimSpace(line)); at != nil && !slices.Contains(found, string(at)) {
			found = append(found, string(at))
		}
	}
	return found
}

// openDisplay connects to an X server without authentication.
func openDisplay(socket string) (*display, error) {
	conn, err := net.DialTimeout("unix", socket, displayTimeout)
	if err != nil {
		return nil, err
	}
	d := &display{conn: conn}
	if err := d.setUp(); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("display %s: %w", socket, err)
	}
	return d, nil
}

func (d *display) close() { _ = d.conn.Close() }

// setUp greets the server and finds the extension.
func (d *display) setUp() error {
	_ = d.conn.SetDeadline(time.Now().Add(displayTimeout))
	hello := make([]byte, 12) // byte order, version, no authentication
	hello[0] = 'l'
	binary.LittleEndian.PutUint16(hello[2:], xProtocolMajor)
	if _, err := d.conn.Write(hello); err != nil {
		return err
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(d.conn, head); err != nil {
		return err
	}
	length := 4 * int(binary.LittleEndian.Uint16(head[6:]))
	if length > maxSetup {
		return fmt.Errorf("a greeting of %d bytes", length)
	}
	setup := make([]byte, length)
	if _, err := io.ReadFull(d.conn, setup); err != nil {
		return err
	}
	if head[0] != 1 {
		return errors.New("lets nobody in without authentication")
	}
	var err error
	if d.root, err = firstRoot(setup); err != nil {
		return err
	}

	request := make([]byte, 8+len(saverExtension))
	request[0] = xQueryExtension
	binary.LittleEndian.PutUint16(request[2:], uint16(len(request)/4))
	binary.LittleEndian.PutUint16(request[4:], uint16(len(saverExtension)))
	copy(request[8:], saverExtension)
	reply, err := d.ask(request)
	if err != nil {
		return err
	}
	if reply[8] == 0 {
		return errors.New("has no extension " + saverExtension)
	}
	d.saver = reply[9]
	return nil
}

// firstRoot finds the first screen behind the vendor's name and the pixel formats.
func firstRoot(setup []byte) (uint32, error) {
	if len(setup) < setupFixed-8 {
		return 0, errors.New("a greeting that is too short")
	}
	vendor := int(binary.LittleEndian.Uint16(setup[setupVendorLength-8:]))
	formats := int(setup[setupFormats-8])
	at := setupFixed - 8 + (vendor+3)/4*4 + formats*setupFormatLength
	if at+4 > len(setup) {
		return 0, errors.New("a greeting without a screen")
	}
	return binary.LittleEndian.Uint32(setup[at:]), nil
}

// idle is how long ago anybody typed or moved the pointer.
func (d *display) idle() (time.Duration, error) {
	_ = d.conn.SetDeadline(time.Now().Add(displayTimeout))
	request := make([]byte, 8)
	request[0], request[1] = d.saver, saverQueryInfo
	binary.LittleEndian.PutUint16(request[2:], 2)
	binary.LittleEndian.PutUint32(request[4:], d.root)
	reply, err := d.ask(request)
	if err != nil {
		return 0, err
	}
	return time.Duration(binary.LittleEndian.Uint32(reply[16:])) * time.Millisecond, nil
}

// ask sends a request whose reply is of the common length, and skips what else the
// server says before.
func (d *display) ask(request []byte) ([]byte, error) {
	if _, err := d.conn.Write(request); err != nil {
		return nil, err
	}
	message := make([]byte, xMessage)
	for range maxEvents {
		if _, err := io.ReadFull(d.conn, message); err != nil {
			return nil, err
		}
		switch message[0] {
		case xReply:
			if binary.LittleEndian.Uint32(message[4:]) != 0 {
				return nil, errors.New("a reply that is too long")
			}
			return message, nil
		case xError:
			return nil, fmt.Errorf("error %d", message[1])
		}
	}
	return nil, errors.New("no reply among many events")
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
