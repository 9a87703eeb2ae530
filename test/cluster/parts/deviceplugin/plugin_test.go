package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// kubelet is the registration half of a kubelet.
type kubelet struct {
	api.UnimplementedRegistrationServer
	registered chan *api.RegisterRequest
}

func (k *kubelet) Register(_ context.Context, r *api.RegisterRequest) (*api.Empty, error) {
	k.registered <- r
	return &api.Empty{}, nil
}

func startKubelet(t *testing.T, dir string) (stop func(), registered chan *api.RegisterRequest) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(dir, "kubelet.sock"))
	require.NoError(t, err)
	k := &kubelet{registered: make(chan *api.RegisterRequest, 1)}
	server := grpc.NewServer()
	api.RegisterRegistrationServer(server, k)
	go func() { _ = server.Serve(listener) }()
	return server.GracefulStop, k.registered
}

func TestARestartedKubeletIsOfferedTheDevicesAgain(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for round := range 2 {
		stop, registered := startKubelet(t, dir)
		ended := make(chan error, 1)
		go func() { ended <- offer(ctx, slog.New(slog.DiscardHandler), dir, "nvidia.com/gpu", 2) }()
		select {
		case r := <-registered:
			require.Equal(t, "nvidia.com/gpu", r.ResourceName)
			require.Equal(t, endpoint, r.Endpoint)
			assert.Equal(t, api.Version, r.Version, "registered %+v", r)
		case err := <-ended:
			t.Fatalf("round %d: ended before registering: %v", round, err)
		}
		stop() // removes the socket, as a kubelet that ends does
		assert.NoError(t, <-ended, "round %d", round)
	}
	assert.NoError(t, ctx.Err(), "the plugin did not notice that kubelet ended")
}

func TestAContainerLearnsItsDevices(t *testing.T) {
	answer, err := (&plugin{count: 2}).Allocate(t.Context(), &api.AllocateRequest{
		ContainerRequests: []*api.ContainerAllocateRequest{{DevicesIds: []string{"gpu-0", "gpu-1"}}},
	})
	require.NoError(t, err, "%v", answer)
	require.Len(t, answer.ContainerResponses, 1, "%v", answer)
	assert.Equal(t, "gpu-0,gpu-1", answer.ContainerResponses[0].Envs[visibleDevices], "%v", answer)
}
