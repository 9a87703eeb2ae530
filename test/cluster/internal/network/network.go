// Package network gives the node its address and pods their way out, and takes all of it
// away again.
package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/org/vdi-operator/test/cluster/internal/layout"
)

// sysctls are what packets between pods, services and the outside need.
var sysctls = map[string]string{
	"net/ipv4/ip_forward": "1",
	// Without this a reply between two pods on one bridge skips the translation back to
	// the Service's address.
	"net/bridge/bridge-nf-call-iptables": "1",
	// A pod's link gets no address of its own on this side. Chromium takes an address that
	// comes or goes for another network and gives up what it loads over HTTP/2.
	"net/ipv6/conf/default/addr_gen_mode": "1",
}

// Up creates the node's link and the packet rules. What the machine's settings were before
// is remembered in the layout's host file once, for Down.
func Up(ctx context.Context, l layout.Layout) error {
	if err := rememberSysctls(l); err != nil {
		return err
	}
	// Where bridge filtering is a module rather than built in, its settings appear with it.
	_ = exec.CommandContext(ctx, "modprobe", "br_netfilter").Run()
	for name, value := range sysctls {
		if err := os.WriteFile(sysctlFile(name), []byte(value), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("sysctl %s=%s: %w", name, value, err)
		}
	}
	if _, err := os.Stat("/sys/class/net/" + layout.NodeLink); err != nil {
		if err := run(ctx, "ip", "link", "add", layout.NodeLink, "type", "bridge"); err != nil {
			return err
		}
	}
	if err := run(ctx, "ip", "address", "replace", layout.NodeIP+"/32", "dev", layout.NodeLink); err != nil {
		return err
	}
	if err := run(ctx, "ip", "link", "set", layout.NodeLink, "up"); err != nil {
		return err
	}
	if err := feed(ctx, rules(), "nft", "-f", "-"); err != nil {
		return err
	}
	return acceptForwarding(ctx)
}

// rules let pods reach the outside under the machine's own address. The table is replaced
// in one transaction.
func rules() string {
	return fmt.Sprintf(`table ip %[1]s
delete table ip %[1]s
table ip %[1]s {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %[2]s ip daddr != { %[2]s, %[3]s, %[4]s/32 } oifname != "%[5]s" masquerade
	}
}
`, layout.NftTable, layout.PodCIDR, layout.ServiceCIDR, layout.NodeIP, layout.PodLink)
}

// Container engines set the machine's policy for forwarded packets to drop. An accept in
// another table does not overrule that, so their own chain gets two rules.
var forwardRules = [][]string{
	{"FORWARD", "-i", layout.PodLink, "-m", "comment", "--comment", layout.NftTable, "-j", "ACCEPT"},
	{"FORWARD", "-o", layout.PodLink, "-m", "comment", "--comment", layout.NftTable, "-j", "ACCEPT"},
}

func forwardingDropped(ctx context.Context) bool {
	chain, err := exec.CommandContext(ctx, "nft", "list", "chain", "ip", "filter", "FORWARD").Output()
	return err == nil && bytes.Contains(chain, []byte("policy drop"))
}

func acceptForwarding(ctx context.Context) error {
	if !forwardingDropped(ctx) {
		return nil
	}
	for _, rule := range forwardRules {
		if exec.CommandContext(ctx, "iptables", append([]string{"-w", "-C"}, rule...)...).Run() == nil {
			continue
		}
		if err := run(ctx, "iptables", append([]string{"-w", "-I"}, rule...)...); err != nil {
			return err
		}
	}
	return nil
}

// Down removes links, rules and kube-proxy's tables, and restores the machine's settings.
// It carries on after a failure and returns all of them.
func Down(ctx context.Context, l layout.Layout) error {
	var problems []error
	for _, link := range []string{layout.PodLink, layout.NodeLink} {
		if _, err := os.Stat("/sys/class/net/" + link); err == nil {
			problems = append(problems, run(ctx, "ip", "link", "delete", link))
		}
	}
	if _, err := exec.LookPath("nft"); err == nil {
		if forwardingDropped(ctx) {
			for _, rule := range forwardRules {
				_ = exec.CommandContext(ctx, "iptables", append([]string{"-w", "-D"}, rule...)...).Run()
			}
		}
		problems = append(problems, deleteTables(ctx))
	}
	return errors.Join(append(problems, restoreSysctls(l))...)
}

// deleteTables deletes our table and those of kube-proxy, which leaves them when it ends so
// that a restart does not interrupt traffic.
func deleteTables(ctx context.Context) error {
	var problems []error
	for _, table := range []string{"ip " + layout.NftTable, "ip kube-proxy", "ip6 kube-proxy"} {
		family, name, _ := strings.Cut(table, " ")
		if exec.CommandContext(ctx, "nft", "list", "table", family, name).Run() == nil {
			problems = append(problems, run(ctx, "nft", "delete", "table", family, name))
		}
	}
	return errors.Join(problems...)
}

func sysctlFile(name string) string { return filepath.Join("/proc/sys", name) }

// rememberSysctls records the settings as they are before the cluster's first start. A
// later start, or one after a crash, finds the record and keeps it.
func rememberSysctls(l layout.Layout) error {
	if _, err := os.Stat(l.Host()); err == nil {
		return nil
	}
	before := map[string]string{}
	for name := range sysctls {
		if raw, err := os.ReadFile(sysctlFile(name)); err == nil {
			before[name] = strings.TrimSpace(string(raw))
		}
	}
	raw, err := json.Marshal(before)
	if err != nil {
		return err
	}
	half := l.Host() + ".tmp"
	if err := os.WriteFile(half, raw, 0o644); err != nil {
		return err
	}
	return os.Rename(half, l.Host())
}

func restoreSysctls(l layout.Layout) error {
	raw, err := os.ReadFile(l.Host())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var before map[string]string
	if err := json.Unmarshal(raw, &before); err != nil {
		return fmt.Errorf("%s: %w", l.Host(), err)
	}
	var problems []error
	for name := range sysctls {
		if value, ok := before[name]; ok {
			problems = append(problems, os.WriteFile(sysctlFile(name), []byte(value), 0o644))
		}
	}
	return errors.Join(append(problems, os.Remove(l.Host()))...)
}

func run(ctx context.Context, name string, args ...string) error {
	return feed(ctx, "", name, args...)
}

func feed(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
