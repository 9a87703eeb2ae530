package standin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/org/vdi-operator/pkg/agentapi"
)

// The viewer's peers, on a socket each (v1.6.2, app.js:374-376), and the words of registering: the
// server answers HELLO with the word alone, or closes (signalling_web.py:405-428).
const (
	videoPeer = "1"
	audioPeer = "3"
	helloWord = "HELLO"
	// takenCode and takenReason close the socket of a peer whose place is taken.
	takenCode   = 1002
	takenReason = "invalid peer uid"
)

// meta is what a viewer says of its screen (v1.6.2, signalling.js:178-187).
type meta struct {
	Res   string  `json:"res"`
	Scale float64 `json:"scale"`
}

func (v *viewer) meta() meta { return metaOf(v.StandIn) }

func metaOf(o agentapi.StandIn) meta {
	return meta{Res: fmt.Sprintf("%dx%d", o.Width, o.Height), Scale: o.Scale}
}

// hello is a viewer's first message; meta is nil where it says nothing of its screen.
type hello struct {
	uid  string
	meta *meta
}

func (h hello) String() string {
	text, _ := json.Marshal(h.meta) // text and a finite number can be written
	return helloWord + " " + h.uid + " " + base64.StdEncoding.EncodeToString(text)
}

func parseHello(said []byte) (h hello, ok bool) {
	fields := bytes.Fields(said)
	if len(fields) < 2 || len(fields) > 3 || string(fields[0]) != helloWord {
		return hello{}, false
	}
	h.uid = string(fields[1])
	if len(fields) == 3 {
		text, err := base64.StdEncoding.DecodeString(string(fields[2]))
		if err != nil || json.Unmarshal(text, &h.meta) != nil {
			return hello{}, false
		}
	}
	return h, true
}
