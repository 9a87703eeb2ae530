package node

import (
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/cluster/internal/cgroup"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
	"github.com/org/vdi-operator/test/cluster/internal/pki"
	"github.com/org/vdi-operator/test/cluster/internal/process"
)

// Kubelet and KubeProxy are the node's agents' names.
const (
	Kubelet   = "kubelet"
	KubeProxy = "kube-proxy"
)

// maxPods leaves room for every session a test can want on one machine.
const maxPods = 250

// KubeletSpec writes kubelet's configuration and runs it. What decides how fast pods start
// and are seen to start is left at its defaults: measurements here should hold elsewhere.
func KubeletSpec(l layout.Layout, program string, group cgroup.Group) (process.Spec, error) {
	certificates := pki.Dir(l.PKI())
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address": layout.NodeIP, "port": layout.Kubelet.Number,
		"healthzBindAddress": layout.NodeIP, "healthzPort": layout.KubeletHealth.Number,
		"tlsCertFile": certificates.Cert(Kubelet), "tlsPrivateKeyFile": certificates.Key(Kubelet),
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": certificates.Cert("ca")},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"containerRuntimeEndpoint": "unix://" + l.ContainerdSocket(),
		"clusterDNS":               []string{layout.DNSService}, "clusterDomain": layout.ClusterDomain,
		"cgroupDriver": "cgroupfs", "cgroupRoot": group.Path(), "failCgroupV1": false, "failSwapOn": false,
		"maxPods": maxPods, "podLogsDir": l.PodLogs(),
		"volumePluginDir": filepath.Join(l.Kubelet(), "plugins-exec"),
		// Nothing on the machine is accounted per pod, and a machine's resolver may be a
		// loopback address that no pod can reach.
		"localStorageCapacityIsolation": false, "resolvConf": "",
		// iptables chains for other network set-ups, which would outlive the cluster.
		"makeIPTablesUtilChains": false,
		// The disk is the developer's own: neither delete loaded images, which nobody could
		// pull again, nor evict pods because something else fills it.
		"imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
		"evictionHard": map[string]string{
			"memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%", "imagefs.inodesFree": "1%",
		},
	})
	if err != nil {
		return process.Spec{}, err
	}
	config := l.Config("kubelet.yaml")
	if err := write(config, string(text)); err != nil {
		return process.Spec{}, err
	}
	kubeconfig := l.Kubeconfig(Kubelet)
	return process.Spec{
		Name: Kubelet, Patience: patience,
		Inputs: []string{config, kubeconfig, certificates.Cert(Kubelet)},
		Command: []string{
			program, "--config=" + config, "--kubeconfig=" + kubeconfig, "--root-dir=" + l.Kubelet(),
			"--hostname-override=" + layout.NodeName, "--node-ip=" + layout.NodeIP,
		},
	}, nil
}

// KubeProxySpec writes kube-proxy's configuration and runs it.
func KubeProxySpec(l layout.Layout, program string) (process.Spec, error) {
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode": "nftables", "clusterCIDR": layout.PodCIDR,
		"bindAddress": layout.NodeIP, "hostnameOverride": layout.NodeName,
		"healthzBindAddress": layout.ProxyHealth.Address(), "metricsBindAddress": layout.ProxyMetrics.Address(),
		"clientConnection": map[string]any{"kubeconfig": l.Kubeconfig(KubeProxy)},
		// The machine's connection tracking limits are its owner's.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0},
	})
	if err != nil {
		return process.Spec{}, err
	}
	config := l.Config("kube-proxy.yaml")
	if err := write(config, string(text)); err != nil {
		return process.Spec{}, err
	}
	return process.Spec{
		Name: KubeProxy, Patience: patience,
		Inputs:  []string{config, l.Kubeconfig(KubeProxy)},
		Command: []string{program, "--config=" + config},
	}, nil
}
