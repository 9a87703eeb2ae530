package attacks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

// forgery is a token that opens nothing, whatever carries it.
type forgery struct {
	name, raw string
	why       *closing.Refusal
	who       who
}

var encode = base64.RawURLEncoding.EncodeToString

// signed signs claims with a header's further fields.
func (h *house) signed(method jwt.SigningMethod, key any, header map[string]any, claims jwt.MapClaims) string {
	h.Helper()
	t := jwt.NewWithClaims(method, claims)
	maps.Copy(t.Header, header)
	raw, err := t.SignedString(key)
	require.NoError(h, err)
	return raw
}

// claims are those of a good token for alice's session.
func (h *house) claims() jwt.MapClaims {
	now := time.Now()
	return jwt.MapClaims{"iss": token.Issuer, "sub": h.alice.Spec.User, "aud": []string{string(token.AudienceSession)},
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(), "vdi_session": "desktops/alice", "vdi_uid": "1"}
}

// badClaims are tokens that this installation's key has signed, with each claim spoilt in
// each way: nothing that is signed for another end opens a session.
func (h *house) badClaims() (all []forgery) {
	type value struct {
		is  any
		why *closing.Refusal
	}
	bad, foreign, expired, early := closing.BadToken, closing.ForeignToken, closing.ExpiredToken, closing.NotYetToken
	hour := time.Now().Add(time.Hour).Unix()
	typed := map[string]value{"a list": {[]any{}, bad}, "an object": {map[string]any{}, bad}, "true": {true, bad}}
	required := map[string]value{"absent": {nil, bad}, "empty": {"", bad}, "null": {json.RawMessage("null"), bad}}
	for claim, values := range map[string]map[string]value{
		"iss": {"somebody": {"somebody", bad}, "in capitals": {"VDI-OPERATOR", bad}, "with a space": {token.Issuer + " ", bad}, "a number": {1, bad}},
		"sub": {"bob's": {"bob@example.com", foreign}, "in capitals": {"Alice@example.com", foreign}, "with a space": {"alice@example.com ", foreign},
			"a number": {1, bad},
			"with NUL": {"alice@example.com\x00", foreign}},
		"aud": {"a pod's": {string(token.AudienceTURN), bad}, "an agent's": {string(token.AudienceAgent), bad},
			"both of these": {[]string{string(token.AudienceTURN), string(token.AudienceAgent)}, bad},
			"with a space":  {"vdi.kasm.io/session ", bad}, "in capitals": {"VDI.KASM.IO/SESSION", bad}, "any": {"*", bad}, "a prefix": {"vdi.kasm.io/", bad},
			"a number": {1, bad}},
		"exp": {"a minute ago": {time.Now().Add(-time.Minute).Unix(), expired}, "1970": {0, expired}, "below 0": {-1, expired}, "words": {"tomorrow", bad}},
		"iat": {"in an hour": {hour, early}, "words": {"now", bad}},
		"nbf": {"in an hour": {hour, early}, "words": {"now", bad}},
		"vdi_session": {"bob's": {"desktops/bob", foreign}, "of another namespace": {"others/alice", foreign}, "in capitals": {"desktops/Alice", foreign},
			"a name alone":   {"alice", bad},
			"without a name": {"desktops/", bad}, "without a namespace": {"/alice", bad}, "with a slash at its end": {"desktops/alice/", foreign},
			"by a detour": {"desktops/../desktops/alice", foreign}, "any": {"*/*", foreign}, "a number": {1, bad}},
		"vdi_uid": {"an earlier session's": {"0", foreign}, "with a space": {"1 ", foreign}, "any": {"*", foreign}, "a number": {1, bad}},
	} {
		for _, more := range []map[string]value{typed, required} {
			if claim == "iat" || claim == "nbf" {
				more = typed // these may be missing
			}
			maps.Copy(values, more)
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			c, who := h.claims(), neighbour
			if c[claim] = values[name].is; values[name].is == nil {
				delete(c, claim)
			}
			all = append(all, forgery{claim + " " + name, h.signed(jwt.SigningMethodES256, h.key, nil, c), values[name].why, who})
		}
	}
	slices.SortFunc(all, func(a, b forgery) int { return strings.Compare(a.name, b.name) })
	return all
}

// badSignatures are tokens that say the right things and were signed by nobody who may.
func (h *house) badSignatures() (all []forgery) {
	h.Helper()
	add := func(name, raw string) { all = append(all, forgery{name, raw, closing.BadToken, stranger}) }
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(h, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(h, err)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(h, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(h, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(h, err)
	der, err := x509.MarshalPKIXPublicKey(&h.key.PublicKey)
	require.NoError(h, err)
	point, err := h.key.PublicKey.Bytes()
	require.NoError(h, err)
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, key := range map[string][]byte{"in PEM": inPEM, "in PEM without its last line's end": inPEM[:len(inPEM)-1], "in DER": der, "as a point": point} {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			add(method.Alg()+" with the public key "+name, h.signed(method, key, nil, h.claims()))
		}
	}
	add("HS256 with an empty key", h.signed(jwt.SigningMethodHS256, []byte{}, nil, h.claims()))
	for method, key := range map[jwt.SigningMethod]any{
		jwt.SigningMethodRS256: rsaKey, jwt.SigningMethodPS256: rsaKey, jwt.SigningMethodES384: p384, jwt.SigningMethodES512: p521,
		jwt.SigningMethodEdDSA: edKey, jwt.SigningMethodES256: p256,
	} {
		add(method.Alg()+" with a key of their own", h.signed(method, key, nil, h.claims()))
	}
	x, y := encode(point[1:33]), encode(point[33:])
	mine, err := p256.PublicKey.Bytes()
	require.NoError(h, err)
	for name, header := range map[string]map[string]any{
		"kid of nobody":                {"kid": "1"},
		"kid as a path":                {"kid": "../../../../dev/null"},
		"kid as SQL":                   {"kid": "x' UNION SELECT 'key"},
		"kid as a command":             {"kid": "|sleep 9"},
		"jku of theirs":                {"jku": "http://" + h.public + "/keys.json"},
		"x5u of theirs":                {"x5u": "http://" + h.public + "/cert.pem"},
		"jwk of theirs":                {"jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": encode(mine[1:33]), "y": encode(mine[33:])}},
		"jwk of ours":                  {"jwk": map[string]any{"kty": "EC", "crv": "P-256", "x": x, "y": y}},
		"x5c of theirs":                {"x5c": []string{base64.StdEncoding.EncodeToString(mine)}},
		"crit that nobody knows":       {"crit": []string{"x"}, "x": 1},
		"b64 off":                      {"b64": false, "crit": []string{"b64"}},
		"zip":                          {"zip": "DEF"},
		"cty of a nested one":          {"cty": "JWT"},
		"typ of another":               {"typ": "at+jwt"},
		"the algorithm in a list":      {"alg": []string{"ES256"}},
		"the algorithm in small":       {"alg": "es256"},
		"the algorithm with a space":   {"alg": "ES256 "},
		"no algorithm":                 {"alg": nil},
		"an empty algorithm":           {"alg": ""},
		"an algorithm as a number":     {"alg": 256},
		"the algorithm of secp256k1":   {"alg": "ES256K"},
		"a header of thousand columns": {"pad": strings.Repeat("x", 1000)},
	} {
		add(name, h.signed(jwt.SigningMethodES256, p256, header, h.claims()))
	}
	good := strings.Split(h.Token(token.AudienceSession, h.alice, 0), ".")
	for _, none := range []string{"none", "None", "NONE", "nOnE", "null"} {
		head := encode(fmt.Appendf(nil, `{"alg":"%s","typ":"JWT"}`, none))
		add("the algorithm "+none, head+"."+good[1]+".")
		add("the algorithm "+none+" with a signature", head+"."+good[1]+"."+good[2])
	}
	sig := make([]byte, 64)
	add("a signature of zeros", good[0]+"."+good[1]+"."+encode(sig))
	copy(sig, elliptic.P256().Params().N.Bytes())
	copy(sig[32:], elliptic.P256().Params().N.Bytes())
	add("a signature of the group's order", good[0]+"."+good[1]+"."+encode(sig))
	add("a signature of ones", good[0]+"."+good[1]+"."+encode(new(big.Int).Lsh(big.NewInt(1), 504).FillBytes(make([]byte, 64))))
	was, err := base64.RawURLEncoding.DecodeString(good[2])
	require.NoError(h, err)
	add("half a signature", good[0]+"."+good[1]+"."+encode(was[:32]))
	add("a signature and a byte", good[0]+"."+good[1]+"."+encode(append(was, 0)))
	add("a signature of another token", good[0]+"."+good[1]+"."+strings.Split(h.Token(token.AudienceSession, h.bob, 0), ".")[2])
	add("a signature with its halves exchanged", good[0]+"."+good[1]+"."+encode(append(slices.Clone(was[32:64]), was[:32]...)))
	changed := h.claims()
	changed["sub"] = "root"
	c, err := json.Marshal(changed)
	require.NoError(h, err)
	add("changed claims", good[0]+"."+encode(c)+"."+good[2])
	add("claims twice", good[0]+"."+encode([]byte(`{"sub":"alice@example.com","sub":"eve"}`))+"."+good[2])
	return all
}

// badForms are a good token, written otherwise: its base64 has one spelling.
func (h *house) badForms() (all []forgery) {
	add := func(name, raw string) { all = append(all, forgery{name, raw, closing.BadToken, insider}) }
	good := h.Token(token.AudienceSession, h.alice, 0)
	part := strings.Split(good, ".")
	last := good[len(good)-1]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	alias := alphabet[strings.IndexByte(alphabet, last)^1]
	add("bits beyond the signature's last byte", good[:len(good)-1]+string(alias))
	add("padding", good+"==")
	add("padding in the middle", part[0]+"=."+part[1]+"."+part[2])
	add("a dot at the end", good+".")
	add("a dot at the beginning", "."+good)
	add("a part more", good+".x")
	add("five parts, as an encrypted one", good+"."+part[1]+"."+part[2])
	add("a part less", part[0]+"."+part[1])
	add("an empty part between", part[0]+".."+part[2])
	add("dots alone", "..")
	add("a thousand dots", strings.Repeat(".", 1000))
	add("letters after the end", good+"AAAA")
	add("itself, twice", good+good)
	add("in capitals", strings.ToUpper(good))
	add("backwards", part[2]+"."+part[1]+"."+part[0])
	add("base64 of itself", encode([]byte(good)))
	add("nested", h.signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"cty": "JWT"}, jwt.MapClaims{"jwt": good}))
	add("60 KiB", "eyJ"+strings.Repeat("A", 60<<10))
	add("60 KiB of a header", encode([]byte(`{"alg":"ES256","x":"`+strings.Repeat("x", 40<<10)+`"}`))+"."+part[1]+"."+part[2])
	add("5 KiB after the end", good+strings.Repeat("A", 5<<10))
	add("a wide dot", part[0]+"\uff0e"+part[1]+"."+part[2])
	add("a letter of no width", good[:9]+"\u200b"+good[9:])
	add("a byte order mark", "\ufeff"+good)
	add("a letter that looks like another", "\u0435"+good[1:])
	add("what turns the direction", "\u202e"+good)
	add("invalid UTF-8", good[:9]+"\xff"+good[9:])
	add("JSON", `{"token":"`+good+`"}`)
	add("percents", strings.ReplaceAll(good, ".", "%2E"))
	return all
}

// others are good tokens of somebody else, or for something else.
func (h *house) others() (all []forgery) {
	again := h.alice.DeepCopy()
	again.UID = "0"
	moved := h.alice.DeepCopy()
	moved.Spec.User = "bob@example.com"
	elsewhere := h.alice.DeepCopy()
	elsewhere.Namespace = "others"
	foreign, err := tokentest.Signer(h).Sign(token.AudienceSession, token.For(h.alice), time.Now(), time.Hour)
	require.NoError(h, err)
	return []forgery{
		{"another installation's", foreign, closing.BadToken, stranger},
		{"their own session's", h.Token(token.AudienceSession, h.bob, 0), closing.ForeignToken, neighbour},
		{"an earlier session's of that name", h.Token(token.AudienceSession, again, 0), closing.ForeignToken, neighbour},
		{"an earlier owner's", h.Token(token.AudienceSession, moved, 0), closing.ForeignToken, neighbour},
		{"that of a namesake elsewhere", h.Token(token.AudienceSession, elsewhere, 0), closing.ForeignToken, neighbour},
		{"an expired one", h.Token(token.AudienceSession, h.alice, 2*time.Hour), closing.ExpiredToken, neighbour},
		{"one of a clock ahead", h.Token(token.AudienceSession, h.alice, -time.Hour), closing.NotYetToken, neighbour},
		{"the desktop's", h.Token(token.AudienceTURN, h.alice, 0), closing.BadToken, shell},
		{"the agent's", h.Token(token.AudienceAgent, h.alice, 0), closing.BadToken, pod},
	}
}

func tokens(h *house) (all []attack) {
	for _, f := range slices.Concat(h.badClaims(), h.badSignatures(), h.badForms(), h.others()) {
		row := func(carrier, sent string, why *closing.Refusal) {
			all = append(all, attack{name: f.name + ", as " + carrier, who: f.who, sent: sent, why: why, want: fmt.Sprint(why.Status), never: []string{f.raw}})
		}
		row("a bearer", get("/", victim, "Authorization: Bearer "+f.raw), f.why)
		row("a link", get("/?vdi_token="+url.QueryEscape(f.raw), victim), f.why)
		why := f.why
		if strings.ContainsFunc(f.raw, func(c rune) bool { return c >= 0x80 || c == '"' }) {
			why = closing.NoToken // that is no cookie
		}
		row("a cookie", get("/", victim, "Cookie: __Host-vdi-session="+f.raw), why)
	}
	for _, f := range h.others() {
		bearer := "Authorization: Bearer " + f.raw
		for place, sent := range map[string]string{
			"a WebSocket": upgrade("/websockify", bearer), "Selkies' WebSocket": upgrade("/webrtc/signalling/", bearer),
			"TURN credentials": get("/turn", victim, bearer), "the state": get("/_vdi/status", victim, bearer),
			"the events": get("/_vdi/events", victim, bearer),
			"input":      post("/_vdi/activity", bearer), "the button": post("/_vdi/wake", bearer), "a takeover": post("/_vdi/take", bearer),
			"a file": get("/app.js", victim, bearer), "a page": get("/", victim, bearer, "Accept: text/html", "Sec-Fetch-Mode: navigate",
				"Sec-Fetch-Dest: document"),
		} {
			all = append(all, attack{name: f.name + ", for " + place, who: f.who, sent: sent, why: f.why, want: fmt.Sprint(f.why.Status),
				never: []string{f.raw}})
		}
	}
	// Line ends, which decoders of base64 skip, fit a query alone.
	good := h.Token(token.AudienceSession, h.alice, 0)
	for name, end := range map[string]string{"a line's end": "%0A", "a return": "%0D", "both": "%0D%0A", "a NUL": "%00", "a space": "+", "a tab": "%09"} {
		all = append(all, attack{name: name + " within a link's token", who: insider, sent: get("/?vdi_token="+good[:9]+end+good[9:], victim), want: "401",
			why: closing.BadToken})
	}
	return append(all, h.carriers(good)...)
}

// carriers are places where no token is looked for.
func (h *house) carriers(good string) (all []attack) {
	add := func(name, sent string, why *closing.Refusal) {
		all = append(all, attack{name: "a good token in " + name, who: insider, sent: sent, want: fmt.Sprint(why.Status), why: why})
	}
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + good))
	for name, field := range map[string]string{
		"a bearer without its scheme":       "Authorization: " + good,
		"a bearer after a tab":              "Authorization: Bearer\t" + good,
		"a bearer without a space":          "Authorization: Bearer" + good,
		"a bearer after a colon":            "Authorization: Bearer: " + good,
		"a bearer after a comma":            "Authorization: Basic YTpi, Bearer " + good,
		"a second Authorization":            "Authorization: Basic YTpi\r\nAuthorization: Bearer " + good,
		"a password":                        "Authorization: Basic " + basic,
		"the scheme Token":                  "Authorization: Token " + good,
		"the scheme JWT":                    "Authorization: JWT " + good,
		"the scheme DPoP":                   "Authorization: DPoP " + good,
		"a parameter of the scheme":         "Authorization: Bearer\ttoken=" + good,
		"Proxy-Authorization":               "Proxy-Authorization: Bearer " + good,
		"a proxy's access token":            "X-Forwarded-Access-Token: " + good,
		"a proxy's field":                   "X-Auth-Request-Access-Token: " + good,
		"a desktop's field":                 "X-Auth-User: " + good,
		"a field of its own":                "X-Vdi-Token: " + good,
		"a field with underscores":          "Authorization_: Bearer " + good,
		"a Referer":                         "Referer: https://" + victim + "/?vdi_token=" + good,
		"the cookie of plain HTTP":          "Cookie: vdi-session=" + good,
		"the cookie of folders":             "Cookie: __Secure-vdi-session=" + good,
		"the cookie in small":               "Cookie: __host-vdi-session=" + good,
		"the cookie in capitals":            "Cookie: __HOST-VDI-SESSION=" + good,
		"a piece of the cookie":             "Cookie: __Host-vdi-session.0=" + good,
		"two pieces of the cookie":          "Cookie: __Host-vdi-session_0=" + good[:99] + "; __Host-vdi-session_1=" + good[99:],
		"a cookie whose name is quoted":     `Cookie: "__Host-vdi-session"=` + good,
		"a cookie behind a comma":           "Cookie: a=b, __Host-vdi-session=" + good,
		"a cookie with half a quote":        `Cookie: __Host-vdi-session="` + good,
		"a cookie without a name":           "Cookie: =__Host-vdi-session=" + good,
		"a cookie with escapes":             "Cookie: %5F%5FHost-vdi-session=" + good,
		"a cookie of a desktop":             "Cookie: vdi-desktop.__Host-vdi-session=" + good,
		"Cookie2":                           "Cookie2: __Host-vdi-session=" + good,
		"Set-Cookie":                        "Set-Cookie: __Host-vdi-session=" + good,
		"a subprotocol":                     "Sec-WebSocket-Protocol: bearer, " + good,
		"a subprotocol that encodes itself": "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io." + encode([]byte(good)),
	} {
		add(name, get("/", victim, field), closing.NoToken)
		if strings.HasPrefix(name, "a subprotocol") {
			add(name+" of an upgrade", upgrade("/ws", field), closing.NoToken)
		}
	}
	for name, at := range map[string]string{
		"?token=": "/?token=" + good, "?access_token=": "/?access_token=" + good, "?VDI_TOKEN=": "/?VDI_TOKEN=" + good,
		"?vdi_token[]=": "/?vdi_token[]=" + good, "?vdi-token=": "/?vdi-token=" + good, "a parameter with a space": "/?vdi_token+=" + good,
		"a second parameter behind a semicolon": "/?a=b;vdi_token=" + good, "a fragment": "/#vdi_token=" + good, "a path's parameter": "/;vdi_token=" + good,
		"the path": "/" + good, "a query that is escaped": "/?vdi_token%3D" + good, "an escaped query": "/%3Fvdi_token=" + good,
	} {
		add(name, get(at, victim), closing.NoToken)
	}
	add("a second parameter", get("/?vdi_token=x&vdi_token="+good, victim), closing.BadToken)
	add("a parameter after an empty one", get("/?vdi_token=&vdi_token="+good, victim), closing.NoToken)
	add("a link that is posted", post("/?vdi_token="+good), closing.NoToken)
	add("a form", request("POST / HTTP/1.1", "Host: "+victim, "Connection: close", "Content-Type: application/x-www-form-urlencoded",
		fmt.Sprint("Content-Length: ", len("vdi_token="+good)))+"vdi_token="+good, closing.NoToken)
	add("a trailer", request("POST / HTTP/1.1", "Host: "+victim, "Connection: close", "Transfer-Encoding: chunked", "Trailer: Authorization")+
		"0\r\nAuthorization: Bearer "+good+"\r\n\r\n", closing.NoToken)
	add("a user of the address", request("GET https://"+good+"@"+victim+"/ HTTP/1.1", "Host: "+victim, "Connection: close"), closing.NoToken)
	return all
}
