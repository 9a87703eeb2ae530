package check

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/pods"
)

// metricsPort is the name of the container port that serves /metrics.
const metricsPort = "metrics"

// unknownHost is a host below the domain that no session can have: a session's name
// begins with a letter.
func (c *Checker) unknownHost() string { return "0--check." + c.Config.URL.Domain }

// visitors checks that the activator's Service leads to it: a host that no session has
// gets our 404.
func (c *Checker) visitors(ctx context.Context) finding {
	address := net.JoinHostPort(c.Activator.Name+"."+c.Activator.Namespace+".svc", "80")
	return c.answers(ctx, "visitors' Service", "http://"+address+"/", c.unknownHost(), http.StatusNotFound)
}

// desktops checks the port where desktops ask for TURN credentials: who shows no token
// is refused.
func (c *Checker) desktops(ctx context.Context) finding {
	a := c.Config.Activator
	address := net.JoinHostPort(a.Service+"."+a.Namespace+".svc", strconv.Itoa(a.InternalPort))
	return c.answers(ctx, "desktops' Service", "http://"+address+"/turn", "", http.StatusForbidden)
}

// metrics checks each ready replica's.
func (c *Checker) metrics(ctx context.Context) []finding {
	const what = "activator's metrics"
	remedy := fmt.Sprintf("kubectl -n %s describe deployment %s", c.Activator.Namespace, c.Activator.Name)
	d := &appsv1.Deployment{}
	if err := c.Client.Get(ctx, c.Activator, d); err != nil {
		return []finding{bad(what, err, remedy)}
	}
	all, err := pods.OfDeployment(ctx, c.Client, d)
	if err != nil {
		return []finding{bad(what, err, remedy)}
	}
	var found []finding
	for i := range all {
		p := &all[i]
		port, has := portOf(p, metricsPort)
		if !has || p.Status.PodIP == "" || !p.DeletionTimestamp.IsZero() || !pods.Ready(p) {
			continue
		}
		url := "http://" + net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(port))) + "/metrics"
		found = append(found, c.answers(ctx, what, url, "", http.StatusOK))
	}
	if len(found) == 0 {
		return []finding{bad(what, "no ready pod has a port "+strconv.Quote(metricsPort), remedy)}
	}
	return found
}

func portOf(p *corev1.Pod, name string) (int32, bool) {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return port.ContainerPort, true
			}
		}
	}
	return 0, false
}

// answers asks url, for host if it is not empty, and wants this status.
func (c *Checker) answers(ctx context.Context, what, url, host string, want int) finding {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return bad(what, err, "see the configuration's activator")
	}
	r.Host = host
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return bad(what, err, "see whether the Service has endpoints, and whether a NetworkPolicy keeps this pod out")
	}
	_ = resp.Body.Close()
	seen := fmt.Sprintf("%s answers %d", url, resp.StatusCode)
	if host != "" {
		seen += " for the unknown host " + host
	}
	if resp.StatusCode != want {
		return bad(what, fmt.Sprintf("%s, want %d", seen, want), "see whether this Service leads to another program than the activator")
	}
	return good(what, "%s", seen)
}
