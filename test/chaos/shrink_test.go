package chaos

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheShortestListOfStepsThatFailsIsFound(t *testing.T) {
	steps := generate(7, 10*time.Second)
	needed := []int{steps[31].N, steps[200].N, steps[399].N}
	tries := 0
	short := shrink(steps, func(some []Step) bool {
		tries++
		has := 0
		for _, s := range some {
			if slices.Contains(needed, s.N) {
				has++
			}
		}
		return has == len(needed)
	}, func() bool { return true })
	assert.Equal(t, "31,200,399", listed(short))
	assert.Less(t, tries, 200)
}

func TestShrinkingEndsWhenItsTimeIsUp(t *testing.T) {
	steps := generate(7, 10*time.Second)
	tries := 0
	short := shrink(steps, func([]Step) bool { tries++; return false }, func() bool { return tries < 5 })
	assert.Len(t, short, len(steps))
	assert.Equal(t, 5, tries)
}

func TestASeedIsARound(t *testing.T) {
	assert.Equal(t, generate(1, time.Second), generate(1, time.Second))
	assert.NotEqual(t, generate(1, time.Second), generate(2, time.Second))
	some, err := chosen(generate(1, time.Second), "3, 17")
	require.NoError(t, err)
	assert.Equal(t, "3,17", listed(some))
	_, err = chosen(generate(1, time.Second), "3,400")
	assert.ErrorContains(t, err, "give numbers from 0 to 39")
}
