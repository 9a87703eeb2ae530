package image

import "strings"

// Rehost puts a registry, such as registry.example.com/mirror, in place of the host that an
// image's name begins with, or in front of a name without one: what the chart makes of
// global.imageRegistry. As for container runtimes, the text before the first slash is a host if
// it has a dot or a colon or is "localhost". Without a registry the name stays.
func Rehost(name, registry string) string {
	registry = strings.TrimSuffix(registry, "/")
	if registry == "" {
		return name
	}
	first, rest, below := strings.Cut(name, "/")
	if below && (strings.ContainsAny(first, ".:") || first == "localhost") {
		name = rest
	}
	return registry + "/" + name
}
