package attacks

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/podapi"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

// reported is a report as an agent sends it, from a pod's address.
func reported(path, from, bearer, body string) string {
	fields := []string{"Host: activator", "Test-From: " + from, "Authorization: Bearer " + bearer, fmt.Sprint("Content-Length: ", len(body))}
	return request("POST "+path+" HTTP/1.1", fields...) + body
}

// agents are what comes to the pods' port from a pod that is alice's, or another.
func agents(h *house) (all []attack) {
	again := h.alice.DeepCopy()
	again.UID = "0"
	foreign, err := tokentest.Signer(h).Sign(token.AudienceAgent, token.For(h.alice), time.Now(), time.Hour)
	require.NoError(h, err)
	agent := h.Token(token.AudienceAgent, h.alice, 0)
	announcement := func(address string) string { return `{"pod":"p","address":"` + address + `","listening":true}` }
	bodies := map[string]string{agentapi.AnnouncePath: announcement(podAddress), agentapi.ActivityPath: `{"pod":"p","idleMilliseconds":1}`}
	add := func(name, sent, want string, why *closing.Refusal) {
		all = append(all, attack{name: name, who: pod, internal: true, sent: sent, want: want, why: why, never: []string{"turn:"}})
	}
	for path, body := range bodies {
		for name, raw := range map[string]string{
			"no token": "", "a token of rubbish": "x", "a visitor's token": h.Token(token.AudienceSession, h.alice, 0),
			"the desktop's token": h.Token(token.AudienceTURN, h.alice, 0), "an expired token": h.Token(token.AudienceAgent, h.alice, 2*time.Hour),
			"a token of a clock ahead": h.Token(token.AudienceAgent, h.alice, -time.Hour), "an earlier session's token": h.Token(token.AudienceAgent, again, 0),
			"another installation's token": foreign,
			"a token and a letter":         agent + "A", "a token in lower case": strings.ToLower(agent), "a token twice": agent + "," + agent,
			"8 KiB": strings.Repeat("A", 8<<10), "a token after another word": "Bearer " + agent,
		} {
			add(path+" with "+name, reported(path, podAddress, raw, body), "403", closing.AgentToken)
		}
		add(path+" with the token in a cookie", request("POST "+path+" HTTP/1.1", "Host: activator", "Test-From: "+podAddress,
			"Cookie: __Host-vdi-session="+agent, "Content-Length: 0"), "403", closing.AgentToken)
		add(path+" with the token in the query", request("POST "+path+"?vdi_token="+agent+" HTTP/1.1", "Host: activator", "Test-From: "+podAddress,
			"Content-Length: 0"), "403", closing.AgentToken)
		add(path+" with the token in the desktop's field", request("POST "+path+" HTTP/1.1", "Host: activator", "Test-From: "+podAddress, "X-Auth-User: "+agent,
			"Content-Length: 0"), "403", closing.AgentToken)
		add(path+" with 20 KiB of a token", reported(path, podAddress, strings.Repeat("A", 20<<10), body), "431", closing.HeaderBytes)
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT"} {
			want := "405"
			add(method+" "+path, request(method+" "+path+" HTTP/1.1", "Host: activator", "Authorization: Bearer "+agent, "Content-Length: 0"), want, nil)
		}
		for name, raw := range map[string]string{
			"no body": "", "rubbish": "rubbish", "half a body": `{"pod":"p"`, "a list": "[]", "a word": `"p"`, "a number": "1",
			"a pod that is a number": `{"pod":1}`, "a pod that is a list": `{"pod":["p"]}`,
			"a megabyte": `{"pod":"` + strings.Repeat("p", 1<<20) + `"}`, "a megabyte of spaces": strings.Repeat(" ", 1<<20) + body,
			"a megabyte of brackets": strings.Repeat("[", 1<<20), "a form": "pod=p", "XML": "<pod>p</pod>", "NUL": "\x00", "UTF-16": "\xff\xfe{\x00}\x00",
		} {
			add(path+" with "+name, reported(path, podAddress, agent, raw), "400", closing.AgentReport)
		}
	}
	for name, number := range map[string]string{
		"from the future": "-1", "from far in the future": "-9223372036854775808", "of 2^32": "4294967296", "of 2^64": "18446744073709551616",
		"of 1e99": "1e99", "of half a millisecond": "0.5", "of words": `"1"`, "of true": "true", "of a list": "[1]", "of hexadecimal": "0x1", "of NaN": "NaN",
		"of a plus": "+1", "of zeros": "01",
	} {
		add("activity "+name, reported(agentapi.ActivityPath, podAddress, agent, `{"pod":"p","idleMilliseconds":`+number+`}`), "400", closing.AgentReport)
	}
	for name, other := range map[string]string{"another pod": "q", "no pod": "", "a pod in capitals": "P", "a pod with a space": "p ",
		"a pod with NUL": `p\u0000`, "a pod's namespace too": "desktops/p"} {
		add("activity of "+name, reported(agentapi.ActivityPath, podAddress, agent, `{"pod":"`+other+`","idleMilliseconds":1}`), "409", closing.AgentReport)
	}
	add("activity of alice's pod by bob's", reported(agentapi.ActivityPath, podAddress, h.Token(token.AudienceAgent, h.bob, 0),
		`{"pod":"p","idleMilliseconds":1}`), "409", closing.AgentReport)
	for name, at := range map[string][2]string{
		"of another than it comes from": {podAddress, "198.51.100.8"}, "of the metadata service": {podAddress, "169.254.169.254"},
		"of the API server": {podAddress, "10.96.0.1"}, "of loopback": {podAddress, "127.0.0.1"},
		"from loopback": {"127.0.0.1", "127.0.0.1"}, "from the end of loopback": {"127.255.255.254", "127.255.255.254"},
		"from loopback in IPv6's clothes": {"::ffff:127.0.0.1", "127.0.0.1"}, "from loopback of IPv6": {"::1", "::1"},
		"from the metadata service": {"169.254.169.254", "169.254.169.254"},
		"from a link's address":     {"fe80::1%eth0", "fe80::1"}, "from nowhere": {"0.0.0.0", "0.0.0.0"}, "from nowhere of IPv6": {"::", "::"},
		"from many": {"224.0.0.1", "224.0.0.1"}, "from many of IPv6": {"ff02::1", "ff02::1"}, "with a zone": {podAddress, "fe80::1%25eth0"},
		"from no address": {"pod.example", podAddress},
	} {
		add("an announcement "+name, reported(agentapi.AnnouncePath, at[0], agent, announcement(at[1])), "409", closing.AgentAddress)
	}
	for name, address := range map[string]string{"a name": "localhost", "a port": podAddress + ":80", "a network": podAddress + "/24", "decimal": "3325256711",
		"octal": "0306.51.100.7", "three parts": "198.51.7", "a space": " " + podAddress, "brackets": "[::1]", "a URL": "http://" + podAddress} {
		add("an announcement of an address with "+name, reported(agentapi.AnnouncePath, podAddress, agent, announcement(address)), "400", closing.AgentReport)
	}
	// TURN credentials are the desktop's.
	for name, field := range map[string]string{
		"no token": "X: y", "a visitor's token": "X-Auth-User: " + h.Token(token.AudienceSession, h.alice, 0), "the agent's token": "X-Auth-User: " + agent,
		"an expired token":           "X-Auth-User: " + h.Token(token.AudienceTURN, h.alice, 2*time.Hour),
		"an earlier session's token": "X-Auth-User: " + h.Token(token.AudienceTURN, again, 0),
		"the token as a bearer":      "Authorization: Bearer " + h.Token(token.AudienceTURN, h.alice, 0),
		"a bearer in the field":      "X-Auth-User: Bearer " + h.Token(token.AudienceTURN, h.alice, 0),
		"a second field":             "X-Auth-User: x\r\nX-Auth-User: " + h.Token(token.AudienceTURN, h.alice, 0),
		"another field":              "X_Auth_User: " + h.Token(token.AudienceTURN, h.alice, 0), "a name": "X-Auth-User: alice",
	} {
		add("TURN credentials with "+name, request("GET "+podapi.TURNPath+"?service=turn HTTP/1.1", "Host: activator", "Test-From: "+podAddress, field), "403",
			nil)
	}
	add("TURN credentials with the token in the query", request("GET "+podapi.TURNPath+"?username="+h.Token(token.AudienceTURN, h.alice, 0)+" HTTP/1.1",
		"Host: activator"), "403", nil)
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		add(method+" "+podapi.TURNPath, request(method+" "+podapi.TURNPath+" HTTP/1.1", "Host: activator", "Content-Length: 0"), "405", nil)
	}
	add("an upgrade", request("GET "+podapi.TURNPath+" HTTP/1.1", "Host: activator", upgrading), "403", nil)
	add("no host", request("GET "+podapi.TURNPath+" HTTP/1.1"), "400", closing.MalformedHead)
	add("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", closing.HTTP2)
	return all
}
