package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"github.com/org/vdi-operator/pkg/eventually"
)

func TestKubeletHearsThatTheProgramLivesWhileItWaitsForTheAPIServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	_ = l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		probes := answerProbes(addr, logr.Discard())
		err := probes.api(ctx, &rest.Config{Host: "http://127.0.0.1:1"})
		probes.end()
		ended <- err
	}()

	expect := func(path string, code int, says string) {
		t.Helper()
		eventually.NoError(t, path, func() error {
			resp, err := http.Get("http://" + addr + path)
			if err != nil {
				return err
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != code || !strings.Contains(string(body), says) {
				return fmt.Errorf("%s: %s", resp.Status, body)
			}
			return nil
		})
	}
	expect("/healthz", http.StatusOK, "ok")
	expect("/readyz", http.StatusServiceUnavailable, "waiting for the API server")
	cancel()
	assert.Error(t, <-ended, "ended as if the API server had come")
	// The address is free for the manager.
	again, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	_ = again.Close()
}
