package rootstart

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	require.NoError(t, s.become(User{911, 911}, "/config", &log))
	require.Empty(t, log.String())
	assert.Equal(t, []string{"chown", "setgroups", "setgid", "setuid"}, *all, "asked")
}

func TestWithoutCapabilitiesTheStartEndsInTheWordsOfS6(t *testing.T) {
	s, all := asked(0, map[string]error{"chown": syscall.EPERM, "setgroups": syscall.EPERM})
	var log strings.Builder
	err := s.become(User{911, 911}, "/config", &log)
	var failure *Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, 111, failure.Status, "want exit status 111")
	assert.Equal(t, "s6-applyuidgid: fatal: unable to set supplementary group list: Operation not permitted", failure.Says)
	assert.Equal(t, "chown: changing ownership of '/config': Operation not permitted\n", log.String(), "logs")
	assert.NotContains(t, *all, "setuid", "went on after the failure")
}

func TestAHomeThatCannotBeGivenAwayDoesNotEndTheStart(t *testing.T) {
	s, _ := asked(0, map[string]error{"chown": syscall.ENOENT})
	var log strings.Builder
	require.NoError(t, s.become(User{911, 911}, "/config", &log))
	assert.Contains(t, log.String(), "cannot access '/config'")
}

func TestAnyOtherUserIsToldToBeRoot(t *testing.T) {
	s, all := asked(1000, nil)
	err := s.become(User{911, 911}, "/config", &strings.Builder{})
	var failure *Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, 100, failure.Status)
	assert.Contains(t, err.Error(), "runAsUser: 0", "want exit status 100 and what to set")
	assert.Empty(t, *all, "tried %v nevertheless", *all)
}
