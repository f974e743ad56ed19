// Package command is the command line of bench: the one of its own binary, and millrace bench.
package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/bench/floor"
	"github.com/millrace/millrace/bench/plugin"
	"github.com/millrace/millrace/bench/run"
	"github.com/millrace/millrace/bench/windows"
)

// IsJob tells whether this process is a job that a measurement has started: this binary again. main then calls RunJob and nothing else.
func IsJob() bool { return run.IsJob() || windows.IsJob() }

// RunJob is the main function of such a process.
func RunJob() {
	if run.IsJob() {
		run.RunJob()
		return
	}
	if err := windows.RunJob(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// Main runs the command with args, and returns the exit status: 0, or 1 if something could not be measured or was wrong.
func Main(ctx context.Context, args []string, out, errOut io.Writer) int {
	c := New()
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(errOut)
	c.CompletionOptions.DisableDefaultCmd = true
	if err := c.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(errOut, "bench:", err)
		return 1
	}
	return 0
}

const examples = `  bench --work w4 -n 5000000                                   drain: as fast as it goes
  bench --work w1 --form frame --source kafka                  the same work in expressions over columns, from Kafka to Kafka
  bench --work q5                                              a query of Nexmark
  bench --work w4 --rate 50000 --seconds 30 --interval 5ms     paced: latency end to end
  bench --work w4 --stages                                     where the job's CPU goes
  bench --work empty --master procs[4,1] --seconds 5           batches without data
  bench --work idle --seconds 10                               cores that are busy without input
  bench --work start                                           start to first output
  bench --work state --keys 1000000                            batches that touch few of many keys
  bench --work closures --seconds 10                           typed rows through functions of the user's
  bench --work window                                          a long window that slides by a batch, beside a plain ReduceByKey
  bench --work sessions --keys 1000000                         memory of open sessions, and batches that close a tenth of them
  bench --work close --keys 1000000                            the same with windows of an hour
  bench --work plugin --python .venv/bin/python                rows through operators in processes of their own
  bench suite                                                  all of them, and the tables and plots of bench/RESULTS.md`

// New is the command.
func New() *cobra.Command {
	o := run.Defaults()
	c := &cobra.Command{
		Use: "bench", Short: "Measure the engine on the workloads of bench/WORKLOADS.md", Example: examples, Args: cobra.NoArgs,
		Long: "Measure one workload and print a JSON object.\n\nThe job under test runs in a process of its own, this binary again, through driver.Main with default settings plus " +
			"--checkpoint.\nLoader, checker and the probe of latency stay out of its figures. Every run checks the job's whole output.",
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return one(c, o)
		},
	}
	o.Register(c.Flags())
	c.AddCommand(floorCommand(), suiteCommand(), reportCommand())
	return c
}

// one does one measurement.
func one(c *cobra.Command, o run.Options) error {
	var r any
	var err error
	switch o.Work {
	case "window":
		lines, length := 0, time.Duration(0)
		if c.Flags().Changed("records") {
			lines = o.Records
		}
		if c.Flags().Changed("window") {
			length = o.Window
		}
		r, err = windows.Slide(c.Context(), o, lines, length)
	case "plugin":
		r, err = plugin.Measure(c.Context(), o)
	case "sessions", "close":
		r, err = windows.Close(c.Context(), o)
	default:
		r, err = run.Measure(c.Context(), o)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(c.OutOrStdout()).Encode(r)
}

func floorCommand() *cobra.Command {
	events := 200_000
	c := &cobra.Command{
		Use: "floor", Short: "Tell the machine's state by a plain decode, filter, look up, count loop", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			nanos, err := floor.Measure(events)
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), floor.State(nanos, 0))
			}
			return err
		},
	}
	c.Flags().IntVarP(&events, "records", "n", events, "events")
	return c
}
