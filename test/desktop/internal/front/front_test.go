package front

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheConfigurationTakesNothingOutsideItsFolder(t *testing.T) {
	f := &Front{dir: "/tmp/front-1", site: Site{Port: 3000, Upstream: "127.0.0.1:8082", Folder: "/desk/", Requests: []string{"/demo/"}, Sockets: []string{"/desk/websocket"}}}
	var conf strings.Builder
	require.NoError(t, f.render(&conf))
	for _, want := range []string{"listen 3000;", "location /desk/ {\n            alias /tmp/front-1/page/;", "location /desk/websocket {", "location /demo/ {", "proxy_pass http://127.0.0.1:8082;", "/tmp/front-1/nginx.pid"} {
		assert.Contains(t, conf.String(), want, "the configuration lacks")
	}
	for _, line := range strings.Split(conf.String(), "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		assert.False(t, strings.HasSuffix(word, "_temp_path") && !strings.HasPrefix(rest, f.dir), "%s is outside the folder", line)
	}
	assert.NotContains(t, conf.String(), "auth_basic", "asks for an empty password")
}
