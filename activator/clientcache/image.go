package clientcache

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/org/vdi-operator/activator/directory"
)

// shortened is how many bytes of a hash distinguish one image from another for a page.
const shortened = 6

// Observe learns which image the session's pod runs, drops what another image
// served, and returns a short name for the image: empty while nothing is known of it.
// A page that loaded its client under one name loads it again under another.
func (c *Cache) Observe(v directory.View) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.session(v)
	switch {
	case s == nil && v.Pod == nil:
		return ""
	case s == nil:
		return short(identity(v.Pod))
	case v.Pod == nil:
		// Most likely the next pod runs what the last one ran.
		return short(s.image)
	}
	image := identity(v.Pod)
	if image == "" && v.Pod.Image == s.asked {
		return short(s.image)
	}
	defer c.report()
	s.asked, s.image = v.Pod.Image, image
	for _, e := range s.entries {
		switch {
		case e.pod == v.Pod.UID && e.image == "":
			e.image = image
		case e.image != image:
			c.drop(e)
		}
	}
	if image == "" {
		return short(v.Pod.Image)
	}
	return short(image)
}

// identity is the digest of the image that a pod runs: from its reference where that
// names one, else as kubelet found it, which is known once the container runs.
func identity(p *directory.Pod) string {
	if _, digest, ok := strings.Cut(p.Image, "@"); ok {
		return digest
	}
	return p.ImageID
}

func short(image string) string {
	if image == "" {
		return ""
	}
	h := sha256.Sum256([]byte(image))
	return hex.EncodeToString(h[:shortened])
}
