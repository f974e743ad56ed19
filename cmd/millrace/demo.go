package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/millrace/millrace/examples/flights"
)

// demoCommand replays a year of flights through the engine.
func demoCommand() *cobra.Command {
	o := flights.Options{Speed: flights.DefaultSpeed, Interval: 100 * time.Millisecond}
	verbose := false
	c := &cobra.Command{
		Use: "demo", Args: cobra.NoArgs, Short: "Replay a year of flights through the engine and watch the carriers' punctuality",
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out, o.Terminal = os.Stdout, term.IsTerminal(int(os.Stdout.Fd()))
			if verbose {
				o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
			}
			return flights.Demo(c.Context(), o)
		},
	}
	c.Flags().Float64Var(&o.Speed, "speed", o.Speed, "seconds of 2013 in a second; the default replays the year in about 25 s")
	c.Flags().DurationVar(&o.Interval, "interval", o.Interval, "batch interval, 1ms to 1h")
	c.Flags().StringVar(&o.Dir, "dir", "", "folder to keep log and checkpoint in (default: a temporary one that is removed)")
	c.Flags().BoolVar(&verbose, "verbose", false, "print the engine's own messages")
	return c
}
