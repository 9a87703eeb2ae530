package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"

	"github.com/org/vdi-operator/test/harness"
)

const (
	nameKnative   = "knative"
	desktopPort   = 8080
	activatorPort = "80"
)

// stock are requests through stock Knative's activator.
type stock struct {
	in       *harness.Installation
	requests []*http.Request
}

func (s *stock) name() string { return nameKnative }

func (s *stock) setUp(ctx context.Context, n int) error {
	services := make([]*servingv1.Service, n)
	for i := range services {
		services[i] = harness.StockService(namespace, fmt.Sprintf("stock-%d", i), corev1.PodSpec{
			NodeSelector: map[string]string{gateLabel: "open"},
			Containers:   []corev1.Container{{Name: "backend", Image: s.in.BenchImage, Ports: []corev1.ContainerPort{{ContainerPort: desktopPort}}}},
		})
		if err := s.in.Client.Create(ctx, services[i]); err != nil {
			return err
		}
	}
	for _, service := range services {
		ip, host, err := s.in.StockAtZero(ctx, service)
		if err != nil {
			return err
		}
		req, err := http.NewRequest(http.MethodGet, "http://"+net.JoinHostPort(ip, activatorPort)+"/", nil)
		if err != nil {
			return err
		}
		req.Host = host
		s.requests = append(s.requests, req)
	}
	return nil
}

func (s *stock) visit(ctx context.Context, i int) error {
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(s.requests[i].WithContext(ctx))
	if err == nil {
		err = fmt.Errorf("answered %s", resp.Status)
		_ = resp.Body.Close()
	}
	return err
}
