package turn

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestACredentialIsWhatCoturnComputes(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := Mint([]byte("north"), "default/ada", now, time.Hour)
	assert.Equal(t, "1700003600:default/ada", c.Username, "user")
	// printf %s 1700003600:default/ada | openssl dgst -sha1 -hmac north -binary | base64
	assert.Equal(t, "pOhF1oL7F24UTPEGGIyNwqm+STg=", c.Password, "password")
	assert.True(t, c.Expires.Equal(now.Add(time.Hour)), "expires %s", c.Expires)
	mac := hmac.New(sha1.New, []byte("north"))
	mac.Write([]byte(c.Username))
	assert.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), c.Password, "the password is not the HMAC of the user name")
}

func TestASubjectCannotMoveTheExpiry(t *testing.T) {
	c := Mint([]byte("north"), "9999999999:ada", time.Unix(1_700_000_000, 0), time.Hour)
	assert.Equal(t, "1700003600:9999999999-ada", c.Username, "user")
}

func TestSelkiesGetsStunFirstAndCredentialsOnlyForTurn(t *testing.T) {
	c := Credential{Username: "u", Password: "p"}
	got, err := json.Marshal(Config([]string{"turn:t:3478?transport=udp", "stun:s:3478", "turns:t:5349"}, c, time.Hour, "all"))
	require.NoError(t, err)
	want := `{"lifetimeDuration":"3600s","iceServers":[{"urls":["stun:s:3478"]},` +
		`{"urls":["turn:t:3478?transport=udp","turns:t:5349"],"username":"u","credential":"p"}],` +
		`"blockStatus":"NOT_BLOCKED","iceTransportPolicy":"all"}`
	assert.Equal(t, want, string(got), "have %s", got)
}

func TestWithoutServersTheListIsEmptyAndNotNull(t *testing.T) {
	got, err := json.Marshal(Config(nil, Credential{}, time.Hour, "relay"))
	require.NoError(t, err)
	if want := `{"lifetimeDuration":"3600s","iceServers":[],"blockStatus":"NOT_BLOCKED","iceTransportPolicy":"relay"}`; string(got) != want {
		t.Errorf("have %s", got)
	}
}
