package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/org/vdi-operator/test/harness"
)

const (
	zram     = "/dev/zram0"
	zramSys  = "/sys/block/zram0/"
	zramSize = "4G"
)

// noSwap says where the node has swap, with which desktops' memory would not stay where it is.
func noSwap() error {
	raw, err := os.ReadFile("/proc/swaps")
	if err != nil {
		return err
	}
	// The first line has the names of the columns.
	if _, swaps, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n"); swaps != "" {
		return fmt.Errorf("this node has swap: end it with swapoff -a, and run this again:\n%s", swaps)
	}
	return nil
}

// openSwap makes swap in compressed memory.
func openSwap(ctx context.Context) error {
	if err := os.WriteFile(zramSys+"disksize", []byte(zramSize), 0); err != nil {
		return fmt.Errorf("no swap could be made in %s: %w", zram, err)
	}
	for _, args := range [][]string{{"mkswap", zram}, {"swapon", zram}} {
		if _, err := harness.Output(ctx, "/", "/sbin/"+args[0], args[1]); err != nil {
			return errors.Join(err, resetSwap())
		}
	}
	return nil
}

// closeSwap brings back into memory what is there.
func closeSwap(ctx context.Context) error {
	_, err := harness.Output(ctx, "/", "/sbin/swapoff", zram)
	return errors.Join(err, resetSwap())
}

func resetSwap() error { return os.WriteFile(zramSys+"reset", []byte("1"), 0) }

// swapUsed is the memory that swap itself takes, in bytes: Documentation/admin-guide/blockdev/zram.rst, mm_stat.
func swapUsed() (int64, error) {
	raw, err := os.ReadFile(zramSys + "mm_stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 3 {
		return 0, fmt.Errorf("%smm_stat has %d fields, want 3 or more", zramSys, len(fields))
	}
	return strconv.ParseInt(fields[2], 10, 64)
}
