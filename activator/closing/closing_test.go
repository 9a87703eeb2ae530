package closing

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryRefusalEndsSomethingAndSaysWhy(t *testing.T) {
	answeredByNetHTTP := []*Refusal{HeaderTimeout, HeaderBytes, MalformedHead}
	for _, r := range table {
		for _, elsewhere := range answeredByNetHTTP {
			if r == elsewhere {
				r = nil
				break
			}
		}
		switch {
		case r == nil:
		case r.Text == "", r.Code == 0 && r.Status == 0:
			t.Errorf("%+v ends nothing, or says nothing", *r)
		case r.Code != 0 && len(r.Text) > maxReason:
			t.Errorf("%s: %q does not fit a close frame", r.Label, r.Text)
		case r.Label != "" && strings.ToLower(r.Label) != r.Label:
			t.Errorf("the label %q is not in small letters", r.Label)
		}
	}
	assert.GreaterOrEqual(t, len(Labels()), 40, "labels")
}

func TestARefusalIsFoundInWhatWrapsIt(t *testing.T) {
	err := fmt.Errorf("for a reason: %w", Asleep.Ending("idle"))
	require.ErrorIs(t, err, Asleep)
	assert.NotErrorIs(t, err, Gone, "an ending is not told by its refusal")
	e := Of(err)
	require.Equal(t, 4410, e.Code)
	require.Equal(t, "this desktop was put to sleep (idle)", e.Reason)
	assert.Equal(t, "asleep", e.Label(), "Of = %+v", e)
	e = Of(errors.New("a secret of the cluster's"))
	require.Equal(t, CodeInternal, e.Code)
	require.NotContains(t, e.Reason, "secret")
	assert.Empty(t, e.Label(), "Of another error = %+v", e)
	e = (&Ending{Code: CodeNormal})
	require.NotErrorIs(t, e, Gone)
	assert.Empty(t, e.Label(), "a desktop's close frame counts as a refusal")
}

func TestEndingsFitACloseFrame(t *testing.T) {
	for name, tc := range map[string]struct{ reason, want string }{
		"short":               {"gone", "gone"},
		"as long as it may":   {strings.Repeat("a", 123), strings.Repeat("a", 123)},
		"a byte too long":     {strings.Repeat("a", 124), strings.Repeat("a", 123)},
		"a character's end":   {strings.Repeat("a", 122) + "é", strings.Repeat("a", 122)},
		"four bytes' end":     {strings.Repeat("a", 120) + "😀", strings.Repeat("a", 120)},
		"only wide ones":      {strings.Repeat("日", 50), strings.Repeat("日", 41)},
		"quoted from nowhere": {"404 \xff\xfe", "404 \uFFFD"},
	} {
		t.Run(name, func(t *testing.T) {
			frame := (&Ending{Code: 4408, Reason: tc.reason}).Frame()
			require.Equal(t, 4408, int(frame[0])<<8|int(frame[1]))
			assert.Equal(t, tc.want, string(frame[2:]), "frame = %q", frame[2:])
			assert.LessOrEqual(t, len(frame), 125, "bytes do not fit a control frame")
		})
	}
}

func TestAPlainRequestGetsTheSameRefusal(t *testing.T) {
	for _, tc := range []struct {
		end    *Ending
		status int
		retry  string
	}{
		{ReplicaLimit.Ending(3), http.StatusServiceUnavailable, "5"},
		{UpgradeMethod.Ending(), http.StatusMethodNotAllowed, ""},
		{UsedElsewhere.Ending(), http.StatusServiceUnavailable, "5"},
	} {
		w := httptest.NewRecorder()
		tc.end.Answer(w)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.end.Reason) || w.Header().Get("Retry-After") != tc.retry ||
			w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %d %v %q", tc.end.Reason, w.Code, w.Header(), w.Body)
		}
	}
}
