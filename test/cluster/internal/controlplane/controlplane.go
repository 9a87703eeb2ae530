// Package controlplane describes etcd, the API server, the controller manager and the
// scheduler: their certificates, their kubeconfigs and their command lines.
package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/test/cluster/internal/layout"
	"github.com/org/vdi-operator/test/cluster/internal/pki"
	"github.com/org/vdi-operator/test/cluster/internal/process"
)

// Names of certificates, and of the components that use them.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kubelet           = "kubelet"
	KubeProxy         = "kube-proxy"

	authority      = "ca"
	frontAuthority = "front-proxy-ca"
	frontClient    = "front-proxy-client"
	apiClient      = "kube-apiserver-client" // the API server towards etcd and kubelet
	admin          = "admin"
	serviceAccount = "service-account"
)

// patience is how long a component may take to end after SIGTERM. The API server finishes
// running requests first.
const patience = 15 * time.Second

// Files makes every certificate and kubeconfig that is missing.
func Files(l layout.Layout) error {
	dir := pki.Dir(l.PKI())
	ca, err := dir.Authority(authority)
	if err != nil {
		return err
	}
	front, err := dir.Authority(frontAuthority)
	if err != nil {
		return err
	}
	requests := []pki.Request{
		{Name: Etcd, CommonName: Etcd, Hosts: []string{layout.NodeIP}},
		{Name: APIServer, CommonName: APIServer, Hosts: []string{
			layout.NodeIP, layout.ServiceGateway, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default",
			"kubernetes.default.svc", "kubernetes.default.svc." + layout.ClusterDomain,
		}},
		{Name: apiClient, CommonName: apiClient, Organizations: []string{"system:masters"}},
		{Name: admin, CommonName: admin, Organizations: []string{"system:masters"}},
		{Name: ControllerManager, CommonName: "system:kube-controller-manager", Hosts: []string{layout.NodeIP}},
		{Name: Scheduler, CommonName: "system:kube-scheduler", Hosts: []string{layout.NodeIP}},
		{Name: Kubelet, CommonName: "system:node:" + layout.NodeName, Organizations: []string{"system:nodes"}, Hosts: []string{layout.NodeIP, layout.NodeName}},
		{Name: KubeProxy, CommonName: "system:kube-proxy"},
	}
	for _, request := range requests {
		if err := ca.Issue(request); err != nil {
			return err
		}
	}
	if err := front.Issue(pki.Request{Name: frontClient, CommonName: frontClient}); err != nil {
		return err
	}
	if err := dir.KeyPair(serviceAccount); err != nil {
		return err
	}
	for _, component := range []string{ControllerManager, Scheduler, Kubelet, KubeProxy} {
		if err := writeKubeconfig(l, l.Kubeconfig(component), component); err != nil {
			return err
		}
	}
	return writeKubeconfig(l, l.AdminKubeconfig(), admin)
}

// writeKubeconfig embeds the certificates, so that the file can be copied elsewhere.
func writeKubeconfig(l layout.Layout, file, user string) error {
	dir := pki.Dir(l.PKI())
	contents := map[string][]byte{}
	for _, name := range []string{dir.Cert(authority), dir.Cert(user), dir.Key(user)} {
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		contents[name] = raw
	}
	const name = "vdi"
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{
			"server": "https://" + layout.APIServer.Address(), "certificate-authority-data": contents[dir.Cert(authority)],
		}}},
		"users": []any{map[string]any{"name": user, "user": map[string]any{
			"client-certificate-data": contents[dir.Cert(user)], "client-key-data": contents[dir.Key(user)],
		}}},
		"contexts": []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": user}}},
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	half := file + ".tmp"
	if err := os.WriteFile(half, text, 0o600); err != nil {
		return err
	}
	return os.Rename(half, file)
}

// EtcdSpec runs the database. Losing the last moments of a test cluster in a power cut is
// no loss, but etcd keeps its real durability: what is measured here should hold elsewhere.
func EtcdSpec(l layout.Layout, program string) process.Spec {
	dir := pki.Dir(l.PKI())
	client, peer := "https://"+layout.EtcdClient.Address(), "https://"+layout.EtcdPeer.Address()
	return process.Spec{
		Name: Etcd, Patience: patience,
		Inputs: []string{dir.Cert(Etcd), dir.Cert(authority)},
		Command: []string{
			program, "--name=" + layout.NodeName, "--data-dir=" + l.Etcd(),
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=" + layout.NodeName + "=" + peer,
			"--cert-file=" + dir.Cert(Etcd), "--key-file=" + dir.Key(Etcd),
			"--client-cert-auth", "--trusted-ca-file=" + dir.Cert(authority),
			"--peer-cert-file=" + dir.Cert(Etcd), "--peer-key-file=" + dir.Key(Etcd),
			"--peer-client-cert-auth", "--peer-trusted-ca-file=" + dir.Cert(authority),
			"--auto-compaction-mode=periodic", "--auto-compaction-retention=1h",
			"--logger=zap", "--log-level=warn",
		},
	}
}

// APIServerSpec runs the API server.
func APIServerSpec(l layout.Layout, program string) process.Spec {
	dir := pki.Dir(l.PKI())
	return process.Spec{
		Name: APIServer, Patience: patience,
		Inputs: []string{dir.Cert(APIServer), dir.Cert(authority), dir.Cert(apiClient), dir.Cert(frontClient), dir.Key(serviceAccount)},
		Command: []string{
			program,
			"--bind-address=" + layout.NodeIP, "--advertise-address=" + layout.NodeIP,
			"--secure-port=" + layout.APIServer.Text(),
			"--tls-cert-file=" + dir.Cert(APIServer), "--tls-private-key-file=" + dir.Key(APIServer),
			"--client-ca-file=" + dir.Cert(authority),
			"--etcd-servers=https://" + layout.EtcdClient.Address(),
			"--etcd-cafile=" + dir.Cert(authority), "--etcd-certfile=" + dir.Cert(apiClient), "--etcd-keyfile=" + dir.Key(apiClient),
			"--kubelet-certificate-authority=" + dir.Cert(authority),
			"--kubelet-client-certificate=" + dir.Cert(apiClient), "--kubelet-client-key=" + dir.Key(apiClient),
			// The node's name is in no DNS; without this "kubectl logs" would look it up.
			"--kubelet-preferred-address-types=InternalIP",
			"--authorization-mode=Node,RBAC", "--allow-privileged=true",
			"--enable-admission-plugins=NodeRestriction",
			"--service-cluster-ip-range=" + layout.ServiceCIDR,
			"--service-account-issuer=https://kubernetes.default.svc." + layout.ClusterDomain,
			"--service-account-key-file=" + filepath.Join(l.PKI(), serviceAccount+".pub"),
			"--service-account-signing-key-file=" + dir.Key(serviceAccount),
			"--requestheader-client-ca-file=" + dir.Cert(frontAuthority), "--requestheader-allowed-names=" + frontClient,
			"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-username-headers=X-Remote-User",
			"--proxy-client-cert-file=" + dir.Cert(frontClient), "--proxy-client-key-file=" + dir.Key(frontClient),
		},
	}
}

// ControllerManagerSpec runs Kubernetes' controllers. There is one of it, so it does not
// wait to be elected.
func ControllerManagerSpec(l layout.Layout, program string) process.Spec {
	dir := pki.Dir(l.PKI())
	kubeconfig := l.Kubeconfig(ControllerManager)
	return process.Spec{
		Name: ControllerManager, Patience: patience,
		Inputs: []string{kubeconfig, dir.Cert(authority), dir.Key(serviceAccount)},
		Command: []string{
			program, "--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=" + layout.NodeIP, "--secure-port=" + layout.ControllerManager.Text(),
			"--tls-cert-file=" + dir.Cert(ControllerManager), "--tls-private-key-file=" + dir.Key(ControllerManager),
			"--client-ca-file=" + dir.Cert(authority), "--requestheader-client-ca-file=" + dir.Cert(frontAuthority),
			"--root-ca-file=" + dir.Cert(authority), "--service-account-private-key-file=" + dir.Key(serviceAccount),
			"--cluster-signing-cert-file=" + dir.Cert(authority), "--cluster-signing-key-file=" + dir.Key(authority),
			"--use-service-account-credentials=true", "--allocate-node-cidrs=false", "--leader-elect=false",
			fmt.Sprintf("--flex-volume-plugin-dir=%s", filepath.Join(l.Kubelet(), "plugins-exec")),
		},
	}
}

// SchedulerSpec runs the scheduler.
func SchedulerSpec(l layout.Layout, program string) process.Spec {
	dir := pki.Dir(l.PKI())
	kubeconfig := l.Kubeconfig(Scheduler)
	return process.Spec{
		Name: Scheduler, Patience: patience,
		Inputs: []string{kubeconfig},
		Command: []string{
			program, "--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=" + layout.NodeIP, "--secure-port=" + layout.Scheduler.Text(),
			"--tls-cert-file=" + dir.Cert(Scheduler), "--tls-private-key-file=" + dir.Key(Scheduler),
			"--client-ca-file=" + dir.Cert(authority), "--requestheader-client-ca-file=" + dir.Cert(frontAuthority),
			"--leader-elect=false",
		},
	}
}
