package process

import (
	"bufio"
	"fmt"
	"os"
	"testing"
)

func TestAProcessKnowsItsCostAndItsChildren(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	// It works a little, has a child, says so and waits.
	p, err := Start(t.Context(), nil, "sh", "-c", fmt.Sprintf("i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; sleep 600 & trap \"kill $!\" TERM; echo $! >/proc/%d/fd/%d; wait", os.Getpid(), w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer p.End()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if rss, err := p.Resident(); err != nil || rss <= 0 {
		t.Errorf("resident %d, %v", rss, err)
	}
	if cpu, err := p.CPU(); err != nil || cpu <= 0 {
		t.Errorf("processor time %s, %v", cpu, err)
	}
	if children, err := p.Children(); err != nil || len(children) != 1 {
		t.Errorf("children %v, %v; want one", children, err)
	}
}

func TestAProcessThatEndedHasNoCost(t *testing.T) {
	p, err := Start(t.Context(), nil, "sh", "-c", "exec sleep 600")
	if err != nil {
		t.Fatal(err)
	}
	p.End()
	if _, err := p.CPU(); err == nil {
		t.Error("it still has processor time")
	}
	if _, err := p.Resident(); err == nil {
		t.Error("it still has memory")
	}
}
