//go:build !linux

package sendqueue

import "syscall"

// Control is Bound for a net.Dialer.
func Control(string, string, syscall.RawConn) error { return nil }
