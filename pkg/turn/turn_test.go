package turn

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"
)

func TestACredentialIsWhatCoturnComputes(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	c := Mint([]byte("north"), "default/ada", now, time.Hour)
	if c.Username != "1700003600:default/ada" {
		t.Errorf("user %q", c.Username)
	}
	// printf %s 1700003600:default/ada | openssl dgst -sha1 -hmac north -binary | base64
	if want := "pOhF1oL7F24UTPEGGIyNwqm+STg="; c.Password != want {
		t.Errorf("password %q, want %q", c.Password, want)
	}
	if !c.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("expires %s", c.Expires)
	}
	mac := hmac.New(sha1.New, []byte("north"))
	mac.Write([]byte(c.Username))
	if c.Password != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		t.Error("the password is not the HMAC of the user name")
	}
}

func TestASubjectCannotMoveTheExpiry(t *testing.T) {
	c := Mint([]byte("north"), "9999999999:ada", time.Unix(1_700_000_000, 0), time.Hour)
	if c.Username != "1700003600:9999999999-ada" {
		t.Errorf("user %q", c.Username)
	}
}

func TestSelkiesGetsStunFirstAndCredentialsOnlyForTurn(t *testing.T) {
	c := Credential{Username: "u", Password: "p"}
	got, err := json.Marshal(Config([]string{"turn:t:3478?transport=udp", "stun:s:3478", "turns:t:5349"}, c, time.Hour, "all"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"lifetimeDuration":"3600s","iceServers":[{"urls":["stun:s:3478"]},` +
		`{"urls":["turn:t:3478?transport=udp","turns:t:5349"],"username":"u","credential":"p"}],` +
		`"blockStatus":"NOT_BLOCKED","iceTransportPolicy":"all"}`
	if string(got) != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
}

func TestWithoutServersTheListIsEmptyAndNotNull(t *testing.T) {
	got, err := json.Marshal(Config(nil, Credential{}, time.Hour, "relay"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"lifetimeDuration":"3600s","iceServers":[],"blockStatus":"NOT_BLOCKED","iceTransportPolicy":"relay"}`; string(got) != want {
		t.Errorf("have %s", got)
	}
}
