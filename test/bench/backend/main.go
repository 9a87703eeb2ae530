// Command backend is the smallest desktop there is, for benchmarks: it answers
// every request at once, so that what is measured is the way to it.
package main

import (
	"net/http"
	"os"
)

func main() {
	port := os.Getenv("PORT") // Knative's name for it
	if port == "" {
		port = "8080"
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	if err := http.ListenAndServe(":"+port, answer); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
