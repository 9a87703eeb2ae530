package route

import (
	"strings"
	"testing"
)

func TestAHostHasOneForm(t *testing.T) {
	for _, tc := range []struct{ host, scheme, want string }{
		{"ada--team.example.com", "https", "ada--team.example.com"},
		{"ADA--Team.Example.COM.", "https", "ada--team.example.com"},
		{"ada--team.example.com:443", "https", "ada--team.example.com"},
		{"ada--team.example.com.:443", "https", "ada--team.example.com"},
		{"ada--team.example.com:443", "http", "ada--team.example.com:443"},
		{"ada--team.example.com:80", "http", "ada--team.example.com"},
		{"ada--team.example.com:80", "https", "ada--team.example.com:80"},
		{"ada--team.example.com:", "https", "ada--team.example.com"},
		{"bücher.example", "https", "xn--bcher-kva.example"},
		{"BÜCHER.example:8443", "https", "xn--bcher-kva.example:8443"},
		{"[::1]:443", "https", "[::1]"},
		{"[::1]:8443", "https", "[::1]:8443"},
		{"[2001:DB8::1]", "https", "[2001:db8::1]"},
		{"a_b.example", "https", "a_b.example"},
		{"", "https", ""},
	} {
		if got := Host(tc.host, tc.scheme); got != tc.want {
			t.Errorf("%s %q is %q, want %q", tc.scheme, tc.host, got, tc.want)
		}
	}
}

func TestAHostThatIsTooLongForANameIsNotMapped(t *testing.T) {
	if long := strings.Repeat("ü", 200); Host(long, "https") != long {
		t.Error("it was, which takes seconds for 60 KB")
	}
}
