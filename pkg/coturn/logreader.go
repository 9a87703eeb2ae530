package coturn

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"

	"golang.org/x/time/rate"

	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// longestLine of turnserver's log, in bytes; the rest of a longer line is dropped.
	longestLine = 4096
	// Strangers can make turnserver write: lines at info and above, beyond this rate, are
	// counted and dropped.
	logLinesPerSecond = 10
	logLinesBurst     = 100
)

// refusals are the reasons for codes of STUN and TURN.
var refusals = map[int]metrics.TURNRefusal{
	codeUnauthorized: metrics.TURNRefusedCredential,
	403:              metrics.TURNRefusedPeer,
	486:              metrics.TURNRefusedQuota,
	508:              metrics.TURNRefusedNoPort,
}

// logReader turns turnserver's log into metrics, and logs it.
type logReader struct {
	metrics *metrics.TURN
	log     *slog.Logger
	limit   *rate.Limiter
	live    *allocations
}

func newLogReader(m *metrics.TURN, live *allocations, log *slog.Logger) *logReader {
	return &logReader{metrics: m, live: live, log: log, limit: rate.NewLimiter(logLinesPerSecond, logLinesBurst)}
}

// read reads until turnserver ends.
func (r *logReader) read(from io.Reader) error {
	in := bufio.NewReaderSize(from, longestLine)
	for {
		line, more, err := in.ReadLine()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		r.take(readLine(string(line)))
		for more && err == nil {
			_, more, err = in.ReadLine()
		}
	}
}

func (r *logReader) take(e event) {
	switch e.kind {
	case allocationOpened:
		if r.live.open(e.session) {
			r.metrics.Opened.Inc()
		}
	case allocationClosed:
		r.live.close(e.session)
	case requestRefused:
		reason, ok := refusals[e.code]
		if !ok {
			reason = metrics.TURNRefusedOther
		}
		r.metrics.Refused(reason)
	case peerUsage:
		r.metrics.Relayed(e.received, e.sent)
	case otherLine:
	}
	r.pass(e)
}

func (r *logReader) pass(e event) {
	if e.text == "" || !r.log.Enabled(context.Background(), e.level) {
		return
	}
	if e.level >= slog.LevelInfo && !r.limit.Allow() {
		r.metrics.LinesLeftOut.Inc()
		return
	}
	attrs := []any{"line", e.text}
	if e.session != "" {
		attrs = append(attrs, "session", e.session)
	}
	if e.user != "" {
		attrs = append(attrs, "user", e.user)
	}
	r.log.Log(context.Background(), e.level, "turnserver", attrs...)
}
