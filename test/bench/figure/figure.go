// Package figure has what the benchmarks' reports share: the arithmetic, the tables and
// the line of JSON that comes last.
package figure

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Table aligns columns that end with tabs; call Flush after the last row.
func Table(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
}

// Line prints a report's last line. The summary has numbers and strings only.
func Line(w io.Writer, summary any) {
	line, err := json.Marshal(summary)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(w, "\n%s\n", line)
}

// Last is a report's last line.
func Last(report string) string {
	report = strings.TrimSpace(report)
	return report[strings.LastIndexByte(report, '\n')+1:]
}

// Read reads a report's last line.
func Read(report string, into any) error { return json.Unmarshal([]byte(Last(report)), into) }

// Milliseconds keeps the fraction.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Tenths rounds to one decimal.
func Tenths(x float64) float64 { return math.Round(10*x) / 10 }

// Ratio is a over b, to two decimals; 0 where b is nothing, as a processor's time can be in
// a run of seconds.
func Ratio[T time.Duration | float64](a, b T) float64 {
	if b == 0 {
		return 0
	}
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

// Percentile is the value that the share p of all, 0 to 1, does not exceed; of none it is 0.
func Percentile(d []time.Duration, p float64) time.Duration {
	s := slices.Sorted(slices.Values(d))
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)-1, int(p*float64(len(s))))]
}
