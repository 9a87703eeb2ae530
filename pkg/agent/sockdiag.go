package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What Linux's sock_diag(7) says, from include/uapi/linux/{sock_diag,inet_diag}.h.
const (
	sockDiagByFamily = 20
	// diagRequest is inet_diag_req_v2: family, protocol, extensions, a byte of nothing,
	// the states wanted, and a socket's identity of 48 bytes that is left open.
	diagRequest = 56
	// A listener's port and address in the answer, inet_diag_msg.
	diagPortAt, diagAddressAt, diagMessage = 4, 8, 24
	tcpListen                              = 10
	// diagTimeout bounds the kernel's answer, which it gives at once.
	diagTimeout = 100 * time.Millisecond
	// diagBuffer holds one part of the answer, in bytes (the kernel's own bound,
	// NLMSG_GOODSIZE, is less).
	diagBuffer = 32 << 10
)

// sockDiag asks the kernel for the sockets of this network namespace that listen. It
// takes no right, and no walk through all of the node's connections, as reading
// /proc/net/tcp does: that takes 10 ms.
type sockDiag struct {
	fd     int
	buffer []byte
}

func openSockDiag() (*sockDiag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	patience := unix.NsecToTimeval(diagTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	return &sockDiag{fd, make([]byte, diagBuffer)}, nil
}

func (d *sockDiag) close() { _ = unix.Close(d.fd) }

// listeners are the addresses at which sockets listen on a port.
func (d *sockDiag) listeners(port uint16) ([]netip.Addr, error) {
	var found []netip.Addr
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		addrs, err := d.ofFamily(family, port)
		if err != nil {
			return nil, fmt.Errorf("sock_diag: %w", err)
		}
		found = append(found, addrs...)
	}
	return found, nil
}

func (d *sockDiag) ofFamily(family byte, port uint16) ([]netip.Addr, error) {
	var request [unix.NLMSG_HDRLEN + diagRequest]byte
	binary.NativeEndian.PutUint32(request[:], uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request[unix.NLMSG_HDRLEN], request[unix.NLMSG_HDRLEN+1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[unix.NLMSG_HDRLEN+4:], 1<<tcpListen)
	if err := unix.Sendto(d.fd, request[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var found []netip.Addr
	for {
		n, _, err := unix.Recvfrom(d.fd, d.buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue // Go's own signals end a wait that has a timeout
		}
		if err != nil {
			return nil, err
		}
		messages, err := syscall.ParseNetlinkMessage(d.buffer[:n])
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch m.Header.Type {
			case unix.NLMSG_DONE:
				return found, nil
			case unix.NLMSG_ERROR:
				if len(m.Data) >= 4 {
					return nil, syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
				}
				return nil, syscall.EPROTO
			}
			if len(m.Data) < diagMessage || binary.BigEndian.Uint16(m.Data[diagPortAt:]) != port {
				continue
			}
			length := 4
			if family == unix.AF_INET6 {
				length = 16
			}
			if addr, ok := netip.AddrFromSlice(m.Data[diagAddressAt : diagAddressAt+length]); ok {
				found = append(found, addr.Unmap())
			}
		}
	}
}
