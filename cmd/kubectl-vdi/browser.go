package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
)

// openers are the systems' commands that open an address in the person's browser.
var openers = map[string][]string{
	"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"},
}

func browse(ctx context.Context, address string) error {
	opener := openers[runtime.GOOS]
	if opener == nil {
		opener = []string{"xdg-open"}
	}
	// Not the error's text, which may have the address.
	if err := exec.CommandContext(ctx, opener[0], append(opener[1:], address)...).Run(); err != nil {
		return fmt.Errorf("%s opened no browser: add --print, and open the printed address yourself", opener[0])
	}
	return nil
}
