package rootstart

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// asked records what is asked of the kernel, which refuses some of it.
func asked(uid int, refuse map[string]error) (system, *[]string) {
	var all []string
	ask := func(what string) error {
		all = append(all, what)
		return refuse[what]
	}
	return system{
		euid:      func() int { return uid },
		chown:     func(string, int, int) error { return ask("chown") },
		setgroups: func([]int) error { return ask("setgroups") },
		setgid:    func(int) error { return ask("setgid") },
		setuid:    func(int) error { return ask("setuid") },
	}, &all
}

func TestRootGivesTheHomeAwayAndThenItself(t *testing.T) {
	s, all := asked(0, nil)
	var log strings.Builder
	if err := s.become(User{911, 911}, "/config", &log); err != nil || log.String() != "" {
		t.Fatalf("%v, said %q", err, log.String())
	}
	if want := []string{"chown", "setgroups", "setgid", "setuid"}; !slices.Equal(*all, want) {
		t.Errorf("asked for %v, want %v", *all, want)
	}
}

func TestWithoutCapabilitiesTheStartEndsInTheWordsOfS6(t *testing.T) {
	s, all := asked(0, map[string]error{"chown": syscall.EPERM, "setgroups": syscall.EPERM})
	var log strings.Builder
	err := s.become(User{911, 911}, "/config", &log)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Status != 111 {
		t.Fatalf("%v, want exit status 111", err)
	}
	if want := "s6-applyuidgid: fatal: unable to set supplementary group list: Operation not permitted"; failure.Says != want {
		t.Errorf("says %q, want %q", failure.Says, want)
	}
	if want := "chown: changing ownership of '/config': Operation not permitted\n"; log.String() != want {
		t.Errorf("logs %q, want %q", log.String(), want)
	}
	if slices.Contains(*all, "setuid") {
		t.Error("went on after the failure")
	}
}

func TestAHomeThatCannotBeGivenAwayDoesNotEndTheStart(t *testing.T) {
	s, _ := asked(0, map[string]error{"chown": syscall.ENOENT})
	var log strings.Builder
	if err := s.become(User{911, 911}, "/config", &log); err != nil || !strings.Contains(log.String(), "cannot access '/config'") {
		t.Errorf("%v, said %q", err, log.String())
	}
}

func TestAnyOtherUserIsToldToBeRoot(t *testing.T) {
	s, all := asked(1000, nil)
	err := s.become(User{911, 911}, "/config", &strings.Builder{})
	var failure *Failure
	if !errors.As(err, &failure) || failure.Status != 100 || !strings.Contains(err.Error(), "runAsUser: 0") {
		t.Errorf("%v, want exit status 100 and what to set", err)
	}
	if len(*all) != 0 {
		t.Errorf("tried %v nevertheless", *all)
	}
}
