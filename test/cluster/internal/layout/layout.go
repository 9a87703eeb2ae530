// Package layout says where the cluster keeps things on this machine, and under which names
// and addresses. Everything lies below one state folder but for what Kubernetes hard-codes.
package layout

import (
	"net"
	"path/filepath"
	"strconv"
)

// Names that appear on the machine.
const (
	// NodeName is the node's name in Kubernetes.
	NodeName = "vdi-node"
	// NodeLink is a bridge without ports that carries the node's address. Kernels without
	// the dummy link type have bridges, and the address is the same on every machine.
	NodeLink = "vdi-node"
	// PodLink is the bridge that pods hang on.
	PodLink = "vdi-pods"
	// NftTable holds our packet rules.
	NftTable = "vdi-cluster"
	// CgroupName is the control group that all processes of the cluster live below.
	CgroupName = "vdi-cluster"
)

// Addresses. They are private and rarely used; preflight refuses to start when the machine
// uses them for something else.
const (
	NodeIP         = "10.210.0.1"
	PodCIDR        = "10.211.0.0/16"
	PodGateway     = "10.211.0.1"
	ServiceCIDR    = "10.212.0.0/16"
	ServiceGateway = "10.212.0.1" // of the Service "kubernetes"
	DNSService     = "10.212.0.10"
	ClusterDomain  = "cluster.local"
)

// Port is a TCP port on the node's address.
type Port struct {
	Number int
	Of     string
}

// Address is the port on the node's address.
func (p Port) Address() string { return net.JoinHostPort(NodeIP, p.Text()) }

// Text is the number as a flag's value.
func (p Port) Text() string { return strconv.Itoa(p.Number) }

// The node's ports. All are bound to the node's address only.
var (
	EtcdClient        = Port{2379, "etcd"}
	EtcdPeer          = Port{2380, "etcd"}
	APIServer         = Port{6443, "kube-apiserver"}
	KubeletHealth     = Port{10248, "kubelet"}
	ProxyMetrics      = Port{10249, "kube-proxy"}
	Kubelet           = Port{10250, "kubelet"}
	ProxyHealth       = Port{10256, "kube-proxy"}
	ControllerManager = Port{10257, "kube-controller-manager"}
	Scheduler         = Port{10259, "kube-scheduler"}
)

// NodePorts lists every port the cluster's own programs listen on.
func NodePorts() []Port {
	return []Port{EtcdClient, EtcdPeer, APIServer, KubeletHealth, ProxyMetrics, Kubelet, ProxyHealth, ControllerManager, Scheduler}
}

// Paths outside of the state folder: kubelet does not let us choose its own.
const (
	// KubeletDevicePlugins is where kubelet and device plugins meet. It is made a link into
	// the state folder.
	KubeletDevicePlugins = "/var/lib/kubelet/device-plugins"
	// Lock is held while a cluster on this machine is changed; there can be one.
	Lock = "/run/vdi-cluster.lock"
	// LegacyLogs is where kubelet links each container's log.
	LegacyLogs = "/var/log/containers"
)

// Layout is a state folder.
type Layout string

func (l Layout) path(elem ...string) string {
	return filepath.Join(append([]string{string(l)}, elem...)...)
}

// Root is the state folder itself.
func (l Layout) Root() string { return string(l) }

// Marker tells a state folder of ours from a folder given by mistake.
func (l Layout) Marker() string { return l.path(".vdi-cluster") }

// AdminKubeconfig is for the person at the keyboard.
func (l Layout) AdminKubeconfig() string { return l.path("admin.kubeconfig") }

// Kubeconfig is for a component.
func (l Layout) Kubeconfig(component string) string {
	return l.path("config", component+".kubeconfig")
}

// Config is a component's configuration file.
func (l Layout) Config(name string) string { return l.path("config", name) }

// PKI holds certificates and keys.
func (l Layout) PKI() string { return l.path("pki") }

// Processes holds a record per running program.
func (l Layout) Processes() string { return l.path("processes") }

// Logs holds a file per program.
func (l Layout) Logs() string { return l.path("logs") }

// Manifests holds what was applied to the cluster.
func (l Layout) Manifests() string { return l.path("manifests") }

// Host remembers what the machine was like before.
func (l Layout) Host() string { return l.path("host.json") }

// Etcd holds the cluster's data.
func (l Layout) Etcd() string { return l.path("etcd") }

// ContainerdRoot holds images and containers' files.
func (l Layout) ContainerdRoot() string { return l.path("containerd") }

// Run holds sockets and mounts of the running cluster.
func (l Layout) Run() string { return l.path("run") }

// ContainerdState holds running containers' bundles.
func (l Layout) ContainerdState() string { return l.path("run", "containerd") }

// ContainerdSocket is containerd's API.
func (l Layout) ContainerdSocket() string { return l.path("run", "containerd.sock") }

// Runc holds runc's state.
func (l Layout) Runc() string { return l.path("run", "runc") }

// CNIConfig is the folder with the pods' network configuration.
func (l Layout) CNIConfig() string { return l.path("config", "cni") }

// CNIData remembers which pod has which address.
func (l Layout) CNIData() string { return l.path("run", "cni") }

// Kubelet is kubelet's root folder.
func (l Layout) Kubelet() string { return l.path("kubelet") }

// PodLogs holds containers' logs.
func (l Layout) PodLogs() string { return l.path("pod-logs") }

// Volumes holds the folders behind persistent volumes.
func (l Layout) Volumes() string { return l.path("volumes") }

// DevicePlugins is what KubeletDevicePlugins leads to.
func (l Layout) DevicePlugins() string { return l.path("run", "device-plugins") }
