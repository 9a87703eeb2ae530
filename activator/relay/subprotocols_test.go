package relay

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/route"
)

func TestWhatAClientOffers(t *testing.T) {
	many := strings.Repeat("a,", 999) + "b"
	for name, tc := range map[string]struct {
		lines   []string
		offered string
	}{
		"one":              {[]string{"a"}, "a"},
		"two":              {[]string{"a, b"}, "a, b"},
		"in two lines":     {[]string{"b ,\ta", "c"}, "b, a, c"},
		"one repeatedly":   {[]string{"a,a", "a"}, "a, a, a"},
		"a thousand":       {[]string{many}, strings.ReplaceAll(many, ",", ", ")},
		"every character":  {[]string{"!#$%&'*+-.^_`|~09azAZ"}, "!#$%&'*+-.^_`|~09azAZ"},
		"an empty line":    {[]string{""}, ""},
		"an empty name":    {[]string{"a,,b"}, "a, b"},
		"an end":           {[]string{"a,"}, "a"},
		"empty names only": {[]string{" , ,"}, ""},
		"two words":        {[]string{"a b"}, ""},
		"a quoted name":    {[]string{`"a"`}, ""},
		"a control":        {[]string{"a\x01"}, ""},
		"no ASCII":         {[]string{"ä"}, ""},
		"a bad third line": {[]string{"a", "b", "c/d"}, ""},
	} {
		offer, err := ParseSubprotocols(http.Header{"Sec-Websocket-Protocol": tc.lines})
		if tc.offered == "" {
			assert.ErrorIs(t, err, closing.UpgradeSubprotocol, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, tc.offered, offer.offered, name)
	}
	offer, err := ParseSubprotocols(http.Header{})
	require.NoError(t, err)
	assert.Nil(t, offer, "a client without an offer")
}

func TestOnlyWhatIsOfferedIsPromised(t *testing.T) {
	for name, tc := range map[string]struct {
		preferred []string
		want      string
	}{
		"nothing preferred": {nil, "a"}, "another": {[]string{"b"}, "b"}, "the first that is offered": {[]string{"x", "c", "b"}, "c"},
		"none that is offered": {[]string{"x", "", "a, b", "A"}, "a"},
	} {
		offer := &Subprotocols{offered: "a, b, c"}
		offer.Promise(tc.preferred...)
		assert.Equal(t, tc.want, offer.Promised, name)
	}
}

func TestAPromiseIsKeptOrTheClientIsTold(t *testing.T) {
	long := strings.Repeat("l", 100)
	offer := &Subprotocols{offered: "a, b, " + long, Promised: "a"}
	q := NewRequest(visitor("/", nil), route.Face{Scheme: "http"}, rules, offer)
	require.NoError(t, q.Keeps("a"))
	require.NoError(t, q.Keeps(""), "a desktop that chooses none")
	err := q.Keeps("b")
	require.ErrorIs(t, err, closing.Subprotocol)
	assert.ErrorContains(t, err, `speaks the subprotocol "b", but the client was told "a"`)
	offer.Promised = strings.Repeat("m", 100)
	end := closing.Of(q.Keeps(long))
	assert.Contains(t, string(end.Frame()), "connect again", "the reason of long names is cut")
	none := NewRequest(visitor("/", nil), route.Face{Scheme: "http"}, rules, nil)
	require.NoError(t, none.Keeps(""))
	_, ok := none.Subprotocols.chosen(http.Header{"Sec-Websocket-Protocol": {"a"}})
	assert.False(t, ok, "a choice where nothing was offered")
}
