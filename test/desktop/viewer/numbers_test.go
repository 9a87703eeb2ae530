package viewer

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"net/http"

	"github.com/org/vdi-operator/test/desktop/internal/numbered"
)

func TestNumbersAndEchoesArriveInOrder(t *testing.T) {
	server := httptest.NewServer(numbered.NewServer())
	defer server.Close()
	say := [][]byte{[]byte("one"), {}, []byte("three")}
	require.NoError(t, Numbers(t.Context(), Options{URL: server.URL}, say, 5))
}

func TestALostNumberIsSeen(t *testing.T) {
	upgrader := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for _, number := range []byte{1, 3} {
			message := make([]byte, 209)
			message[0], message[8] = 'n', number
			_ = conn.WriteMessage(websocket.BinaryMessage, message)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, _, _ = conn.ReadMessage()
	}))
	defer server.Close()
	err := Numbers(t.Context(), Options{URL: server.URL}, nil, 5)
	require.ErrorContains(t, err, "number 3 came after 1")
}
