package monitoring

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// The files by which Prometheus knows what there is in the cluster.
const (
	podsFile      = "pods.json"
	endpointsFile = "endpoints.json"
)

// target is one thing that could be scraped, with the labels by which relabeling chooses.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// discover writes into dir what Prometheus' own discovery would find now in the roles pod
// and endpoints, with those of its labels that monitors use. Nothing is chosen here.
func discover(ctx context.Context, cluster kubernetes.Interface, dir string) error {
	everything := metav1.ListOptions{}
	pods, err := cluster.CoreV1().Pods("").List(ctx, everything)
	if err != nil {
		return err
	}
	services, err := cluster.CoreV1().Services("").List(ctx, everything)
	if err != nil {
		return err
	}
	slices, err := cluster.DiscoveryV1().EndpointSlices("").List(ctx, everything)
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(dir, podsFile), podTargets(pods.Items)),
		write(filepath.Join(dir, endpointsFile), endpointTargets(services.Items, slices.Items, pods.Items)))
}

// write replaces a file of targets at once: Prometheus may be reading it.
func write(file string, targets []target) error {
	content, err := json.Marshal(targets)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// podTargets are all ports of all containers that have an address.
func podTargets(pods []corev1.Pod) []target {
	all := []target{}
	for i := range pods {
		p := &pods[i]
		if p.Status.PodIP == "" {
			continue
		}
		for _, c := range p.Spec.Containers {
			for _, port := range c.Ports {
				labels := podLabels(p, c.Name)
				labels["__meta_kubernetes_pod_container_port_name"] = port.Name
				for name, value := range p.Labels {
					labels["__meta_kubernetes_pod_label_"+labelName(name)] = value
				}
				all = append(all, target{[]string{address(p.Status.PodIP, port.ContainerPort)}, labels})
			}
		}
	}
	return all
}

// endpointTargets are all ports of all pods behind Services.
func endpointTargets(services []corev1.Service, slices []discoveryv1.EndpointSlice, pods []corev1.Pod) []target {
	all := []target{}
	service, pod := map[string]*corev1.Service{}, map[string]*corev1.Pod{}
	for i := range services {
		service[services[i].Namespace+"/"+services[i].Name] = &services[i]
	}
	for i := range pods {
		pod[pods[i].Namespace+"/"+pods[i].Name] = &pods[i]
	}
	for _, slice := range slices {
		s := service[slice.Namespace+"/"+slice.Labels[discoveryv1.LabelServiceName]]
		if s == nil {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.TargetRef == nil || pod[slice.Namespace+"/"+e.TargetRef.Name] == nil {
				continue
			}
			p := pod[slice.Namespace+"/"+e.TargetRef.Name]
			for _, port := range slice.Ports {
				if port.Name == nil || port.Port == nil {
					continue
				}
				labels := podLabels(p, containerOf(p, *port.Port))
				labels["__meta_kubernetes_endpoint_port_name"] = *port.Name
				for name, value := range s.Labels {
					labels["__meta_kubernetes_service_label_"+labelName(name)] = value
				}
				all = append(all, target{[]string{address(e.Addresses[0], *port.Port)}, labels})
			}
		}
	}
	return all
}

func podLabels(p *corev1.Pod, container string) map[string]string {
	return map[string]string{
		"__meta_kubernetes_namespace":          p.Namespace,
		"__meta_kubernetes_pod_name":           p.Name,
		"__meta_kubernetes_pod_phase":          string(p.Status.Phase),
		"__meta_kubernetes_pod_container_name": container,
	}
}

func containerOf(p *corev1.Pod, port int32) string {
	for _, c := range p.Spec.Containers {
		for _, has := range c.Ports {
			if has.ContainerPort == port {
				return c.Name
			}
		}
	}
	return ""
}

var notInALabel = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// labelName is a Kubernetes label as Prometheus names it.
func labelName(name string) string { return notInALabel.ReplaceAllString(name, "_") }

func address(ip string, port int32) string { return net.JoinHostPort(ip, strconv.Itoa(int(port))) }
