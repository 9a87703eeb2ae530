package activator

import "net"

// Await implements hold.Host. A viewer for whom an agent stands in takes its place: the desktop has
// room for one. Should it be taken by then, the agent answers as the desktop does.
func (h *socket) Await(done func(net.Conn, error)) (cancel func()) {
	s := h.server
	await := func(done func(net.Conn, error)) func() { return s.prober.Await(h.reach(h.visit), done) }
	if view, ok := s.Directory.Current(h.View); ok && h.standsStill && !h.looks() && view.Pod != nil && view.Pod.StandsIn {
		if at := s.prober.Agent(view); at != "" {
			return s.standIns.Take(at, done, await)
		}
	}
	return await(done)
}
