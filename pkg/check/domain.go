package check

import (
	"context"
	"fmt"
	"strings"
)

// domain checks that sessions' host names lead somewhere. It can only warn: browsers may
// ask another DNS than the cluster's.
func (c *Checker) domain(ctx context.Context) finding {
	const what = "sessions' domain"
	domain := c.Config.URL.Domain
	if domain == "localhost" || strings.HasSuffix(domain, ".localhost") {
		return good(what, "browsers take *.%s for their own computer", domain)
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	addresses, err := c.Resolver.LookupHost(ctx, c.unknownHost())
	if err != nil {
		return warned(bad(what, err, fmt.Sprintf("make a DNS record for *.%s that leads to your ingress", domain)))
	}
	return good(what, "*.%s is %s", domain, strings.Join(addresses, ", "))
}
