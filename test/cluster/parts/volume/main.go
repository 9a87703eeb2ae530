// Command volume creates and deletes the folder behind a volume. The local-path provisioner
// runs it on the node, in a pod, as its helper:
//
//	volume -p PATH -s BYTES -m MODE -a create|delete
package main

import (
	"flag"
	"fmt"
	"os"
)

// volumeMode lets a pod write its volume whatever user it runs as.
const volumeMode = 0o777

func main() {
	path := flag.String("p", "", "the volume's folder")
	action := flag.String("a", "", "create or delete")
	flag.String("s", "", "size in bytes; a folder has no limit, so this is not used")
	flag.String("m", "", "Filesystem or Block; not used")
	flag.Parse()
	if err := run(*action, *path); err != nil {
		fmt.Fprintln(os.Stderr, "volume:", err)
		os.Exit(1)
	}
}

func run(action, path string) error {
	if path == "" || path == "/" {
		return fmt.Errorf("-p %q: want the volume's folder", path)
	}
	switch action {
	case "create":
		if err := os.MkdirAll(path, volumeMode); err != nil {
			return err
		}
		return os.Chmod(path, volumeMode) // whatever the umask is
	case "delete":
		return os.RemoveAll(path)
	}
	return fmt.Errorf("-a %q: want create or delete", action)
}
