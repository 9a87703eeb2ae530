// Command demo shows the product from a visitor's side: a session at zero pods, a
// browser that opens its URL, the desktop that wakes, sleeps when the browser is
// closed, and wakes again with its home as it was.
//
// It leaves the session behind for a person to open; "demo down" removes it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/test/harness"
)

const (
	namespace = "vdi-demo"
	name      = "desk"
	template  = "demo"
	// user is one of the people of the demo's identity provider, with a password that is no secret.
	user, userName = "ada@example.com", "ada"
	// patience is how long any one step may take.
	patience = 5 * time.Minute
	linkTTL  = 12 * time.Hour
	// disconnectTimeout is short, so that the demo shows a desktop fall asleep.
	disconnectTimeout = 20 * time.Second
	// Where the installation has the program on nodes, the desktop dozes before.
	dozeAfter, dozeFor = 10 * time.Second, 20 * time.Second
	fileName           = "note.txt"
	fileContent        = "written before the desktop slept"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := run
	if len(os.Args) > 1 && os.Args[1] == "down" {
		do = remove
	}
	if err := do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// remove deletes what create made, while the operator is there to clean up.
func remove(ctx context.Context) error {
	in, err := harness.Find()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	tpl := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: template}}
	for _, o := range []client.Object{ns, tpl} {
		err := eventually.Wait(ctx, "the demo's "+o.GetName()+" to be gone", func() error {
			err := in.Client.Delete(ctx, o)
			if err == nil {
				err = errors.New("it is still there")
			}
			return client.IgnoreNotFound(err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// demo is one showing.
type demo struct {
	in  *harness.Installation
	key types.NamespacedName
	// url is the session's, link opens it without a sign-in.
	url, link string
	visitor   *harness.Visitor
	// dozes says that nodes can freeze desktops.
	dozes bool
}

// step is one of the demo, with what it says before.
type step struct {
	say string
	do  func(context.Context) error
}

func run(ctx context.Context) error {
	in, err := harness.Open(ctx)
	if err != nil {
		return err
	}
	d := &demo{in: in, key: types.NamespacedName{Namespace: namespace, Name: name}}
	nodes, err := in.Programs(ctx, nodeapi.Component)
	if err != nil {
		return err
	}
	d.dozes = len(nodes) > 0
	for _, step := range d.steps() {
		fmt.Printf("\n==> %s\n", step.say)
		within, cancel := context.WithTimeout(ctx, patience)
		err := step.do(within)
		cancel()
		if err != nil {
			in.Describe(context.WithoutCancel(ctx), os.Stderr, namespace)
			return fmt.Errorf("%s: %w", step.say, err)
		}
	}
	d.farewell()
	return nil
}

func (d *demo) steps() []step {
	steps := []step{
		{"a template with one GPU and a session of it, at zero pods", d.create},
		{d.arrival(), d.visit},
		{"a file is written to the home; then the browser is closed", d.write},
	}
	sleeps := fmt.Sprintf("nobody is connected: the desktop goes back to zero (disconnect timeout %s)", disconnectTimeout)
	if d.dozes {
		steps = append(steps,
			step{fmt.Sprintf("nobody is connected: the desktop is frozen as it is (doze after %s)", dozeAfter), d.doze},
			step{"a visit finds it as it was left", d.comeBack})
		sleeps = fmt.Sprintf("nobody is connected: it dozes again, and goes back to zero (doze for %s)", dozeFor)
	}
	return append(steps,
		step{sleeps, d.sleep},
		step{"a second visit wakes it: the file is still there", d.wakeAgain})
}

func (d *demo) create(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := d.in.Client.Create(ctx, ns); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	tpl := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: template}}
	if _, err := controllerutil.CreateOrUpdate(ctx, d.in.Client, tpl, func() error {
		tpl.Spec = d.in.DemoTemplate()
		tpl.Spec.Lifecycle = &v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(disconnectTimeout)}
		if d.dozes {
			tpl.Spec.Lifecycle.DozeAfter, tpl.Spec.Lifecycle.DozeFor = v1alpha1.NewDuration(dozeAfter), v1alpha1.NewDuration(dozeFor)
		}
		return nil
	}); err != nil {
		return err
	}
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.VDISessionSpec{User: user, Template: tpl.Name}}
	if err := d.in.Client.Create(ctx, s); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	s, err := d.in.Session(ctx, d.key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	if err != nil {
		return err
	}
	if err := d.in.NoPods(ctx, s); err != nil {
		return err
	}
	table, err := d.in.Plugin(ctx, "list", "--namespace", namespace)
	if err != nil {
		return err
	}
	fmt.Printf("$ kubectl vdi list -n %s\n%s", namespace, table)
	d.url = s.Status.URL
	if d.link, err = d.in.Link(ctx, d.key, linkTTL); err != nil {
		return err
	}
	d.visitor, err = d.in.Invited(ctx, d.link)
	return err
}

func (d *demo) arrival() string {
	if d.in.SignsIn() {
		return "a person signs in at the portal, in Chromium, and opens the session's URL"
	}
	return "a visitor opens the session's link in Chromium"
}

func (d *demo) visit(ctx context.Context) error {
	times, picture, err := d.watch(ctx)
	if err != nil {
		return err
	}
	times.print(os.Stdout)
	out := filepath.Join(d.in.Root, "out", "demo.png")
	if err := os.WriteFile(out, picture, 0o644); err != nil {
		return err
	}
	fmt.Printf("screenshot of the desktop in the page: %s\n", out)
	return nil
}

func (d *demo) write(ctx context.Context) error {
	return d.visitor.WriteFile(ctx, fileName, fileContent)
}

func (d *demo) doze(ctx context.Context) error {
	s, err := d.in.Session(ctx, d.key, "dozing", harness.Frozen)
	if err != nil {
		return err
	}
	fmt.Printf("dozing: pod %s is frozen on node %s; its GPU stays with it\n", s.Status.Doze.Pod, s.Status.Doze.Node)
	return nil
}

// comeBack asks the desktop for something, and not for a page of ours, which is there at once.
func (d *demo) comeBack(ctx context.Context) error {
	began := time.Now()
	if _, err := d.visitor.ReadFile(ctx, fileName); err != nil {
		return err
	}
	fmt.Printf("the desktop answered %s after the request was sent\n", time.Since(began).Round(time.Millisecond))
	return nil
}

func (d *demo) sleep(ctx context.Context) error {
	s, err := d.in.Session(ctx, d.key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	if err != nil {
		return err
	}
	fmt.Printf("asleep: %s\n", s.Status.SleepReason)
	if err := d.in.NoPods(ctx, s); err != nil {
		return err
	}
	fmt.Println("zero pods, and the GPU is free")
	return nil
}

func (d *demo) wakeAgain(ctx context.Context) error {
	content, err := d.visitor.ReadFile(ctx, fileName)
	if err != nil {
		return err
	}
	if content != fileContent {
		return errors.New("the file in the home holds " + content)
	}
	fmt.Printf("%s: %q\n", fileName, content)
	return nil
}

func (d *demo) farewell() {
	if d.in.SignsIn() {
		fmt.Printf(`
The desktop sleeps again soon. Sign in in a browser on this machine, as %s with the password %s, and open it there:

  %s

It wakes by its own URL too, %s, and without a sign-in by this link:

  %s

`, userName, userName, harness.PortalURL, d.url, d.link)
	} else {
		fmt.Printf(`
The desktop sleeps again soon. Open it in a browser on this machine and it wakes:

  %s

While you do, let this run:

  kubectl -n %s port-forward service/vdi-activator 8080:80

`, d.link, d.in.SystemNamespace)
	}
	fmt.Printf("  export KUBECONFIG=%s\n  kubectl get vdi -A\n\nmake demo-down removes everything.\n", d.in.Kubeconfig)
}
