package activator

import (
	"net/http"
	"path"
	"strings"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Where desktops' web servers take files and give them: linuxserver.io's nginx, whose location is
// all that begins so (docker-baseimage-selkies 69f4fc9, default.conf), and Selkies 2, in either
// mode (3a0bc7a, stream_server.py:1962-1967).
const (
	filesFolder  = "/files"
	uploadFolder = "/api/upload"
)

// isFiles says that at a path files are listed and given; in whatever folder the image serves its
// page.
func isFiles(at string) bool {
	return eitherWay(at, func(at string) bool { return strings.Contains(at, filesFolder) })
}

// isUpload says that files are taken there.
func isUpload(at string) bool {
	return eitherWay(at, func(at string) bool { return strings.Contains(at+"/", uploadFolder+"/") })
}

// Where linuxserver.io's nginx passes requests on to a port at which any program of the desktop may
// listen: a development server, and pelorus, by which programs read and control the desktop
// (docker-baseimage-selkies 69f4fc9, default.conf). It does so whether or not either was asked for.
const (
	devFolder     = "/devmode"
	pelorusFolder = "/pelorus/"
)

// isPassage says that a path leads to such a port, pelorus in whatever folder the image serves its page.
func isPassage(at string) bool {
	return eitherWay(at, func(at string) bool {
		return strings.HasPrefix(at, devFolder) || strings.Contains(at+"/", pelorusFolder)
	})
}

// eitherWay asks about a path as a web server reads it: nginx goes by what "..", "." and "//" mean, a
// program by what stands there, and leaves ".." to the file system with its links.
func eitherWay(at string, is func(string) bool) bool { return is(path.Clean(at)) || is(at) }

// refuseByPolicy says why the access policy of the desktop's template lets a request not pass;
// nil where it does. What a WebSocket carries is looked at as it comes.
func refuseByPolicy(r *http.Request, v visitor) *closing.Refusal {
	policy := v.Session.Status.Access
	if !policy.Restricts() || signaling.Streaming(v.Session).Protocol == v1alpha1.ProtocolWebSocket {
		return nil // of such a desktop nothing is known
	}
	switch at := r.URL.Path; v.wants {
	case wantsSocket:
		if isPassage(at) || !signaling.SiftsAt(v.Session, r.URL.Path) {
			return closing.AccessProtocol
		}
	case wantsOurs, wantsPage, wantsRefresh: // nothing of the desktop's
	default: // a question that the activator may answer is passed on where it does not
		if isPassage(at) {
			return closing.AccessPassage
		}
		if !policy.Downloads() && isFiles(at) || !policy.Uploads() && isUpload(at) {
			return closing.AccessFiles
		}
	}
	return nil
}
