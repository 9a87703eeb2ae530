package wsstream

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const patience = 10 * time.Second

// film is media whose frames are made by hand.
type film struct {
	frames chan []byte
	wishes chan struct{}
	did    chan string
}

func (*film) Size() (width, height int) { return 640, 480 }
func (f *film) Do(input string) error   { f.did <- input; return nil }
func (f *film) Release()                { f.did <- "released" }

func (f *film) Video(ctx context.Context, keyFrame <-chan struct{}, sink func([]byte) error) error {
	for {
		select {
		case frame := <-f.frames:
			if err := sink(frame); err != nil {
				return err
			}
		case <-keyFrame:
			f.wishes <- struct{}{}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (*film) Audio(ctx context.Context, sink func([]byte) error) error {
	if err := sink([]byte{0xf8}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

type place struct {
	*Server
	*film
	t   *testing.T
	url string
}

func newPlace(t *testing.T, o Options) *place {
	p := &place{t: t, film: &film{frames: make(chan []byte), wishes: make(chan struct{}), did: make(chan string, 8)}}
	o.Media = func(context.Context) (Media, error) { return p.film, nil }
	o.Log = slog.New(slog.DiscardHandler)
	p.Server = NewServer(o)
	web := httptest.NewServer(p.Server)
	t.Cleanup(web.Close)
	p.url = "ws" + strings.TrimPrefix(web.URL, "http") + "/api/websockets"
	return p
}

func (p *place) dial(query string) *websocket.Conn {
	p.t.Helper()
	conn, resp, err := websocket.DefaultDialer.DialContext(p.t.Context(), p.url+query, nil)
	require.NoError(p.t, err)
	_ = resp.Body.Close() // empty: the socket is conn
	p.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	return conn
}

func (p *place) say(conn *websocket.Conn, text string) {
	p.t.Helper()
	require.NoError(p.t, conn.WriteMessage(websocket.TextMessage, []byte(text)))
}

func (p *place) expect(conn *websocket.Conn, kind int, prefix string) []byte {
	p.t.Helper()
	got, raw, err := conn.ReadMessage()
	if err != nil || got != kind || !strings.HasPrefix(string(raw), prefix) {
		p.t.Fatalf("read %q (kind %d), %v; want %q (kind %d)", raw, got, err, prefix, kind)
	}
	return raw
}

// greeted reads what the server says first.
func (p *place) greeted(conn *websocket.Conn) {
	p.t.Helper()
	for _, prefix := range []string{"MODE websockets", "DISPLAY_CONFIG_UPDATE,{", "cursor,{", `{"type": "server_settings"`} {
		p.expect(conn, websocket.TextMessage, prefix)
	}
}

func (p *place) expectClose(conn *websocket.Conn, code int, reason string) {
	p.t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		var closed *websocket.CloseError
		if err == nil {
			continue
		}
		require.ErrorAs(p.t, err, &closed)
		require.Equal(p.t, code, closed.Code)
		require.Equal(p.t, reason, closed.Text, "reason")
		return
	}
}

func TestPicturesAreNumberedFromTheSettingsOn(t *testing.T) {
	p := newPlace(t, Options{})
	conn := p.dial("")
	p.greeted(conn)
	p.say(conn, `SETTINGS,{"displayId":"primary"}`)
	p.expect(conn, websocket.TextMessage, "PIPELINE_RESETTING primary")
	p.expect(conn, websocket.TextMessage, "VIDEO_STARTED")
	for number, frame := range [][]byte{{0x10, 1, 2}, {0x11, 3, 4}} {
		p.frames <- frame
		got, audio, err := Parse(p.expect(conn, websocket.BinaryMessage, "\x04"))
		if err != nil || audio || int(got.Number) != number+1 || got.Key != (number == 0) || got.Width != 640 || got.Height != 480 || string(got.VP8) != string(frame) {
			t.Fatalf("frame %+v, %t, %v", got, audio, err)
		}
	}
	p.say(conn, "REQUEST_KEYFRAME")
	<-p.wishes
	p.say(conn, "START_AUDIO")
	_, audio, err := Parse(p.expect(conn, websocket.BinaryMessage, "\x01"))
	require.NoError(t, err)
	require.True(t, audio, "sound")
	p.say(conn, "STOP_VIDEO")
	p.expect(conn, websocket.TextMessage, "VIDEO_STOPPED")
	p.say(conn, "START_VIDEO")
	p.expect(conn, websocket.TextMessage, "VIDEO_STARTED")
	p.frames <- []byte{0x10}
	p.expect(conn, websocket.BinaryMessage, "\x04\x01\x00\x01")
}

func TestInputIsTextAndEverythingIsReleasedAtTheEnd(t *testing.T) {
	p := newPlace(t, Options{})
	conn := p.dial("")
	p.greeted(conn)
	for _, text := range []string{"CLIENT_FRAME_ACK 7", "m,1,2,0,0"} {
		p.say(conn, text)
	}
	require.Equal(t, "m,1,2,0,0", <-p.did, "did")
	assert.EqualValues(t, 1, p.Acknowledged(), "pictures acknowledged, want 1")
	_ = conn.Close()
	require.Equal(t, "released", <-p.did, "did")
}

func TestViewersOnlyLook(t *testing.T) {
	p := newPlace(t, Options{})
	viewer := p.dial("?role=viewer&slot=2")
	p.greeted(viewer)
	p.say(viewer, "kd,65")
	p.say(viewer, "START_VIDEO")
	p.expect(viewer, websocket.TextMessage, "VIDEO_STARTED")
	p.frames <- []byte{0x10}
	p.expect(viewer, websocket.BinaryMessage, "\x04")
	select {
	case did := <-p.did:
		t.Errorf("a viewer's %q was done", did)
	default:
	}
}

func TestTheNewestControllerWins(t *testing.T) {
	p := newPlace(t, Options{})
	first := p.dial("")
	p.greeted(first)
	p.say(first, "SETTINGS,{}")
	p.expect(first, websocket.TextMessage, "PIPELINE_RESETTING primary")
	p.expect(first, websocket.TextMessage, "VIDEO_STARTED")
	second := p.dial("")
	p.greeted(second)
	p.say(second, "SETTINGS,{}")
	p.expect(first, websocket.TextMessage, "KILL ")
	p.expectClose(first, websocket.CloseNormalClosure, "Superseded by new client")
}

func TestAnAddressThatComesBackAtOnceIsClosed(t *testing.T) {
	p := newPlace(t, Options{Guard: true})
	p.greeted(p.dial(""))
	p.expectClose(p.dial(""), CloseTooSoon, "Rate limited: reconnecting too quickly")
	linuxserver := newPlace(t, Options{})
	linuxserver.greeted(linuxserver.dial(""))
	linuxserver.greeted(linuxserver.dial(""))
}

func TestAWrongTokenIsClosed(t *testing.T) {
	p := newPlace(t, Options{Token: "secret"})
	p.expectClose(p.dial("?token=guess"), CloseBadToken, "Invalid authentication token")
	p.greeted(p.dial("?token=secret"))
}

func TestWhatIsNoMessageOfTheStreamIsAnError(t *testing.T) {
	for _, message := range []string{"", "\x04", "\x04\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00", "\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		f, _, err := Parse([]byte(message))
		assert.Error(t, err, "Parse(%q) = %+v", message, f)
	}
}
