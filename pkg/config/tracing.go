package config

import (
	"net"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Tracing is where the trace of each wake is sent.
type Tracing struct {
	// Endpoint is the host and port of an OTLP receiver by HTTP; empty is no tracing.
	Endpoint string `json:"endpoint"`
	// Insecure sends without TLS.
	Insecure bool `json:"insecure"`
	// SamplingRatio is the part of all wakes that is traced, 0 to 1.
	SamplingRatio float64 `json:"samplingRatio"`
}

func (t Tracing) validate() field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("tracing")
	if t.Endpoint != "" && !isHostPort(t.Endpoint) {
		errs = append(errs, field.Invalid(path.Child("endpoint"), t.Endpoint,
			"must be host:port of an OTLP receiver by HTTP such as otel-collector.monitoring:4318, without scheme or path; or empty for no tracing"))
	}
	if r := t.SamplingRatio; r < 0 || r > 1 {
		errs = append(errs, field.Invalid(path.Child("samplingRatio"), r, "must be between 0 (no wake) and 1 (every wake)"))
	}
	return errs
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n > 0 && n < 1<<16
}
