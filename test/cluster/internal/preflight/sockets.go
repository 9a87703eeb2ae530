package preflight

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// socket is one that listens.
type socket struct {
	ip    net.IP
	port  int
	inode string
}

// stateListen is TCP_LISTEN in /proc/net/tcp.
const stateListen = "0A"

// listeners reads listening sockets from files in the format of /proc/net/tcp.
func listeners(files ...string) ([]socket, error) {
	var found []socket
	for _, name := range files {
		file, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return nil, err
		}
		scanner := bufio.NewScanner(file)
		scanner.Scan() // the heading
		for scanner.Scan() {
			s, listening, err := parseSocket(scanner.Text())
			if err != nil {
				_ = file.Close()
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if listening {
				if listening {
					found = append(found, s)
				}
			}
		}
		if err := errors.Join(scanner.Err(), file.Close()); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// parseSocket reads one line: "0: 0100007F:1F90 00000000:0000 0A ... uid timeout inode".
func parseSocket(line string) (s socket, listening bool, err error) {
	fields := strings.Fields(line)
	if len(fields) < 10 {
		return socket{}, false, fmt.Errorf("unexpected line %q", line)
	}
	address, port, ok := strings.Cut(fields[1], ":")
	raw, err := hex.DecodeString(address)
	if !ok || err != nil {
		return socket{}, false, fmt.Errorf("unexpected address %q", fields[1])
	}
	// The kernel prints each four bytes as one number in the machine's order.
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return socket{}, false, fmt.Errorf("unexpected port %q", fields[1])
	}
	return socket{ip: net.IP(raw), port: int(number), inode: fields[9]}, fields[3] == stateListen, nil
}

// owner finds the process that holds a socket.
func owner(inode string) (pid int, name string) {
	target := "socket:[" + inode + "]"
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != target {
			continue
		}
		process := filepath.Dir(filepath.Dir(link))
		pid, _ = strconv.Atoi(filepath.Base(process))
		comm, _ := os.ReadFile(filepath.Join(process, "comm"))
		return pid, strings.TrimSpace(string(comm))
	}
	return 0, ""
}
