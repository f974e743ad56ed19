package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				fmt.Fprintln(c.OutOrStdout(), "millrace, built without version information")
				return
			}
			revision := ""
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" && len(s.Value) >= 12 {
					revision = " " + s.Value[:12]
				}
			}
			fmt.Fprintf(c.OutOrStdout(), "millrace %s%s %s\n", info.Main.Version, revision, info.GoVersion)
		},
	}
}
