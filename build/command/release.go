package command

import "github.com/spf13/cobra"

func releaseCommand(*settings) *cobra.Command { return &cobra.Command{Use: "release"} }
