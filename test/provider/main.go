// Command provider is an OpenID Connect provider for the demo and for tests: the certified
// library github.com/zitadel/oidc with the storage of its own example, and two people.
//
// It keeps everything in memory: once it restarts, it has other keys and nobody's sign-in.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// people are who can sign in; their password is their name. Grace administers sessions.
var people = map[string]*storage.User{
	"1": {ID: "1", Username: "ada", Password: "ada", FirstName: "Ada", LastName: "Lovelace", Email: "ada@example.com", EmailVerified: true},
	"2": {ID: "2", Username: "grace", Password: "grace", FirstName: "Grace", LastName: "Hopper", Email: "grace@example.com", EmailVerified: true,
		IsAdmin: true},
}

// adminGroup is the group of those who administer sessions.
const adminGroup = "vdi-admins"

func main() {
	listen := flag.String("listen", ":8080", "address to listen at")
	issuer := flag.String("issuer", "", "the issuer's URL, as browsers and the portal reach it")
	client := flag.String("client", "vdi", "the portal's client ID")
	secret := flag.String("client-secret", "", "the portal's client secret")
	portal := flag.String("portal", "", "the portal's URL, without a slash at its end")
	flag.Parse()
	if *issuer == "" || *portal == "" {
		fmt.Fprintln(os.Stderr, "provider: give --issuer and --portal")
		os.Exit(2)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	storage.RegisterClients(storage.WebClient(*client, *secret, *portal+"/callback"))
	d := newDirectory(people)
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: 10 * time.Second, Handler: d.handler(*issuer, log)}
	log.Info("serving", "listen", *listen, "issuer", *issuer, "portal", *portal)
	if err := server.ListenAndServe(); err != nil {
		log.Error("the provider ended", "error", err)
		os.Exit(1)
	}
}

// directory is who can sign in, and lets a test delete somebody.
type directory struct {
	*storage.Storage

	mu     sync.Mutex
	people map[string]*storage.User
}

func newDirectory(people map[string]*storage.User) *directory {
	d := &directory{people: people}
	d.Storage = storage.NewStorage(d)
	return d
}

func (d *directory) handler(issuer string, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", exampleop.SetupServer(issuer, d, log, false))
	// For tests: somebody joins the company, and leaves it.
	mux.HandleFunc("PUT /people/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		d.mu.Lock()
		defer d.mu.Unlock()
		d.people[name] = &storage.User{ID: name, Username: name, Password: name, FirstName: name, Email: name + "@example.com", EmailVerified: true}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /people/{name}", func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for id, one := range d.people {
			if one.Username == r.PathValue("name") {
				delete(d.people, id)
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		http.NotFound(w, r)
	})
	return mux
}

// GetUserByID implements storage.UserStore.
func (d *directory) GetUserByID(id string) *storage.User {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.people[id]
}

// GetUserByUsername implements storage.UserStore.
func (d *directory) GetUserByUsername(name string) *storage.User {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.people {
		if one.Username == name {
			return one
		}
	}
	return nil
}

// ExampleClientID implements storage.UserStore.
func (d *directory) ExampleClientID() string { return storage.ServiceUserID }

// TokenRequestByRefreshToken refuses who has left.
func (d *directory) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	r, err := d.Storage.TokenRequestByRefreshToken(ctx, token)
	if err == nil && d.GetUserByID(r.GetSubject()) == nil {
		err = errors.New("the user is gone")
	}
	return r, err
}

// SetUserinfoFromToken adds the groups.
func (d *directory) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	err := d.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
	d.addGroups(info, subject)
	return err
}

// SetUserinfoFromRequest adds the groups.
func (d *directory) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	err := d.Storage.SetUserinfoFromRequest(ctx, info, request, scopes)
	d.addGroups(info, request.GetSubject())
	return err
}

func (d *directory) addGroups(info *oidc.UserInfo, id string) {
	groups := []string{"people"}
	if one := d.GetUserByID(id); one != nil && one.IsAdmin {
		groups = append(groups, adminGroup)
	}
	info.AppendClaims("groups", groups)
}
