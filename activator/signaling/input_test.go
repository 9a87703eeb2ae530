package signaling

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyWhatAPersonDoesIsInput(t *testing.T) {
	for message, want := range map[string]bool{
		"m,960,540,0,0": true, "m2,1,-1,0,0": true, "kd,65": true, "ku,65": true, "kh,65,66": true, "co,end,ö": true,
		"cw,aGk=": true, "cws,100": true, "cwd,aGk=": true, "cwe": true, "cb,image/png,aGk=": true, "cbs,image/png,1": true, "cbd,x": true, "cbe": true,
		"js,b,0,1,1": true, "js,a,0,1,0.5": true,
		"js,h,0": false, "js,c,0,pad,4,16": false, "js,d,0": false, "js": false, "js,": false,
		"kr": false, "cr": false, "REQUEST_CLIPBOARD": false, "SETTINGS,{}": false, "CLIENT_FRAME_ACK 17": false, "_f,60": false, "_l,12": false,
		"r,1920x1080,primary": false, "s,96": false, "START_VIDEO": false, "STOP_AUDIO": false, "REQUEST_KEYFRAME": false, "pong": false, "_gz,1": false,
		"p,1": false, "cmd,xterm": false, "": false, ",": false, "mm,1": false, "M,1": false,
	} {
		step, err := streaming{}.FromClient(text(message))
		require.NoError(t, err, "%q", message)
		require.Equal(t, want, step.Input, "%q", message)
		assert.Len(t, step.ToDesktop, 1, "%q: %+v", message, step)
		if step, _ := (streaming{}).FromClient(binary(message)); step.Input {
			t.Errorf("binary %q is taken for input", message)
		}
	}
}

func FuzzStreaming(f *testing.F) {
	f.Add(true, []byte("m,960,540,0,0"))
	f.Add(false, []byte{2, 0})
	f.Fuzz(func(t *testing.T, text bool, data []byte) {
		m := Message{Text: text, Data: data}
		step, err := streaming{}.FromClient(m)
		if err != nil || len(step.ToDesktop) != 1 || string(step.ToDesktop[0].Data) != string(data) || step.ToDesktop[0].Text != text ||
			len(step.ToClient) != 0 || step.Input && !text {
			t.Errorf("%q became %+v, %v", data, step, err)
		}
	})
}
