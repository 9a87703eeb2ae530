// Command deviceplugin offers GPUs to kubelet that are only names: pods that ask for
// nvidia.com/gpu are scheduled, counted and refused as on a node with that many cards, and
// find their cards' names in the environment. It speaks kubelet's device plugin API v1beta1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	// endpoint is our socket's name beside kubelet's.
	endpoint = "vdi-gpu.sock"
	// watchInterval is how often kubelet's socket is looked at. A restarted kubelet has a
	// new one, has deleted ours, and knows nothing of us.
	watchInterval   = time.Second
	registerTimeout = 5 * time.Second
)

func main() {
	resource := flag.String("resource", "nvidia.com/gpu", "the resource's name")
	count := flag.Int("count", 2, "how many there are")
	dir := flag.String("dir", api.DevicePluginPath, "folder with kubelet's socket")
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		if err := offer(ctx, log, *dir, *resource, *count); err != nil {
			log.Warn("not offered to kubelet, trying again", "error", err)
		}
		sleep(ctx, watchInterval)
	}
}

// offer serves the plugin's socket and registers it, and returns when kubelet has restarted
// or ctx has ended.
func offer(ctx context.Context, log *slog.Logger, dir, resource string, count int) error {
	kubelet, own := filepath.Join(dir, "kubelet.sock"), filepath.Join(dir, endpoint)
	before, err := os.Stat(kubelet)
	if err != nil {
		return err
	}
	if err := os.Remove(own); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", own)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, &plugin{count: count, done: ctx.Done()})
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	defer server.Stop()

	if err := register(ctx, kubelet, resource); err != nil {
		return err
	}
	log.Info("offered to kubelet", "resource", resource, "count", count)
	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		case <-time.After(watchInterval):
		}
		now, err := os.Stat(kubelet)
		_, ownErr := os.Stat(own)
		if err != nil || ownErr != nil || !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime()) {
			log.Info("kubelet restarted")
			return nil
		}
	}
}

func register(ctx context.Context, kubelet, resource string) error {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	connection, err := grpc.NewClient("unix://"+kubelet, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = api.NewRegistrationClient(connection).Register(ctx, &api.RegisterRequest{
		Version: api.Version, Endpoint: endpoint, ResourceName: resource,
	})
	if err != nil {
		return fmt.Errorf("register %s: %w", resource, err)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
