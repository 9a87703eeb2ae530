package agentapi

// StandInPath takes the POST of a StandIn at the agent's own port, whose number is in its
// announcements. The agent answers with an Ended once that is over, 400 when it cannot parse it.
// A request that is broken off gives the place back soon, unless another one came for it.
//
// A WebSocket at any other path there is a viewer's who comes for the place: it says HELLO as to
// Selkies, and gets what the stand-in has got, or the refusal that Selkies gives to a peer whose
// place is taken.
const StandInPath = "/v1/stand-in"

// StandIn asks an agent to be the viewer of a Selkies 1.6 until the person's own client comes.
type StandIn struct {
	// Width and Height are the viewer's, in pixels of its screen, and Scale is how many of them
	// a pixel of its page has: what its client will say.
	Width  int     `json:"width"`
	Height int     `json:"height"`
	Scale  float64 `json:"scale"`
	// Milliseconds is how long it stands in at most, from when the desktop has taken it.
	Milliseconds int64 `json:"milliseconds"`
	// Bytes is how much it keeps of what the desktop says on one WebSocket.
	Bytes int `json:"bytes"`
}

// End is how a stand-in ended.
type End string

// The ends: a client took at least one of its places; nobody came, or the desktop said too much;
// the desktop has a viewer.
const (
	EndTaken     End = "taken"
	EndGivenBack End = "given_back"
	EndRefused   End = "refused"
)

// Ended is the answer.
type Ended struct {
	End End `json:"end"`
}
