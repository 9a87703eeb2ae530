package chaos

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// cast is a session of each round: in which of its namespaces, whose and of which template.
type cast struct {
	space, session, user string
	template             int
}

func (c cast) name() string { return c.space + "/" + c.session }

// spaces are a round's namespaces; steps delete the last one.
var spaces = []string{"stays", "goes"}

// templates is how many a round has.
const templates = 2

// casts are a round's sessions. Two of them have the same home.
var casts = []cast{
	{"stays", "ada", "ada", 0},
	{"stays", "ada-too", "ada", 0},
	{"stays", "bob", "bob", 0},
	{"stays", "cyd", "cyd", 1},
	{"stays", "dan", "dan", 1},
	{"goes", "eve", "eve", 0},
	{"goes", "fay", "fay", 1},
}

// marker is a session that nobody visits: it is changed where it has to be known that all changes
// before have been seen.
var marker = cast{"stays", "marker", "nobody", 0}

// mark has the ledger learn of all that became of sessions until now.
func (p *player) mark(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"mark":"%d"}}}`, time.Now().UnixNano())
	return p.api.Patch(ctx, p.newSession(marker), client.RawPatch(types.MergePatchType, patch))
}

// namespace is a cast's or, by its name, a space's.
func (p *player) namespace(space string) string { return p.ledger.Prefix + space }

func (p *player) key(s Step) client.ObjectKey {
	return client.ObjectKey{Namespace: p.namespace(casts[s.Session].space), Name: casts[s.Session].session}
}

func (p *player) templateName(i int) string { return fmt.Sprintf("%st%d", p.ledger.Prefix, i) }

// session is a new one of a step's cast.
func (p *player) newSession(c cast) *v1alpha1.VDISession {
	return &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace(c.space), Name: c.session},
		Spec: v1alpha1.VDISessionSpec{User: c.user + "@example.com", Template: p.templateName(c.template)}}
}

func (p *player) newTemplate(i int) *v1alpha1.VDITemplate {
	return &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: p.templateName(i)}, Spec: v1alpha1.VDITemplateSpec{
		Image: image(0), Resources: v1alpha1.TemplateResources{DefaultGPU: new(int32(0))},
		Streaming: v1alpha1.StreamingSpec{Port: p.nodes.port}}}
}

func (p *player) newSpace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace(name)}}
}

func image(i uint32) string { return fmt.Sprintf("dev.local/desktop:%d", i%4) }

// stage makes what a round lacks of namespaces, templates and sessions.
func (p *player) stage(ctx context.Context) error {
	var all []client.Object
	for _, name := range spaces {
		all = append(all, p.newSpace(name))
	}
	for i := range templates {
		all = append(all, p.newTemplate(i))
	}
	for _, c := range append([]cast{marker}, casts...) {
		all = append(all, p.newSession(c))
	}
	for _, o := range all {
		if err := p.create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// create makes an object; one that is there is as good.
func (p *player) create(ctx context.Context, o client.Object) error {
	return client.IgnoreAlreadyExists(p.api.Create(ctx, o))
}
