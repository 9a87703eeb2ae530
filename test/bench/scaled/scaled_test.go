package scaled

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestADeploymentIsScaledOnce(t *testing.T) {
	d := &Deployments{at: map[string]time.Time{}, changed: make(chan struct{}), ended: make(chan struct{})}
	first, second := time.Unix(1, 0), time.Unix(2, 0)
	d.note("a", first)
	d.note("a", second)
	d.note("b", first)
	last, err := d.Await(t.Context(), []string{"a", "b"})
	require.NoError(t, err)
	assert.Equal(t, first, last)
	assert.True(t, d.Asked("a"))
	assert.False(t, d.Asked("c"))
	close(d.ended)
	_, err = d.Await(t.Context(), []string{"c"})
	assert.ErrorContains(t, err, "has ended")
}
