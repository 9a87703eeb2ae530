package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

func TestWhatIsFrozenIsKilledToo(t *testing.T) {
	g, err := Open("vdi-cgroup-test-" + strconv.Itoa(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Create(); err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), "sleep", "300")
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	frozen := false
	for _, hierarchy := range g.hierarchies {
		dir := filepath.Join(hierarchy, g.name, pods)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, stops := range map[string]string{"freezer.state": "FROZEN", "cgroup.freeze": "1"} {
			if _, err := os.Stat(filepath.Join(dir, file)); err != nil || frozen {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(program.Process.Pid)), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(stops), 0o644); err != nil {
				t.Fatal(err)
			}
			frozen = true
		}
	}
	if !frozen {
		t.Fatal("no hierarchy can freeze")
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	if err := g.KillPods(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the program ended well")
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
}
