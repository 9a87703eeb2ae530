package coturn

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/metrics"
)

// read takes a log in and returns what was passed on at debug.
func read(t *testing.T, raw []byte, level slog.Level) (*prometheus.Registry, *allocations, string) {
	t.Helper()
	reg, live := prometheus.NewRegistry(), newAllocations()
	zero := func() float64 { return 0 }
	m := metrics.NewTURN(reg, metrics.TURNState{Allocations: zero, Ports: zero, PortsUsed: zero, TLS: true})
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
	require.NoError(t, newLogReader(m, live, log).read(bytes.NewReader(raw)))
	return reg, live, out.String()
}

// The log is of turnserver 4.6.1 itself: three pairs of clients, by UDP, TCP and TLS, of
// which one of each asked for four denied peers; a wrong secret; an expired credential;
// and one client with five allocations where three are allowed.
func TestARealLogTellsWhatHappened(t *testing.T) {
	raw, err := os.ReadFile("testdata/turnserver-4.6.1.log")
	require.NoError(t, err)
	reg, live, said := read(t, raw, slog.LevelDebug)
	want := `
# HELP vdi_turn_allocations_opened_total Allocations that were opened.
# TYPE vdi_turn_allocations_opened_total counter
vdi_turn_allocations_opened_total 9
# HELP vdi_turn_refusals_total Requests of clients that were refused, by reason.
# TYPE vdi_turn_refusals_total counter
vdi_turn_refusals_total{reason="credential"} 2
vdi_turn_refusals_total{reason="denied_peer"} 12
vdi_turn_refusals_total{reason="no_port"} 0
vdi_turn_refusals_total{reason="other"} 0
vdi_turn_refusals_total{reason="quota"} 2
# HELP vdi_turn_relayed_bytes_total Bytes that passed between allocations and their peers; counted every 4096 packets of an allocation and at its end.
# TYPE vdi_turn_relayed_bytes_total counter
vdi_turn_relayed_bytes_total{direction="from_peers"} 30
vdi_turn_relayed_bytes_total{direction="to_peers"} 30
`
	err = testutil.GatherAndCompare(reg, strings.NewReader(want),
		"vdi_turn_allocations_opened_total", "vdi_turn_refusals_total", "vdi_turn_relayed_bytes_total")
	assert.NoError(t, err)
	n, _ := live.count()
	assert.Equal(t, 3, n, "allocations are open, want those of the last client")
	assert.False(t, credentialUser.MatchString(said), "credentials' user names were passed on")
	for _, text := range []string{"user=desktops/greedy", "Quota Reached", "TLS/TCP listener opened", "session=000000000000000001"} {
		assert.Contains(t, said, text, "was not passed on")
	}
}

func TestOnlyWhatAPersonNeedsIsSaidAtInfo(t *testing.T) {
	raw, err := os.ReadFile("testdata/turnserver-4.6.1.log")
	require.NoError(t, err)
	_, _, said := read(t, raw, slog.LevelInfo)
	for _, text := range []string{"CREATE_PERMISSION processed, success", "usage: ", "tcp or tls connected"} {
		assert.NotContains(t, said, text, "is said")
	}
	for _, text := range []string{"error 403: Forbidden IP", "error 401: Unauthorized", "Relay ports initialization done"} {
		assert.Contains(t, said, text, "is not said")
	}
}

// A client that leaves or reconnects asks for what is gone: usual, and said at debug.
func TestARequestForAnAllocationThatIsGoneIsCountedAndNotSaid(t *testing.T) {
	line := "67: : session 001000000000000005: realm <vdi> user <1795654063:desktops/ada>: " +
		"incoming packet message processed, error 437: Allocation mismatch: wrong transport protocol\n"
	reg, _, said := read(t, []byte(line), slog.LevelInfo)
	assert.Empty(t, said)
	assert.Equal(t, 1.0, refused(t, reg, "other"))
	_, _, said = read(t, []byte(line), slog.LevelDebug)
	assert.Contains(t, said, "error 437")
}

// refused is how many requests a reason has refused.
func refused(t *testing.T, reg *prometheus.Registry, reason string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "vdi_turn_refusals_total" && m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestStrangersCannotFloodTheLog(t *testing.T) {
	line := "67: : session 001000000000000005: realm <vdi> user <1795654063:desktops/bad>: " +
		"incoming packet message processed, error 401: Unauthorized\n"
	reg, _, said := read(t, []byte(strings.Repeat(line, 5*logLinesBurst)), slog.LevelInfo)
	n := strings.Count(said, "\n")
	require.GreaterOrEqual(t, n, logLinesBurst)
	assert.LessOrEqual(t, n, 3*logLinesBurst, "lines were passed on")
	n, err := testutil.GatherAndCount(reg, "vdi_turn_log_lines_left_out_total")
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}

func TestALineWithoutEndTakesNoMemory(t *testing.T) {
	endless := "1: : " + strings.Repeat("x", 100*longestLine) +
		"\n2: : session 000000000000000009: new, realm=<vdi>, username=<1795654063:a>, lifetime=600\n"
	_, live, said := read(t, []byte(endless), slog.LevelInfo)
	n, _ := live.count()
	assert.Equal(t, 1, n, "the line after it is lost")
	assert.LessOrEqual(t, len(said), 2*longestLine, "bytes were passed on")
}
