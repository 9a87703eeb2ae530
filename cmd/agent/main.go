// The agent announces the pod of a desktop beside which it runs: see package agent.
//
// Where images are kept on nodes, `agent copy PATH` puts the program where containers of other
// images find it, and `agent wait` costs nothing until it is stopped.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/org/vdi-operator/pkg/agent"
	"github.com/org/vdi-operator/pkg/version"
)

func main() {
	activators := flag.String("activators", "", "host:port of the Service with the address of each activator")
	port := flag.Uint("desktop-port", 0, "where the desktop listens")
	behind := flag.Uint("behind-port", 0, "where a Selkies 1.6 may listen behind its image's web server; 0 is nowhere")
	claim := flag.String("claim-file", "", "in a warm pool: where to write whose the pod has become, before it is announced")
	flag.BoolFunc("version", "print the version and end", version.Flag("agent", os.Stdout, os.Exit))
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if flag.Arg(0) == "copy" {
		if err := agent.Copy(flag.Arg(1)); err != nil {
			log.Error("the program cannot be copied", "to", flag.Arg(1), "error", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	if flag.Arg(0) == "wait" {
		<-ctx.Done()
		return
	}
	pod, err := podName()
	token := os.Getenv("VDI_AGENT_TOKEN")
	switch {
	case err != nil:
		log.Error("the pod's name is not known", "error", err)
	case *activators == "" || *port == 0 || *port > 65535 || *behind > 65535:
		log.Error("--activators and --desktop-port must be given, and ports be 65535 at most", "activators", *activators, "desktop-port", *port,
			"behind-port", *behind)
	case token == "":
		log.Error("VDI_AGENT_TOKEN is empty: nothing can be announced, and the desktop's address comes from the API")
	default:
		a := agent.New(agent.Options{
			Activators: agent.ByService(*activators), Pod: pod, Token: token, DesktopPort: uint16(*port), BehindPort: uint16(*behind),
			Proc: "/proc", Log: log,
		})
		if *claim == "" || a.AwaitClaim(ctx, *claim) {
			a.Run(ctx)
		}
	}
	// An agent that ended would be restarted without end, and keep the pod from being ready.
	<-ctx.Done()
}

// podName is this pod's: its host name, where it has no other.
func podName() (string, error) {
	if name := os.Getenv("VDI_AGENT_POD"); name != "" {
		return name, nil
	}
	return os.Hostname()
}
