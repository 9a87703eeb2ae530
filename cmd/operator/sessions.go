package main

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/warmpool"
	"github.com/org/vdi-operator/pkg/lifecycle"
	vdimetrics "github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/workload"
)

// sessionMetrics are read from the sessions of the cache, and from what is known of warm pools, at
// each scrape, by the leader alone.
func sessionMetrics(c client.Reader, pools *warmpool.Reconciler, elected <-chan struct{}) []prometheus.Collector {
	leads := func() bool {
		select {
		case <-elected:
			return true
		default:
			return false
		}
	}
	return []prometheus.Collector{
		vdimetrics.NewSessions(countSessions(c, time.Now), leads),
		vdimetrics.NewWarmPools(pools.Reports, leads),
		vdimetrics.NewGPUSeconds(gpuDesktops(c), leads, time.Now, workload.DefaultGPUResource),
	}
}

func countSessions(c client.Reader, now func() time.Time) func(context.Context) (vdimetrics.Sessions, error) {
	return func(ctx context.Context) (vdimetrics.Sessions, error) {
		list := &v1alpha1.VDISessionList{}
		if err := c.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return vdimetrics.Sessions{}, err
		}
		all := vdimetrics.Sessions{ByPhase: map[v1alpha1.Phase]int{}}
		for i := range list.Items {
			st := &list.Items[i].Status
			phase := cmp.Or(st.Phase, v1alpha1.PhasePending)
			all.ByPhase[phase]++
			if phase != v1alpha1.PhaseCreating {
				continue
			}
			if st.Waiting != nil && st.Waiting.Reason == v1alpha1.ReasonWaitingForGPU {
				all.WaitingForGPU++
			}
			if st.StartTime != nil {
				all.LongestStart = max(all.LongestStart, now().Sub(st.StartTime.Time))
			}
		}
		return all, nil
	}
}

// gpuDesktops lists the sessions whose template exists and that have GPUs, and one without any for
// each template.
func gpuDesktops(c client.Reader) func(context.Context) ([]vdimetrics.GPUDesktop, error) {
	return func(ctx context.Context) ([]vdimetrics.GPUDesktop, error) {
		sessions, templates := &v1alpha1.VDISessionList{}, &v1alpha1.VDITemplateList{}
		if err := c.List(ctx, sessions, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		if err := c.List(ctx, templates, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		byName := make(map[string]*v1alpha1.VDITemplate, len(templates.Items))
		var desktops []vdimetrics.GPUDesktop
		for i := range templates.Items {
			byName[templates.Items[i].Name] = &templates.Items[i]
			// Counters begin at 0 with a template, rather than somewhere with its first session.
			resource, _ := workload.GPUs(&templates.Items[i], &v1alpha1.VDISession{})
			desktops = append(desktops, vdimetrics.GPUDesktop{Resource: resource})
		}
		for i := range sessions.Items {
			s := &sessions.Items[i]
			t := byName[s.Spec.Template]
			if t == nil || s.DeletionTimestamp != nil {
				continue
			}
			resource, count := workload.GPUs(t, s)
			if count == 0 {
				continue
			}
			seen, recorded := lifecycle.Read(s)
			desktops = append(desktops, vdimetrics.GPUDesktop{Resource: resource, GPUs: float64(count), Created: s.CreationTimestamp.Time,
				AwakeSince: recorded.AwakeSince, AsleepSince: recorded.AsleepSince, Woken: seen.Asked()})
		}
		return desktops, nil
	}
}
