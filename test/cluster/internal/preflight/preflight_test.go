package preflight

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	if err := os.WriteFile(file, []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	listening, err := listeners(file, file+".absent")
	if err != nil {
		t.Fatal(err)
	}
	if len(listening) != 2 {
		t.Fatalf("found %+v", listening)
	}
	if s := listening[0]; !s.ip.Equal(net.IPv4(127, 0, 0, 1)) || s.port != 8080 || s.inode != "4711" {
		t.Errorf("first is %+v", s)
	}
	if s := listening[1]; !s.ip.IsUnspecified() || s.port != 6443 {
		t.Errorf("second is %+v", s)
	}
}

func TestAPortInUseIsRefusedWithItsUserAndARemedy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	wants := published([]forward.Mapping{{Listen: listener.Addr().String(), NodePort: 30080}})
	err = vacant(wants, func(int) bool { return false })
	if err == nil {
		t.Fatal("a port in use was accepted")
	}
	for _, part := range []string{listener.Addr().String(), "--publish", "pid"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the message lacks %q: %v", part, err)
		}
	}
	if err := vacant(wants, func(pid int) bool { return pid == os.Getpid() }); err != nil {
		t.Errorf("our own port was refused: %v", err)
	}
}

func TestAFolderThatHoldsSomethingElseIsNotTakenForState(t *testing.T) {
	dir := t.TempDir()
	if err := StatePath(layout.Layout(dir)); err != nil {
		t.Errorf("an empty folder was refused: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := StatePath(layout.Layout(dir)); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("error is %v", err)
	}
	if err := os.WriteFile(layout.Layout(dir).Marker(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := StatePath(layout.Layout(dir)); err != nil {
		t.Errorf("our own folder was refused: %v", err)
	}
}

func TestAStatePathTooLongForSocketsIsRefused(t *testing.T) {
	if err := StatePath(layout.Layout("/" + strings.Repeat("x", 100))); err == nil {
		t.Error("accepted")
	}
	if err := StatePath("/"); err == nil {
		t.Error("the root folder was accepted")
	}
}

func TestADiskThatIsTooSmallIsRefused(t *testing.T) {
	if err := Disk(true, "/proc"); err == nil || !strings.Contains(err.Error(), "--cache") {
		t.Errorf("error is %v", err) // /proc has no space at all
	}
}
