package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/org/vdi-operator/pkg/eventually"
)

// registryWithin is how long the registry may take to start.
const registryWithin = 30 * time.Second

// startRegistry runs a registry without TLS on the loopback address until ctx ends, and returns its
// host and port, and what is closed with its end. Container runtimes speak plain HTTP there without
// being told.
func startRegistry(ctx context.Context, folder string) (address string, ended <-chan struct{}, err error) {
	program := os.Getenv("REGISTRY_PROGRAM")
	if program == "" {
		return "", nil, errors.New("REGISTRY_PROGRAM must name the program: run this by make")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", nil, err
	}
	if address, err = freeAddress(); err != nil {
		return "", nil, err
	}
	config := filepath.Join(folder, "config.yaml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %q}\n",
		filepath.Join(folder, "data"), address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, program, "serve", config)
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start the registry: %w", err)
	}
	end := make(chan struct{})
	go func() {
		defer close(end)
		_ = cmd.Wait()
	}()
	wait, cancel := context.WithTimeout(ctx, registryWithin)
	defer cancel()
	return address, end, eventually.Wait(wait, "the registry to answer", func() error {
		answer, err := http.Get("http://" + address + "/v2/")
		if err != nil {
			return err
		}
		return answer.Body.Close()
	})
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
