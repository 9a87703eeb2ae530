package process

import (
	"testing"
	"time"
)

func TestAFrozenProgramStandsStillAndGoesOn(t *testing.T) {
	s := supervisor(t)
	spec := sleeper(t, "1000")
	r := ensure(t, s, spec, true)
	expect := func(frozen bool) {
		t.Helper()
		var state byte
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(pollInterval) {
			var err error
			if _, state, err = startTicks(r.PID); err != nil {
				t.Fatal(err)
			}
			if (state == 'T') == frozen {
				return
			}
		}
		t.Fatalf("its state is %c", state)
	}
	for _, step := range []struct {
		do     func() error
		frozen bool
	}{{r.Freeze, true}, {r.Thaw, false}, {r.Thaw, false}, {r.Freeze, true}} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		expect(step.frozen)
	}
	// A frozen program ends like any other.
	if err := s.Table.End(spec.Name, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := r.Freeze(); err == nil {
		t.Error("a program that has ended was frozen")
	}
}
