//go:build integration

package release

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// patience is how long a registry may take to start.
const patience = 30 * time.Second

// users are who may use a registry, by their passwords; none is everybody.
type users map[string]string

// startRegistry runs the registry distribution without TLS, and returns its host and port.
func startRegistry(t *testing.T, allowed users) string {
	t.Helper()
	program := os.Getenv("REGISTRY_PROGRAM")
	require.NotEmpty(t, program, "REGISTRY_PROGRAM must name the program: run this by make")
	dir, address := t.TempDir(), freeAddress(t)
	config := fmt.Sprintf("version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %q}\n", filepath.Join(dir, "data"), address)
	if allowed != nil {
		config += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}\n", passwords(t, dir, allowed))
	}
	file := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o644))

	ctx, stop := context.WithCancel(context.Background())
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "serve", file)
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		stop()
		<-ended
		if t.Failed() {
			t.Log(said.String())
		}
	})
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + address + "/v2/")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil
	}, patience, 50*time.Millisecond, "the registry does not answer")
	return address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func passwords(t *testing.T, dir string, allowed users) string {
	t.Helper()
	var text bytes.Buffer
	for name, password := range allowed {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		require.NoError(t, err)
		fmt.Fprintf(&text, "%s:%s\n", name, hash)
	}
	file := filepath.Join(dir, "htpasswd")
	require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	return file
}

// logIn writes docker's configuration file with a password for a registry, and returns its folder.
func logIn(t *testing.T, registry, name, password string) string {
	t.Helper()
	dir := t.TempDir()
	secret := base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
	text := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, registry, secret)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600))
	return dir
}
