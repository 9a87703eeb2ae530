package preflight

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/cluster/internal/forward"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
)

func TestListeningSocketsAreReadFromTheKernelsTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tcp")
	table := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 00000000000000000000000000000000:192B 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4713 1 0 100 0 0 10 0
`
	require.NoError(t, os.WriteFile(file, []byte(table), 0o644))
	listening, err := listeners(file, file+".absent")
	require.NoError(t, err)
	require.Len(t, listening, 2, "found")
	if s := listening[0]; !s.ip.Equal(net.IPv4(127, 0, 0, 1)) || s.port != 8080 || s.inode != "4711" {
		t.Errorf("first is %+v", s)
	}
	s := listening[1]
	require.True(t, s.ip.IsUnspecified())
	assert.Equal(t, 6443, s.port, "second is %+v", s)
}

func TestAPortInUseIsRefusedWithItsUserAndARemedy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	wants := published([]forward.Mapping{{Listen: listener.Addr().String(), NodePort: 30080}})
	err = vacant(wants, func(int) bool { return false })
	require.Error(t, err, "a port in use was accepted")
	for _, part := range []string{listener.Addr().String(), "--publish", "pid"} {
		assert.Contains(t, err.Error(), part, "the message lacks: %v", err)
	}
	assert.NoError(t, vacant(wants, func(pid int) bool { return pid == os.Getpid() }), "our own port was refused")
}

func TestAFolderThatHoldsSomethingElseIsNotTakenForState(t *testing.T) {
	dir := t.TempDir()
	assert.NoError(t, StatePath(layout.Layout(dir)), "an empty folder was refused")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o644))
	err := StatePath(layout.Layout(dir))
	assert.ErrorContains(t, err, "thesis.tex")
	require.NoError(t, os.WriteFile(layout.Layout(dir).Marker(), nil, 0o644))
	assert.NoError(t, StatePath(layout.Layout(dir)), "our own folder was refused")
}

func TestAStatePathTooLongForSocketsIsRefused(t *testing.T) {
	assert.Error(t, StatePath(layout.Layout("/"+strings.Repeat("x", 100))), "accepted")
	assert.Error(t, StatePath("/"), "the root folder was accepted")
}

func TestADiskThatIsTooSmallIsRefused(t *testing.T) {
	if err := Disk(true, "/proc"); err == nil || !strings.Contains(err.Error(), "--cache") {
		t.Errorf("error is %v", err) // /proc has no space at all
	}
}
