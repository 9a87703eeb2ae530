package signaling

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// roomy is what most tests want of a conversation.
var roomy = Options{ICEPolicy: v1alpha1.ICEPolicyAll, MaxCandidates: 512}

// replay goes through the recorded exchanges of testdata/exchanges whose names begin
// with prefix. A line is what one side says ("->", "=>" for binary in hexadecimal),
// or what it then gets ("<-", "<="); "attach" is a desktop's socket, the first or a
// new one; "input" says that a person was seen.
func replay(t *testing.T, prefix string, want *Protocol) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "exchanges", prefix+"*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no exchange of %s", prefix)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			replayOne(t, strings.Split(strings.TrimSpace(string(raw)), "\n"), want)
		})
	}
}

func replayOne(t *testing.T, lines []string, want *Protocol) {
	t.Helper()
	options := roomy
	var s *socket
	var due []string // what follows from the last event and has not been read yet
	for i, line := range lines {
		at := fmt.Sprintf("line %d", i+1)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "#":
		case word == "path":
			p := For(v1alpha1.ProtocolAuto, rest)
			require.Same(t, want, p, "%s: %s is taken for %s", at, rest, p.Name)
		case word == "policy":
			options.ICEPolicy = v1alpha1.ICEPolicy(rest)
		case word == "input" || strings.HasPrefix(rest, "<"):
			require.NotEmpty(t, due, at)
			require.Equal(t, line, due[0], "%s, %s", at, strings.Join(due, "\n"))
			due = due[1:]
		default:
			require.Empty(t, due, "%s: before it also came\n%s", at, strings.Join(due, "\n"))
			if s == nil {
				s = &socket{conversation: want.Converse(options)}
			}
			var err error
			due, err = s.event(line)
			require.NoError(t, err, at)
		}
	}
	assert.Empty(t, due, "at the end also came\n%s", strings.Join(due, "\n"))
}

// socket does with a conversation what its caller has to: it keeps what goes to the
// desktop until there is one, and plays it again as long as nothing has been passed
// on of what a desktop said.
type socket struct {
	conversation Conversation
	attached     bool
	passed       bool
	kept         []Message
}

func (s *socket) event(line string) ([]string, error) {
	if line == "attach" {
		s.attached = true
		s.conversation.Attached()
		return written("desktop", s.kept), nil
	}
	m, fromClient, err := parse(line)
	if err != nil {
		return nil, err
	}
	var step Step
	if fromClient {
		step, err = s.conversation.FromClient(m)
	} else {
		step, err = s.conversation.FromDesktop(m)
	}
	if err != nil {
		return nil, err
	}
	due := written("client", step.ToClient)
	switch {
	case step.After > 0:
		for _, l := range written("desktop", step.ToDesktop) {
			due = append(due, fmt.Sprintf("%s (after %s)", l, step.After))
		}
	case s.attached:
		due = append(due, written("desktop", step.ToDesktop)...)
	}
	if fromClient && !s.passed {
		s.kept = append(s.kept, step.ToDesktop...)
	}
	s.passed = s.passed || !fromClient && len(step.ToClient) > 0
	if step.Input {
		due = append(due, "input")
	}
	return due, nil
}

func parse(line string) (m Message, fromClient bool, err error) {
	side, rest, _ := strings.Cut(line, " ")
	arrow, data, _ := strings.Cut(rest, " ")
	switch {
	case side != "client" && side != "desktop":
		return m, false, errors.New("begins with neither client nor desktop: " + strconv.Quote(line))
	case arrow == "->":
		m = Message{Text: true, Data: []byte(data)}
	case arrow == "=>":
		if m.Data, err = hex.DecodeString(data); err != nil {
			return m, false, err
		}
	default:
		return m, false, errors.New("no arrow: " + strconv.Quote(line))
	}
	return m, side == "client", nil
}

func written(side string, messages []Message) []string {
	var lines []string
	for _, m := range messages {
		line := side + " <- " + string(m.Data)
		if !m.Text {
			line = side + " <= " + hex.EncodeToString(m.Data)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}
