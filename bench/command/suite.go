package command

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/bench/report"
	"github.com/millrace/millrace/bench/run"
	"github.com/millrace/millrace/bench/suite"
)

// files are where results are kept and shown.
type files struct{ results, peers, markdown, html string }

func (f *files) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.results, "results", "bench/results.jsonl", "file of results, JSON lines")
	fs.StringVar(&f.peers, "peers", "bench/peers/measured.jsonl", "file of the peers' figures, JSON lines")
	fs.StringVar(&f.markdown, "markdown", "bench/RESULTS.md", "file whose tables are written, between markers; \"\": none")
	fs.StringVar(&f.html, "html", "bench/report.html", "file for the page with plots; \"\": none")
}

// render writes tables and page.
func (f *files) render() error {
	s, err := report.Load(f.results, f.peers)
	if err != nil {
		return err
	}
	if f.markdown != "" {
		old, err := os.ReadFile(f.markdown)
		if err != nil {
			return err
		}
		text, err := s.Markdown(string(old))
		if err != nil {
			return fmt.Errorf("%s: %w", f.markdown, err)
		}
		if err := os.WriteFile(f.markdown, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if f.html == "" {
		return nil
	}
	return os.WriteFile(f.html, []byte(s.HTML()), 0o644)
}

func suiteCommand() *cobra.Command {
	o, f := run.Defaults(), files{}
	var only []string
	scale, list := 1.0, false
	c := &cobra.Command{
		Use: "suite", Short: "Do all measurements, keep their results, and write tables and plots", Args: cobra.NoArgs,
		Long: "Do all measurements one after another, add each result to a file, and write from it the tables of bench/RESULTS.md and a page with plots.\n" +
			"Kafka is used where a broker answers at --brokers.",
		Example: "  bench suite --brokers 127.0.0.1:19092\n  bench suite --only drain/w4,paced --scale 0.1 --results part.jsonl --markdown '' --html part.html",
		RunE: func(c *cobra.Command, _ []string) error {
			steps, err := suite.Choose(suite.Steps(o), only)
			if err != nil {
				return err
			}
			if list {
				for _, s := range steps {
					fmt.Fprintln(c.OutOrStdout(), s.ID)
				}
				return nil
			}
			if scale <= 0 {
				return fmt.Errorf("--scale %v: want more than 0", scale)
			}
			for i := range steps {
				steps[i] = suite.Scale(steps[i], scale)
			}
			failed := suite.Run(c.Context(), steps, f.results, c.OutOrStdout())
			if err := f.render(); err != nil {
				return err
			}
			return failed
		},
	}
	o.RegisterPlace(c.Flags())
	f.register(c.Flags())
	c.Flags().StringSliceVar(&only, "only", nil, "only these measurements: groups, names, or patterns")
	c.Flags().Float64Var(&scale, "scale", scale, "so many times the records and seconds")
	c.Flags().BoolVar(&list, "list", false, "print the names of the measurements and stop")
	return c
}

func reportCommand() *cobra.Command {
	f := files{}
	c := &cobra.Command{
		Use: "report", Short: "Write tables and plots from the results that are there", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return f.render() },
	}
	f.register(c.Flags())
	return c
}
