package main

import "testing"

func TestAnImageIsFoundByItsNameWhereverItComesFrom(t *testing.T) {
	references := []string{"localhost:5000/org/vdi-operator:abc", "localhost:5000/vdi-desktop:abc-1f"}
	got := byName(references, "vdi-desktop")
	if got != references[1] {
		t.Fatalf("vdi-desktop is %q, want %q", got, references[1])
	}
	repository, tag := split(got)
	if repository != "localhost:5000/vdi-desktop" || tag != "abc-1f" {
		t.Errorf("parted into %q and %q", repository, tag)
	}
	if got := byName(references, "operator"); got != "" {
		t.Errorf("half a name finds %q", got)
	}
}
