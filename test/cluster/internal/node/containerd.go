// Package node describes the programs that make this machine a node: containerd, kubelet
// and kube-proxy, with their configuration files. None of them touches another instance of
// itself on the machine.
package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/org/vdi-operator/test/cluster/internal/debian"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
	"github.com/org/vdi-operator/test/cluster/internal/process"
)

// Containerd is the container runtime's name.
const Containerd = "containerd"

const patience = 15 * time.Second

// ContainerdSpec writes containerd's and the pod network's configuration and runs it.
func ContainerdSpec(l layout.Layout, program, pauseImage string) (process.Spec, error) {
	config := l.Config("containerd.toml")
	if err := write(config, containerdConfig(l, pauseImage)); err != nil {
		return process.Spec{}, err
	}
	network, err := podNetwork(l)
	if err != nil {
		return process.Spec{}, err
	}
	if err := write(filepath.Join(l.CNIConfig(), "10-vdi.conflist"), network); err != nil {
		return process.Spec{}, err
	}
	return process.Spec{
		Name: Containerd, Patience: patience,
		Command: []string{program, "--config", config},
		Inputs:  []string{config},
	}, nil
}

func containerdConfig(l layout.Layout, pauseImage string) string {
	return fmt.Sprintf(`version = 2
root = %[1]q
state = %[2]q
# Snapshotters for filesystems that are not here would only log that they are not.
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
  address = %[3]q

[plugins."io.containerd.internal.v1.opt"]
  path = %[8]q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[4]q
  # A machine that may not raise a process's priority for memory (CAP_SYS_RESOURCE) would
  # otherwise fail to start any pod.
  restrict_oom_score_adj = true
  # Keeps network namespaces' mounts where "down" looks for mounts.
  netns_mounts_under_state_dir = true
  # "kubectl exec" and "port-forward" streams, on a port of the loopback that is free.
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[5]q
    conf_dir = %[6]q

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = %[7]q
`, l.ContainerdRoot(), l.ContainerdState(), l.ContainerdSocket(), pauseImage, debian.CNIPlugins, l.CNIConfig(), l.Runc(),
		filepath.Join(l.ContainerdRoot(), "opt"))
}

// podNetwork hangs pods on one bridge and gives them addresses of the pods' range. Packets
// to the outside are masqueraded by our own table and not by the plugin, which would leave
// chains behind for pods that died without notice.
func podNetwork(l layout.Layout) (string, error) {
	text, err := json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "vdi",
		"plugins": []any{
			map[string]any{
				"type": "bridge", "bridge": layout.PodLink, "isGateway": true, "hairpinMode": true, "ipMasq": false,
				"ipam": map[string]any{
					"type": "host-local", "dataDir": l.CNIData(),
					"ranges": []any{[]any{map[string]any{"subnet": layout.PodCIDR, "gateway": layout.PodGateway}}},
					"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
				},
			},
		},
	}, "", "  ")
	return string(text), err
}

func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	half := file + ".tmp"
	if err := os.WriteFile(half, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(half, file)
}
