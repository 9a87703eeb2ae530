package figure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAPercentileIsOneOfTheValues(t *testing.T) {
	values := []time.Duration{3, 1, 2, 4}
	assert.EqualValues(t, 3, Percentile(values, 0.5))
	assert.EqualValues(t, 4, Percentile(values, 0.99))
	assert.EqualValues(t, 4, Percentile(values, 1))
	assert.EqualValues(t, 0, Percentile(nil, 0.5))
	assert.EqualValues(t, []time.Duration{3, 1, 2, 4}, values, "the values were put in another order")
}
