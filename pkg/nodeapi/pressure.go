package nodeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
)

// Pressure is how short of memory a node is, in percent.
type Pressure struct {
	// Stalled is for how much of the last ten seconds some process waited for memory: avg10 of
	// "some" in the kernel's pressure stall information. A container at a limit of its own counts.
	Stalled float64 `json:"stalled"`
	// Available is how much of the node's memory programs could still have: MemAvailable.
	Available float64 `json:"available"`
}

// Check says what cannot be.
func (p Pressure) Check() error {
	for name, percent := range map[string]float64{"stalled": p.Stalled, "available": p.Available} {
		if !(percent >= 0 && percent <= 100) { // NaN is neither
			return fmt.Errorf("%s is %v: must be a share in percent, from 0 to 100", name, percent)
		}
	}
	return nil
}

// maxPressure bounds the answer, in bytes.
const maxPressure = 256

// Pressure asks how short of memory the node is. The order is signed.
func (c *Client) Pressure(ctx context.Context, address netip.AddrPort, order string) (p Pressure, err error) {
	answer, err := c.do(ctx, http.MethodGet, address, PressurePath, order)
	if err != nil {
		return p, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return p, refusal(answer)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxPressure)).Decode(&p); err != nil {
		return p, fmt.Errorf("the program on the node answered no pressure: %w", err)
	}
	return p, p.Check()
}
