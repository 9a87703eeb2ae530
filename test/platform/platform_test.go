package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDesktopsRunOnKnativeUnlessToldOtherwise(t *testing.T) {
	for value, want := range map[string]bool{"": true, "true": true, "false": false} {
		on, err := knative(value)
		require.NoError(t, err)
		assert.Equal(t, want, on, "VDI_KNATIVE=%q", value)
	}
	_, err := knative("off")
	assert.ErrorContains(t, err, `"off"`, "a value there is not")
}
