package chart

import "testing"

func TestARegistryOfAllImagesTakesTheirHostsPlace(t *testing.T) {
	image := func(set []string, want string) fieldCase {
		return fieldCase{set, map[string]string{"VDITemplate/selkies .spec.image": want}}
	}
	checkFields(t, map[string]fieldCase{
		"no registry": image(nil, "ghcr.io/selkies-project/nvidia-egl-desktop:latest"),
		"a host": image([]string{"global.imageRegistry=registry.example.com/mirror"},
			"registry.example.com/mirror/selkies-project/nvidia-egl-desktop:latest"),
		"localhost": image([]string{"global.imageRegistry=registry.example.com", "selkies.image=localhost/team/desktop:1"},
			"registry.example.com/team/desktop:1"),
		"a host with port": image([]string{"global.imageRegistry=registry.example.com",
			"selkies.image=mirror:5000/team/desktop:1"}, "registry.example.com/team/desktop:1"),
		"no host": image([]string{"global.imageRegistry=registry.example.com", "selkies.image=team/desktop:1"},
			"registry.example.com/team/desktop:1"),
		"a single name": image([]string{"global.imageRegistry=registry.example.com", "selkies.image=desktop:1"},
			"registry.example.com/desktop:1"),
	})
}
