package config

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation"
)

// namespaceHashLength is the number of hexadecimal characters that stand for a
// namespace whose name does not fit a host label.
const namespaceHashLength = 12

// SessionHost is the session's host name without port. Its first label is
// <session>--<namespace>: a session's name holds no "--", so the first one
// separates them and no two sessions share an origin. Where that does not fit the
// 63 characters of a label, a hash stands for the namespace.
func (u URL) SessionHost(namespace, name string) string {
	label := name + "--" + namespace
	if len(label) > validation.DNS1123LabelMaxLength {
		sum := sha256.Sum256([]byte(namespace))
		label = name + "--" + hex.EncodeToString(sum[:])[:namespaceHashLength]
	}
	return label + "." + u.Domain
}

// SessionURL is where a person opens the session.
func (u URL) SessionURL(namespace, name string) string {
	host := u.SessionHost(namespace, name)
	if u.Port != 0 {
		host += ":" + strconv.Itoa(u.Port)
	}
	return u.Scheme + "://" + host + "/"
}
