package main

import (
	"fmt"
	"io"
	"math"

	"github.com/org/vdi-operator/test/bench/figure"
	"github.com/org/vdi-operator/test/harness"
)

// report prints the tables and the line of JSON.
func report(w io.Writer, results map[string]*result) {
	us := results[nameOurs]
	table := figure.Table(w)
	fmt.Fprintln(table, "a session's objects\teach\tbytes\t")
	for _, kind := range us.census.ByBytes() {
		h := us.census[kind]
		fmt.Fprintf(table, "%s\t%.2f\t%.0f\t\n", kind, per(float64(h.Objects), us.n), per(h.Bytes, us.n))
	}
	_ = table.Flush()

	table = figure.Table(w)
	fmt.Fprintln(table, "\nat zero\tmade\tobjects each\tKiB each\tKiB of database each\ta second\t")
	for _, name := range []string{nameOurs, nameKnative, nameFloor} {
		if r := results[name]; r != nil {
			fmt.Fprintf(table, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, r.n, r.objects(), r.bytes()/kib, per(float64(r.stored), r.n)/kib, r.rate())
		}
	}
	_ = table.Flush()

	table = figure.Table(w)
	fmt.Fprintln(table, "\nprogram\tMiB before\tMiB after\tKiB a session\tCPU ms to make one\tCPU ms a minute with none\twith all\ta 1000 asleep\t")
	for _, name := range []string{harness.Operator, harness.Activator} {
		c := us.programs[name]
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t%.2f\t%.0f\t%.0f\t%.1f\t\n", name, float64(c.before)/mib, float64(c.after)/mib, us.memory(name)/kib, us.making(name), figure.Milliseconds(c.idle), figure.Milliseconds(c.resting), us.resting(name))
	}
	_ = table.Flush()

	line := summary{
		Bench: "sessions", Sessions: us.n, Objects: figure.Tenths(us.objects()), Bytes: math.Round(us.bytes()), Stored: math.Round(per(float64(us.stored), us.n)), Rate: figure.Tenths(us.rate()),
		OperatorBytes: math.Round(us.memory(harness.Operator)), ActivatorBytes: math.Round(us.memory(harness.Activator)),
		OperatorMaking: figure.Tenths(us.making(harness.Operator)), OperatorResting: figure.Tenths(us.resting(harness.Operator)),
		ActivatorMaking: figure.Tenths(us.making(harness.Activator)), ActivatorResting: figure.Tenths(us.resting(harness.Activator)),
	}
	if least := results[nameFloor]; least != nil {
		line.FloorBytes, line.OverFloor = math.Round(least.bytes()), figure.Ratio(us.bytes(), least.bytes())
	}
	if k := results[nameKnative]; k != nil {
		line.KnativeBytes, line.OverKnative, line.RateOverKnative = math.Round(k.bytes()), figure.Ratio(us.bytes(), k.bytes()), figure.Ratio(us.rate(), k.rate())
	}
	figure.Line(w, line)
}

// summary is the last line.
type summary struct {
	Bench    string  `json:"bench"`
	Sessions int     `json:"sessions"`
	Objects  float64 `json:"objects_per_session"`
	Bytes    float64 `json:"bytes_per_session"`
	// Stored has the database's history and gaps in it.
	Stored           float64 `json:"database_bytes_per_session"`
	Rate             float64 `json:"made_per_second"`
	OperatorBytes    float64 `json:"operator_bytes_per_session"`
	ActivatorBytes   float64 `json:"activator_bytes_per_session"`
	OperatorMaking   float64 `json:"operator_cpu_ms_to_make_one"`
	OperatorResting  float64 `json:"operator_cpu_ms_per_1000_min"`
	ActivatorMaking  float64 `json:"activator_cpu_ms_to_make_one"`
	ActivatorResting float64 `json:"activator_cpu_ms_per_1000_min"`
	FloorBytes       float64 `json:"floor_bytes,omitempty"`
	OverFloor        float64 `json:"over_floor,omitempty"`
	KnativeBytes     float64 `json:"knative_bytes,omitempty"`
	OverKnative      float64 `json:"over_knative,omitempty"`
	RateOverKnative  float64 `json:"rate_over_knative,omitempty"`
}

const (
	kib = 1 << 10
	mib = 1 << 20
	// thousand is what figures of a quiet minute are for.
	thousand = 1000
)

func (r *result) objects() float64 { return per(float64(r.census.Sum().Objects), r.n) }

func (r *result) bytes() float64 { return per(r.census.Sum().Bytes, r.n) }

// rate is workloads a second.
func (r *result) rate() float64 { return float64(r.n) / r.took.Seconds() }

// memory is bytes a session, the garbage collector's slack included.
func (r *result) memory(program string) float64 {
	c := r.programs[program]
	return per(float64(c.after-c.before), r.n)
}

// making is milliseconds a session.
func (r *result) making(program string) float64 {
	return per(figure.Milliseconds(r.programs[program].making), r.n)
}

// resting is milliseconds a minute for a thousand sessions: what a quiet minute with
// all of them takes more than one with none.
func (r *result) resting(program string) float64 {
	c := r.programs[program]
	return per(thousand*figure.Milliseconds(c.resting-c.idle), r.n)
}

func per(total float64, n int) float64 { return total / float64(n) }
