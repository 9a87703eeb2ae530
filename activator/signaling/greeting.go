package signaling

import "bytes"

// hello is a client's first word in every version of Selkies, and the answer to it.
const hello = "HELLO"

// greeting is how every signaling of Selkies begins: the client says HELLO, and the
// desktop answers with the word alone. While there is no desktop we answer for it,
// and the desktop's own answer is then kept from the client.
type greeting struct {
	greeted  bool // the client has said its HELLO
	attached bool // there has been a desktop
	answered bool // the client has had its HELLO from us
	swallow  bool // the desktop's HELLO is still to come, and the client has had it
}

// greet is what follows from the client's HELLO.
func (g *greeting) greet(m Message) Step {
	g.greeted = true
	step := toDesktop(m)
	if !g.attached {
		g.answered = true
		step.ToClient = []Message{{Text: true, Data: []byte(hello)}}
	}
	return step
}

// swallows says, once a desktop, that this message repeats our answer.
func (g *greeting) swallows(m Message) bool {
	if !g.swallow || string(m.Data) != hello {
		return false
	}
	g.swallow = false
	return true
}

// selkies is what both versions' conversations are made of.
type selkies struct {
	greeting
	negotiation
}

// Attached implements Conversation.
func (c *selkies) Attached() {
	c.attached, c.swallow = true, c.answered
	c.desktop = 0
}

// negotiates is what follows from a client's message after its HELLO, whose JSON is payload.
func (c *selkies) negotiates(m Message, payload []byte) (Step, error) {
	data, err := c.fromClient(payload)
	if err != nil {
		return Step{}, err
	}
	return Step{ToDesktop: replaced(m, payload, data)}, nil
}

// saysHello says that a message is another HELLO, however it goes on.
func saysHello(message []byte) bool {
	word, _, _ := bytes.Cut(message, []byte{' '})
	return string(word) == hello
}
