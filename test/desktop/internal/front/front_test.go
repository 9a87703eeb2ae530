package front

import (
	"strings"
	"testing"
)

func TestTheConfigurationTakesNothingOutsideItsFolder(t *testing.T) {
	f := &Front{dir: "/tmp/front-1", site: Site{Port: 3000, Upstream: "127.0.0.1:8082", Folder: "/desk/", Requests: []string{"/demo/"}, Sockets: []string{"/desk/websocket"}}}
	var conf strings.Builder
	if err := f.render(&conf); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"listen 3000;", "location /desk/ {\n            alias /tmp/front-1/page/;", "location /desk/websocket {", "location /demo/ {", "proxy_pass http://127.0.0.1:8082;", "/tmp/front-1/nginx.pid"} {
		if !strings.Contains(conf.String(), want) {
			t.Errorf("the configuration lacks %q:\n%s", want, conf.String())
		}
	}
	for _, line := range strings.Split(conf.String(), "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasSuffix(word, "_temp_path") && !strings.HasPrefix(rest, f.dir) {
			t.Errorf("%s is outside the folder", line)
		}
	}
	if strings.Contains(conf.String(), "auth_basic") {
		t.Error("asks for an empty password")
	}
}
