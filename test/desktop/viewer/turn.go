package viewer

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/pion/webrtc/v3"

	"github.com/org/vdi-operator/test/desktop/internal/iceconfig"
)

const (
	turnTimeout = 10 * time.Second
	largestTurn = 64 << 10
)

// configuration is what /turn says, or the options. Unlike Selkies' page, which dies of a
// bad answer, it says what was wrong.
func (v *Viewer) configuration(page *url.URL) (webrtc.Configuration, error) {
	w := webrtc.Configuration{ICEServers: v.options.ICEServers}
	if v.options.ICEServers == nil {
		c, err := v.fetchTurn(page)
		if err != nil {
			return w, err
		}
		for _, s := range c.ICEServers {
			server := webrtc.ICEServer{URLs: s.URLs, Username: s.Username}
			if s.Credential != "" {
				server.Credential = s.Credential
			}
			w.ICEServers = append(w.ICEServers, server)
		}
		if c.RelayOnly() {
			w.ICETransportPolicy = webrtc.ICETransportPolicyRelay
		}
		v.event(EventTurn)
	}
	if v.options.ForceRelay {
		w.ICETransportPolicy = webrtc.ICETransportPolicyRelay
	}
	return w, nil
}

func (v *Viewer) fetchTurn(page *url.URL) (iceconfig.Config, error) {
	address := *page
	address.Path, address.RawPath, address.RawQuery = "/turn", "", ""
	if v.options.Protocol == Selkies2WebRTC {
		address.Path = folder(page.Path) + "api/turn"
	}
	req, err := http.NewRequestWithContext(v.ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return iceconfig.Config{}, err
	}
	maps.Copy(req.Header, v.options.Header)
	req.Host = v.options.Header.Get("Host")
	resp, err := v.http.Do(req)
	if err != nil {
		return iceconfig.Config{}, fmt.Errorf("ask for TURN servers: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, largestTurn))
	if err != nil {
		return iceconfig.Config{}, fmt.Errorf("read %s: %w", &address, err)
	}
	if resp.StatusCode != http.StatusOK {
		return iceconfig.Config{}, fmt.Errorf("%s answered %s: %.200q", &address, resp.Status, raw)
	}
	c, err := iceconfig.Parse(raw)
	if err != nil {
		return iceconfig.Config{}, fmt.Errorf("%s: %w", &address, err)
	}
	return c, nil
}
