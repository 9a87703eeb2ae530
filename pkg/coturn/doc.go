// Package coturn runs Debian's turnserver as a container's first process and adds what
// it lacks: an orderly end, a secret that is rotated and a certificate that is renewed
// without cutting anybody's media, metrics, and the finding of the public address.
//
// It knows turnserver 4.6.1 by its configuration, its user database, its signals and its
// log. It knows nothing of sessions, and writes to no API.
package coturn
