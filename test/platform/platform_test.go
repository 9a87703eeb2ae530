package main

import (
	"strings"
	"testing"
)

func TestDesktopsRunOnKnativeUnlessToldOtherwise(t *testing.T) {
	for value, want := range map[string]bool{"": true, "true": true, "false": false} {
		if on, err := knative(value); err != nil || on != want {
			t.Errorf("VDI_KNATIVE=%q: %t (%v), want %t", value, on, err, want)
		}
	}
	if _, err := knative("off"); err == nil || !strings.Contains(err.Error(), `"off"`) {
		t.Errorf("a value there is not: %v", err)
	}
}
