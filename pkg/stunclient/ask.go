// Package stunclient asks a STUN or TURN server one thing, without a credential.
package stunclient

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/pion/stun"
)

const (
	// resendEvery is the pause before a request is sent again (RFC 5389, 7.2.1: the
	// first retransmission comes after 500 ms).
	resendEvery = 500 * time.Millisecond
	// largestAnswer, in bytes, is more than a server puts into one.
	largestAnswer = 2048
)

// Ask sends one request and returns its answer. Until then, or until ctx ends, it is sent
// again: over UDP it may get lost, and over TCP a server takes it for the same request.
func Ask(ctx context.Context, conn net.Conn, method stun.Method, attributes ...stun.Setter) (*stun.Message, error) {
	parts := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	request, err := stun.Build(append(parts, stun.Fingerprint)...)
	if err != nil {
		return nil, err
	}
	answer := &stun.Message{Raw: make([]byte, 0, largestAnswer)}
	for ctx.Err() == nil {
		if _, err := conn.Write(request.Raw); err != nil {
			return nil, err
		}
		err := conn.SetReadDeadline(time.Now().Add(resendEvery))
		for err == nil {
			if _, err = answer.ReadFrom(conn); err == nil && answer.TransactionID == request.TransactionID {
				return answer, nil
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
	return nil, errors.New("nothing came in time")
}
