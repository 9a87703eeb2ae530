// Package debian says which programs the cluster takes from the distribution.
package debian

import (
	"context"
	"io"
	"path/filepath"

	"github.com/org/vdi-operator/build/debian"
)

var (
	node = []debian.Tool{
		{File: "containerd", Package: "containerd"}, {File: "containerd-shim-runc-v2", Package: "containerd"}, {File: "ctr", Package: "containerd"},
		{File: "runc", Package: "runc"},
		{File: filepath.Join(CNIPlugins, "bridge"), Package: "containernetworking-plugins"},
		{File: "nft", Package: "nftables"}, {File: "iptables", Package: "iptables"}, {File: "conntrack", Package: "conntrack"},
		{File: "ip", Package: "iproute2"}, {File: "mount", Package: "mount"},
		{File: "etcd", Package: "etcd-server"},
	}
	etcd = []debian.Tool{{File: "etcd", Package: "etcd-server"}}
)

// CNIPlugins is where Debian puts the pods' network plugins.
const CNIPlugins = "/usr/lib/cni"

// Node installs what a node needs, and Etcd only etcd. Each returns the packages it installed.
func Node(ctx context.Context, log io.Writer) ([]string, error) {
	return debian.Install(ctx, log, node...)
}

// Etcd installs etcd.
func Etcd(ctx context.Context, log io.Writer) ([]string, error) {
	return debian.Install(ctx, log, etcd...)
}
