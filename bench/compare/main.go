// Command compare measures what two commits cost in turns, A B A B …, on the same machine and the same data, and says by how much the second is dearer.
//
//	go run ./bench/compare                       what is checked out against the commit of the last recorded figures (bench/results.jsonl)
//	go run ./bench/compare main~5                against that commit
//	go run ./bench/compare v1 v2 --only w4,w1    two commits, two works
//
// Both are built in worktrees of their own, which are removed at the end. The measure is user + system CPU of the job's processes for a million events; since
// neighbours in time are divided, a machine that becomes slower meanwhile does not decide. Exit status: 0, 1 if the second commit costs more than --limit times
// the first in any work, 2 if something could not be built or measured or gave wrong results.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/bench/report"
)

// errWorse says that the second commit costs too much.
var errWorse = errors.New("worse")

type settings struct {
	base, head string
	works      []string
	source     string
	brokers    string
	lab        string
	results    string
	pairs      int
	scale      float64
	limit      float64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	switch {
	case errors.Is(err, errWorse):
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(2)
	}
}

func command() *cobra.Command {
	s := settings{}
	c := &cobra.Command{
		Use: "compare [BASE [HEAD]]", Short: "Compare the CPU of two commits in a paired run", Args: cobra.MaximumNArgs(2), SilenceErrors: true, SilenceUsage: true,
		Long: "Compare the CPU of two commits in a paired run. BASE: the commit of the last recorded figures. HEAD: what is checked out here, changes included.",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				s.base = args[0]
			}
			if len(args) > 1 {
				s.head = args[1]
			}
			if s.pairs < 1 || s.scale <= 0 || s.limit <= 0 {
				return errors.New("--pairs, --scale and --limit: want more than 0")
			}
			if s.base == "" {
				base, err := recorded(s.results)
				if err != nil {
					return err
				}
				s.base = base
			}
			return s.compare(c.Context(), c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringSliceVar(&s.works, "only", []string{"w1", "w2", "w4", "w5", "w4/frame"}, "works, each WORK or WORK/FORM")
	f.StringVar(&s.source, "source", "log", "log or kafka")
	f.StringVar(&s.brokers, "brokers", "127.0.0.1:9092", "Kafka brokers")
	f.StringVar(&s.lab, "lab", "", "folder for worktrees, binaries and data (default: a temporary one that is removed)")
	f.StringVar(&s.results, "results", "bench/results.jsonl", "file of recorded results: its newest commit is the default of BASE")
	f.IntVar(&s.pairs, "pairs", 5, "pairs of runs")
	f.Float64Var(&s.scale, "scale", 1, "so many times the records")
	f.Float64Var(&s.limit, "limit", 1.10, "fail when HEAD costs more than so many times BASE")
	return c
}

// recorded is the commit of the newest result of a clean tree.
func recorded(path string) (string, error) {
	set, err := report.Load(path, "")
	if err != nil {
		return "", err
	}
	var newest report.Record
	for _, r := range set.Records {
		if v := r.Result.Version; v != "" && v != "unknown" && !strings.HasSuffix(v, "+") && r.At.After(newest.At) {
			newest = r
		}
	}
	if newest.ID == "" {
		return "", fmt.Errorf("%s has no result of a commit: name BASE, or record some with go run ./bench suite", path)
	}
	return newest.Result.Version, nil
}
