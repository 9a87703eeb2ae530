package input

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want Message
		bad  bool
	}{
		{text: "kd,65", want: Message{Kind: KeyDown, Keysym: 65}},
		{text: "ku,65293", want: Message{Kind: KeyUp, Keysym: 65293}},
		{text: "kd,16777216", want: Message{Kind: KeyDown, Keysym: 16777216}},
		{text: "kr", want: Message{Kind: KeyReset}},
		{text: "m,10,20,1,0", want: Message{Kind: Pointer, X: 10, Y: 20, Buttons: 1, Scroll: 1}},
		{text: "m,10,20,0", want: Message{Kind: Pointer, X: 10, Y: 20, Scroll: 1}},
		{text: "m,10,20,8,5", want: Message{Kind: Pointer, X: 10, Y: 20, Buttons: 8, Scroll: 5}},
		{text: "m,1,2,16,99999", bad: true},
		{text: "m,1,2,16,9999", want: Message{Kind: Pointer, X: 1, Y: 2, Buttons: 16, Scroll: maxScroll}},
		{text: "m2,-5,7,0,0", want: Message{Kind: Pointer, X: -5, Y: 7, Scroll: 1, Relative: true}},
		{text: "m,1,2", bad: true},
		{text: "m,a,2,0,0", bad: true},
		{text: "m,99999,2,0,0", bad: true},
		{text: "kd,", bad: true},
		{text: "kd,0", bad: true},
		{text: "kd,-1", bad: true},
		{text: "kd,4294967295", bad: true},
		{text: "r,1920x1080", want: Message{}},
		{text: "cw,Y2xpcA==", want: Message{}},
		{text: "_f,30", want: Message{}},
		{text: "", want: Message{}},
	} {
		got, err := Parse(c.text)
		require.Equal(t, c.bad, err != nil)
		assert.Equal(t, c.want, got, "Parse(%q), %v", c.text, err)
	}
}

func TestErrorsDoNotRepeatHostileInputAtLength(t *testing.T) {
	_, err := Parse("kd," + strings.Repeat("9", 60000))
	require.Error(t, err)
	require.LessOrEqual(t, len(err.Error()), 300, "error of %d bytes", len(err.Error()))
}

func FuzzParse(f *testing.F) {
	f.Add("kd,65")
	f.Add("m,1,2,3,4")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if err == nil && m.Kind == Pointer && (m.X > maxCoordinate || m.X < -maxCoordinate || m.Scroll < 1 || m.Scroll > maxScroll) {
			t.Fatalf("Parse(%q) = %+v: out of bounds", text, m)
		}
	})
}
