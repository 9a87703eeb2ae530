package relay

import (
	"net"
	"net/http"

	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/activator/route"
)

// Ask asks the desktop at the other end of conn for the address of a visitor's
// upgrade, without an upgrade, and returns the head of its answer. Nothing of a body
// is read: conn is of no further use.
func Ask(conn net.Conn, in *http.Request, face route.Face, rules *Rules) (*http.Response, error) {
	header := headerForDesktop(in, face, rules.Filter)
	header.Set("Connection", "close")
	if _, err := conn.Write(get(in, header)); err != nil {
		return nil, err
	}
	r := frame.NewReader(conn, false, nil)
	defer r.Forget()
	head, err := r.Head(rules.HeadBytes)
	if err != nil {
		return nil, err
	}
	return response(head, rules)
}
