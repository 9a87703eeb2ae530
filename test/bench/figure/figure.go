// Package figure has the arithmetic that the benchmarks' reports share.
package figure

import (
	"math"
	"slices"
	"time"
)

// Ratio is a over b, to two decimals.
func Ratio[T time.Duration | float64](a, b T) float64 {
	return math.Round(100*float64(a)/float64(b)) / 100
}

// Median of an even number is the mean of the middle two; of none it is 0.
func Median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	if len(s) == 0 {
		return 0
	}
	if mid := len(s) / 2; len(s)%2 == 1 {
		return s[mid]
	} else {
		return (s[mid-1] + s[mid]) / 2
	}
}
