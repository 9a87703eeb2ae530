package main

import (
	"context"
	"fmt"
	"os"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/controller/knativeconfig"
	"github.com/org/vdi-operator/pkg/controller/template"
	"github.com/org/vdi-operator/pkg/helmrelease"
	"github.com/org/vdi-operator/pkg/uninstall"
	"github.com/org/vdi-operator/pkg/workload"
)

// defaultUninstallTimeout leaves room within the five minutes that Helm waits for a hook.
const defaultUninstallTimeout = 3 * time.Minute

// runUninstall takes the installation back, before Helm deletes its objects.
func runUninstall(ctx context.Context, args []string) error {
	f := newInstallationFlags("uninstall")
	timeout := f.Duration("timeout", defaultUninstallTimeout, "how long it may take; what has not stopped by then is left to stop by itself")
	check := f.String("check", "", "the pod that helm test left")
	release := helmrelease.Release{Storage: helmrelease.Secret}
	f.StringVar(&release.Name, "release", "", "Helm's release: nothing is done unless Helm is uninstalling it")
	f.StringVar((*string)(&release.Storage), "release-storage", string(release.Storage), "where Helm stores releases: Secret or ConfigMap")
	withoutHelm := f.Bool("without-helm", false, "do it although no release is being uninstalled")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *timeout <= 0 {
		return fmt.Errorf("--timeout %s: must be above zero, such as 3m", *timeout)
	}
	cfg, c, err := f.load()
	if err != nil {
		return err
	}
	if !*withoutHelm {
		release.Namespace = cfg.Installation.Namespace
		if err := meant(ctx, c, release); err != nil {
			return err
		}
	}
	u := &uninstall.Uninstaller{
		Client: c, Workload: workload.New(cfg, c, c), Installation: cfg.Installation.String(), Namespaces: cfg.Namespaces,
		Operator: deployment(cfg, f.operator), Activator: deployment(cfg, f.activator),
		Leftovers: leftovers(cfg, *check),
		Withdraw:  func(ctx context.Context) error { return template.Withdraw(ctx, c, cfg.Installation) },
		Timeout:   *timeout, Out: os.Stdout,
	}
	if cfg.Knative.Enabled && cfg.Knative.ApplyConfig {
		u.GiveBack = func(ctx context.Context) ([]string, error) {
			manager := knativeconfig.FieldManager(cfg.Installation.Namespace, cfg.Installation.Name)
			return knativeconfig.Release(ctx, c, cfg.Knative.Namespace, manager)
		}
	}
	return u.Run(ctx)
}

// meant returns nil where Helm is uninstalling the release. A Job that was applied by other
// tools, or by mistake, must not stop the desktops of an installation that stays.
func meant(ctx context.Context, c client.Reader, release helmrelease.Release) error {
	err := release.Validate()
	if err == nil {
		err = release.Uninstalling(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("nothing was uninstalled, since helm uninstall is not what asks for it: %w. To do it without Helm, "+
			"add --without-helm (uninstall.releaseStorage=none)", err)
	}
	return nil
}

// leftovers are what the programs and helm test leave in the installation's namespace, and the
// keys that nobody else was named to make.
func leftovers(cfg config.Config, check string) []client.Object {
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: cfg.Installation.Namespace, Name: name}
	}
	objects := []client.Object{
		&coordinationv1.Lease{ObjectMeta: named(electionID)},
		&corev1.ConfigMap{ObjectMeta: named(installation.StatusName(cfg.Installation.Name))},
	}
	for _, key := range []config.Key{cfg.Keys.Signing, cfg.Keys.TURN, cfg.Keys.Visits, cfg.Keys.Portal} {
		if key.Make {
			objects = append(objects, &corev1.Secret{ObjectMeta: named(key.Secret)})
		}
	}
	if check != "" {
		objects = append(objects, &corev1.Pod{ObjectMeta: named(check)})
	}
	return objects
}
