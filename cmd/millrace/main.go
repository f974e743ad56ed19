// Command millrace works on what jobs leave behind, logs and checkpoints, and has the demo and the benchmark. Jobs are binaries of their own: see package driver.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	bench "github.com/millrace/millrace/bench/command"
)

func main() {
	if bench.IsJob() { // a job that millrace bench measures is this binary again
		bench.RunJob()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errUsage marks arguments that a command cannot work with: exit status 2, as for jobs.
var errUsage = errors.New("usage")

// run is main without the process.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := &cobra.Command{Use: "millrace", Short: "Streams as micro-batches, exactly once", SilenceUsage: true, SilenceErrors: true}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(logCommand(), checkpointCommand(), pluginCommand(), demoCommand(), bench.New(), versionCommand())
	began := false // behind that, an error is no longer one of usage
	prepare(root, &began)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	c, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case !began:
		fmt.Fprintf(errOut, "millrace: %v; see %s --help\n", err, c.CommandPath())
		return 2
	}
	fmt.Fprintln(errOut, "millrace:", err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// prepare has every command note that its arguments were fit to begin with, and those that only hold others refuse what they do not hold.
func prepare(c *cobra.Command, began *bool) {
	for _, sub := range c.Commands() {
		prepare(sub, began)
	}
	work := c.RunE
	switch {
	case work != nil:
		c.RunE = func(c *cobra.Command, args []string) error {
			*began = true
			return work(c, args)
		}
	case c.HasSubCommands() && c.HasParent():
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q", args[0])
			}
			return c.Help()
		}
	}
}
