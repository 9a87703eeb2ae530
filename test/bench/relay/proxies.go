package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/bench/replica"
)

// proxy is another's program with a configuration of our own: as an ingress would
// have it, that is speaking HTTP and passing upgrades, everything else at its default.
type proxy struct {
	name, program string
	// args are given the configuration's folder and file.
	args func(dir, file string) []string
	// configuration takes where to listen, where to lead and a folder.
	configuration string
	// workers says that the work is done by the program's children.
	workers bool
}

// sbin is where Debian puts servers; it is not on everybody's PATH.
const sbin = "/usr/sbin"

var haproxy = proxy{
	name: nameHAProxy, program: filepath.Join(sbin, "haproxy"),
	args: func(_, file string) []string { return []string{"-db", "-f", file} },
	configuration: `# folder %[3]s
defaults
    mode http
    timeout connect 5s
    timeout client  1h
    timeout server  1h
    timeout tunnel  1h
listen websockets
    bind %[1]s
    server backend %[2]s
`,
}

var nginx = proxy{
	name: nameNginx, program: filepath.Join(sbin, "nginx"), workers: true,
	args: func(dir, file string) []string { return []string{"-p", dir, "-c", file, "-e", "stderr"} },
	configuration: `daemon off;
user root;
worker_processes auto;
pid %[3]s/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path %[3]s/body;
    proxy_temp_path       %[3]s/proxy;
    fastcgi_temp_path     %[3]s/fastcgi;
    uwsgi_temp_path       %[3]s/uwsgi;
    scgi_temp_path        %[3]s/scgi;
    server {
        listen %[1]s;
        location / {
            proxy_pass http://%[2]s;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_read_timeout 1h;
        }
    }
}
`,
}

// proxy starts one in front of the backend.
func (a *arena) proxy(ctx context.Context, p proxy, backend string) (*contender, error) {
	if _, err := exec.LookPath(p.program); err != nil {
		return nil, fmt.Errorf("%w: run this by make, which installs it", err)
	}
	at, err := replica.FreeAddress()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(a.dir, p.name+".conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, p.configuration, at, backend, a.dir), 0o600); err != nil {
		return nil, err
	}
	running, err := a.start(ctx, at, nil, p.program, p.args(a.dir, file)...)
	if err != nil {
		return nil, err
	}
	c := &contender{name: p.name, address: at, path: echoPath, streams: true, processes: []*process.Process{running}}
	if p.workers {
		c.processes, err = running.Children()
	}
	return c, err
}
