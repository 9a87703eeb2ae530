// Package policy says which connections a set of NetworkPolicies lets through, as the
// API defines them (k8s.io/api/networking/v1): a pod that no policy selects for a
// direction is open in it; a pod that some select may do what any of them allows. A
// connection needs both ends' leave. What answers a connection is part of it.
//
// It knows no node: what kubelet asks its own node's pods is let through by every
// network plugin and is not asked here.
package policy

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// End is one end of a connection: a pod, or an address outside the pods' network, which
// nodes and pods in their nodes' network are too.
type End struct {
	// Namespace is the pod's; empty for an address alone.
	Namespace string
	// NamespaceLabels are the namespace's; kubernetes.io/metadata.name is always there.
	NamespaceLabels map[string]string
	// Labels are the pod's.
	Labels map[string]string
	// Ports are the pod's named ports.
	Ports map[string]int32
	// Address is the end's.
	Address netip.Addr
}

func (e End) isPod() bool { return e.Namespace != "" }

func (e End) namespaceLabels() labels.Set {
	set := labels.Set{corev1.LabelMetadataName: e.Namespace}
	for k, v := range e.NamespaceLabels {
		set[k] = v
	}
	return set
}

// Connection is what somebody wants to open.
type Connection struct {
	From, To End
	Port     int32
	Protocol corev1.Protocol
}

// Policies are all that hold in a cluster.
type Policies []networkingv1.NetworkPolicy

// Allow says whether the connection comes through.
func (ps Policies) Allow(c Connection) (bool, error) {
	out, err := ps.allow(c, c.From, c.To, networkingv1.PolicyTypeEgress)
	if err != nil || !out {
		return false, err
	}
	return ps.allow(c, c.To, c.From, networkingv1.PolicyTypeIngress)
}

// rule is an ingress or an egress rule.
type rule struct {
	ports []networkingv1.NetworkPolicyPort
	peers []networkingv1.NetworkPolicyPeer
}

func (ps Policies) allow(c Connection, subject, other End, direction networkingv1.PolicyType) (bool, error) {
	if !subject.isPod() {
		return true, nil
	}
	selected := false
	for i := range ps {
		p := &ps[i]
		if p.Namespace != subject.Namespace || !slices.Contains(types(&p.Spec), direction) {
			continue
		}
		match, err := matches(&p.Spec.PodSelector, subject.Labels)
		if err != nil {
			return false, fmt.Errorf("policy %s/%s: %w", p.Namespace, p.Name, err)
		}
		if !match {
			continue
		}
		selected = true
		for _, r := range rules(&p.Spec, direction) {
			ok, err := r.allows(p.Namespace, c, other)
			if err != nil {
				return false, fmt.Errorf("policy %s/%s: %w", p.Namespace, p.Name, err)
			}
			if ok {
				return true, nil
			}
		}
	}
	return !selected, nil
}

// types are the directions that a policy is about; where it does not say, ingress, and
// egress if it has rules for it.
func types(spec *networkingv1.NetworkPolicySpec) []networkingv1.PolicyType {
	if len(spec.PolicyTypes) > 0 {
		return spec.PolicyTypes
	}
	if len(spec.Egress) > 0 {
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
}

func rules(spec *networkingv1.NetworkPolicySpec, direction networkingv1.PolicyType) []rule {
	var all []rule
	if direction == networkingv1.PolicyTypeIngress {
		for _, r := range spec.Ingress {
			all = append(all, rule{r.Ports, r.From})
		}
		return all
	}
	for _, r := range spec.Egress {
		all = append(all, rule{r.Ports, r.To})
	}
	return all
}

func (r rule) allows(namespace string, c Connection, other End) (bool, error) {
	if len(r.ports) > 0 && !slices.ContainsFunc(r.ports, func(p networkingv1.NetworkPolicyPort) bool { return portAllows(p, c) }) {
		return false, nil
	}
	if len(r.peers) == 0 {
		return true, nil
	}
	for _, p := range r.peers {
		ok, err := peerAllows(namespace, p, other)
		if err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func portAllows(p networkingv1.NetworkPolicyPort, c Connection) bool {
	protocol := corev1.ProtocolTCP
	if p.Protocol != nil {
		protocol = *p.Protocol
	}
	if protocol != c.Protocol {
		return false
	}
	if p.Port == nil {
		return true
	}
	if p.Port.StrVal != "" {
		// A named port is the receiving pod's.
		number, known := c.To.Ports[p.Port.StrVal]
		return known && number == c.Port
	}
	first, last := p.Port.IntVal, p.Port.IntVal
	if p.EndPort != nil {
		last = *p.EndPort
	}
	return first <= c.Port && c.Port <= last
}

func peerAllows(namespace string, p networkingv1.NetworkPolicyPeer, e End) (bool, error) {
	if p.IPBlock != nil {
		return blockHolds(p.IPBlock, e.Address)
	}
	if !e.isPod() {
		return false, nil
	}
	if p.NamespaceSelector == nil {
		if e.Namespace != namespace {
			return false, nil
		}
	} else if ok, err := matches(p.NamespaceSelector, e.namespaceLabels()); err != nil || !ok {
		return false, err
	}
	if p.PodSelector == nil {
		return p.NamespaceSelector != nil, nil
	}
	return matches(p.PodSelector, e.Labels)
}

func blockHolds(b *networkingv1.IPBlock, address netip.Addr) (bool, error) {
	block, err := netip.ParsePrefix(b.CIDR)
	if err != nil {
		return false, err
	}
	if !block.Contains(address) {
		return false, nil
	}
	for _, e := range b.Except {
		except, err := netip.ParsePrefix(e)
		if err != nil {
			return false, err
		}
		if !block.Overlaps(except) || except.Bits() <= block.Bits() {
			return false, fmt.Errorf("the exception %s is not inside of %s, which the API server refuses", e, b.CIDR)
		}
		if except.Contains(address) {
			return false, nil
		}
	}
	return true, nil
}

func matches(s *metav1.LabelSelector, set map[string]string) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return false, err
	}
	return selector.Matches(labels.Set(set)), nil
}
