package eventually

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAWaitEndsWithTheConditionOrSaysWhatWasLastSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, seen := time.Now(), 0
		Equal(t, "the third", 3, func() int { seen++; return seen })
		assert.Less(t, time.Since(began), longestPause)

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		never := errors.New("asleep")
		err := Wait(ctx, "a wake", func() error { return never })
		require.ErrorIs(t, err, never)
		assert.EqualError(t, err, "waiting for a wake: context deadline exceeded (last seen: asleep)")
		assert.Equal(t, time.Hour, time.Since(began).Round(time.Minute))

		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = Wait(ctx, "a wake", func() error {
			if time.Since(began) > time.Hour+30*time.Second {
				<-ctx.Done()
				return ctx.Err()
			}
			return never
		})
		assert.EqualError(t, err, "waiting for a wake: context deadline exceeded (last seen: asleep)", "not the look that was cut short")
	})
}
