package chaos

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ofObjects is what administrators and programs of others do to objects.
var ofObjects = map[string]kind{
	"template": {family: "templates", weight: 8, says: templateSays, do: func(p *player, ctx context.Context, s Step) error {
		return p.patchTemplate(ctx, casts[s.Session].template, `{"spec":%s}`, templateSays(s))
	}},
	"image": {family: "templates", weight: 8, says: func(s Step) string { return image(s.Choice) }, do: func(p *player, ctx context.Context, s Step) error {
		return p.patchTemplate(ctx, casts[s.Session].template, `{"spec":{"image":%q}}`, image(s.Choice))
	}},
	"template goes": {family: "template goes", weight: 2, do: func(p *player, ctx context.Context, s Step) error {
		return client.IgnoreNotFound(p.api.Delete(ctx, p.newTemplate(casts[s.Session].template)))
	}},
	"template comes": {family: "template goes", weight: 4, do: func(p *player, ctx context.Context, s Step) error {
		return p.create(ctx, p.newTemplate(casts[s.Session].template))
	}},
	"values": {family: "values", weight: 4, says: func(s Step) string { return one(s, allValues...).says }, do: func(p *player, _ context.Context, s Step) error {
		return p.world.Configure(one(s, allValues...).set)
	}},
	"status": {family: "status", weight: 8, says: statusSays, do: func(p *player, ctx context.Context, s Step) error {
		return p.patchStatus(ctx, s, statusSays(s))
	}},
	"session goes": {family: "sessions go", weight: 8, do: func(p *player, ctx context.Context, s Step) error {
		return client.IgnoreNotFound(p.api.Delete(ctx, p.newSession(casts[s.Session])))
	}},
	"session comes": {family: "sessions go", weight: 16, do: func(p *player, ctx context.Context, s Step) error {
		return p.create(ctx, p.newSession(casts[s.Session]))
	}},
	"namespace goes": {family: "namespace goes", weight: 1, do: func(p *player, ctx context.Context, _ Step) error {
		for _, pod := range p.ledger.Pods() {
			if pod.Namespace == p.namespace(spaces[len(spaces)-1]) {
				p.ledger.Killed(pod.UID) // Kubernetes takes all away that is there, in any order
			}
		}
		return client.IgnoreNotFound(p.api.Delete(ctx, p.newSpace(spaces[len(spaces)-1])))
	}},
	"namespace comes": {family: "namespace goes", weight: 5, do: func(p *player, ctx context.Context, _ Step) error {
		return p.stage(ctx)
	}},
}

func templateSays(s Step) string {
	return one(s, `{"lifecycle":null}`, `{"lifecycle":{"disconnectTimeout":"10s"}}`, `{"lifecycle":{"idleTimeout":"10s","disconnectTimeout":"12s"}}`,
		`{"lifecycle":{"maxDuration":"15s"}}`, `{"resources":{"defaultMemory":"1Gi"}}`, `{"resources":{"defaultMemory":null}}`,
		`{"persistence":{"reclaimPolicy":"Delete"}}`, `{"persistence":{"reclaimPolicy":"Retain"}}`, `{"persistence":{"enabled":false}}`, `{"persistence":{"enabled":true}}`,
		// A field that there is not, which makes it one of which no desktop can be made.
		`{"podTemplate":{"spec":{"noSuchField":1}}}`, `{"podTemplate":null}`, `{"podTemplate":null}`)
}

// statusSays is what others write into a status, or lose of it. Nobody writes there when the
// desktop slept or woke, for who may do that may as well power it off.
func statusSays(s Step) string {
	return one(s, `{"status":null}`, `{"status":{"phase":"Failed","message":"somebody else's words"}}`, `{"status":{"conditions":null}}`,
		`{"status":{"podName":"nobody"}}`, `{"status":{"observedGeneration":null}}`, `{"status":{"lifecycle":null}}`, `{"status":{"activity":null}}`,
		`{"status":{"waiting":null,"url":"http://elsewhere"}}`)
}
