package coturn

import (
	"log/slog"
	"regexp"
	"strconv"
	"strings"
)

// event is what a line of turnserver's log says.
type event struct {
	kind eventKind
	// session is turnserver's number of the client's session.
	session string
	// user is whom a credential is for, without the credential's expiry.
	user string
	// code is a refusal's.
	code int
	// received and sent are bytes since the session's last report, from and to peers.
	received, sent uint64
	// text is the line for people.
	text  string
	level slog.Level
}

type eventKind int

const (
	otherLine eventKind = iota
	allocationOpened
	allocationClosed
	requestRefused
	peerUsage
)

const (
	// codeMismatch is of a request about an allocation that is gone, or is there already: a client
	// that reconnects or leaves, many times for each session (RFC 8656, 15).
	codeMismatch = 437
	// codeUnauthorized also answers a client's first request, which has no user yet:
	// that is how it learns the nonce (RFC 8656, 7.2).
	codeUnauthorized = 401
	// codeStaleNonce asks for the same request with another nonce.
	codeStaleNonce = 438
)

// credentialUser is the user name of a time-limited credential: its expiry, in seconds
// since 1970, and whom it is for.
var credentialUser = regexp.MustCompile(`\b[0-9]{9,11}:`)

// uptime is how turnserver begins its lines: the seconds that it runs, and a thread.
var uptime = regexp.MustCompile(`^[0-9]+: (\([^)]*\): )?: ?`)

// readLine parses a line of turnserver 4.6.1's log, in its form with "verbose".
func readLine(line string) event {
	line = strings.TrimSpace(uptime.ReplaceAllString(strings.TrimRight(line, "\r\n"), ""))
	e := event{text: credentialUser.ReplaceAllString(line, ""), level: slog.LevelInfo}
	said, ok := strings.CutPrefix(line, "session ")
	if !ok {
		e.level = levelOf(line)
		return e
	}
	e.level = slog.LevelDebug
	e.session, said, _ = strings.Cut(said, ": ")
	e.user = credentialUser.ReplaceAllString(bracketed(said, "username=<"), "")
	switch {
	case strings.HasPrefix(said, "new, "):
		e.kind = allocationOpened
	case strings.HasPrefix(said, "delete: "):
		e.kind = allocationClosed
	case strings.HasPrefix(said, "peer usage: "):
		e.kind = peerUsage
		e.received, e.sent = number(said, " rb="), number(said, " sb=")
	default:
		e.refusal(said)
	}
	return e
}

// refusal parses the line that turnserver writes once for each refused request. A line before
// it names the method where turnserver got that far.
func (e *event) refusal(said string) {
	_, rest, ok := strings.Cut(said, ": incoming packet ")
	if !ok {
		return
	}
	method, rest, ok := strings.Cut(rest, " processed, error ")
	if !ok || method != "message" {
		return
	}
	user := bracketed(said, "user <")
	code, _, _ := strings.Cut(rest, ":")
	e.code, _ = strconv.Atoi(code)
	if e.code == codeStaleNonce || e.code == codeUnauthorized && user == "" {
		return
	}
	e.kind = requestRefused
	e.user = credentialUser.ReplaceAllString(user, "")
	if e.code != codeMismatch {
		e.level = slog.LevelInfo
	}
}

// levelOf sorts the lines that are of no session.
func levelOf(line string) slog.Level {
	switch {
	case line == "" || strings.HasPrefix(line, "==="):
		return slog.LevelDebug
	case (strings.HasPrefix(line, "IPv4. ") || strings.HasPrefix(line, "IPv6. ")) && !strings.Contains(line, "listener"),
		strings.HasPrefix(line, "Black listing"), strings.HasPrefix(line, "White listing"):
		return slog.LevelDebug
	// A session's own line says both.
	case strings.Contains(line, "Cannot find credentials of user"), strings.Contains(line, "denied in the range"),
		strings.Contains(line, "credentials are incorrect"):
		return slog.LevelDebug
	case strings.Contains(line, "ERROR"), strings.Contains(line, "WARNING"), strings.Contains(line, "ALERT"):
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// bracketed is what stands between after, which ends with "<", and the next ">".
func bracketed(text, after string) string {
	_, rest, ok := strings.Cut(text, after)
	if !ok {
		return ""
	}
	inside, _, _ := strings.Cut(rest, ">")
	return inside
}

// number is the one that stands behind after; 0 if there is none.
func number(text, after string) uint64 {
	_, rest, _ := strings.Cut(text, after)
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	n, _ := strconv.ParseUint(rest, 10, 64)
	return n
}
