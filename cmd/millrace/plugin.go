package main

import "github.com/spf13/cobra"

func pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Make plugins"}
	c.AddCommand(pluginNewCommand())
	return c
}
