package harness

import (
	"context"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// userTokenTTL outlasts any story.
const userTokenTTL = time.Hour

// NamespaceAdmin makes a user who has the rights of Kubernetes' role "admin" in one
// namespace and none elsewhere, and writes a kubeconfig for them into a folder.
func (in *Installation) NamespaceAdmin(ctx context.Context, namespace, folder string) (kubeconfig string, err error) {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "team-admin"}
	account := &corev1.ServiceAccount{ObjectMeta: meta}
	binding := &rbacv1.RoleBinding{ObjectMeta: meta,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: meta.Name}}}
	for _, o := range []client.Object{account, binding} {
		if err := in.Client.Create(ctx, o); err != nil {
			return "", err
		}
	}
	seconds := int64(userTokenTTL.Seconds())
	token, err := in.Kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, meta.Name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	const name = "team"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: in.Config.Host, CertificateAuthority: in.Config.CAFile, CertificateAuthorityData: in.Config.CAData}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: namespace}
	config.CurrentContext = name
	kubeconfig = filepath.Join(folder, "team.kubeconfig")
	return kubeconfig, clientcmd.WriteToFile(*config, kubeconfig)
}
