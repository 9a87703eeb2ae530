package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/test/bench/look"
	"github.com/org/vdi-operator/test/bench/plain"
)

const desktopPort = 8080

// floor starts plain Deployments of the same image, one after the other.
func (b *bench) floor(ctx context.Context) error {
	no := false
	deployments := &plain.Deployments{In: b.in, Namespace: namespace, Port: desktopPort, Pod: corev1.PodSpec{
		AutomountServiceAccountToken: &no,
		EnableServiceLinks:           &no,
		Containers:                   []corev1.Container{{Name: "desktop", Image: b.in.DesktopImage}},
	}}
	if err := within(ctx, func(ctx context.Context) error { return deployments.Make(ctx, b.desktops) }); err != nil {
		return err
	}
	for i := range b.desktops {
		if err := within(ctx, func(ctx context.Context) error { return b.start(ctx, deployments, i) }); err != nil {
			return err
		}
	}
	return nil
}

// start starts one, visits it twice and ends it.
func (b *bench) start(ctx context.Context, deployments *plain.Deployments, i int) error {
	address, took, err := deployments.Start(ctx, i)
	if err != nil {
		return err
	}
	page := "http://" + address + "/"
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+asked, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	byteAfter := took + time.Since(began)
	if err := resp.Body.Close(); err != nil {
		return err
	}
	seen, err := look.At(ctx, page)
	if err != nil {
		return err
	}
	v := b.of(nameFloor)
	v.bytes, v.frames = append(v.bytes, byteAfter), append(v.frames, took+seen[look.Frame])
	fmt.Fprintf(os.Stderr, "floor-%d  first byte after %d ms, first frame after %d ms\n", i, byteAfter.Milliseconds(), (took + seen[look.Frame]).Milliseconds())
	return deployments.End(ctx, i)
}
