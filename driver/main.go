package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/gctune"
	"github.com/millrace/millrace/internal/guess"
	"github.com/millrace/millrace/plugins/host"
)

// oneSignal is how soon behind the first a second signal counts as the same.
const oneSignal = 250 * time.Millisecond

// Option adds to the settings of a job's binary what flags cannot say.
type Option func(*Config)

// With has listeners hear what happens in the job. They live in the driver's process.
func With(listeners ...Listener) Option {
	return func(c *Config) { c.Listeners = append(c.Listeners, listeners...) }
}

// Main is the main function of a job's binary: it reads flags, runs the job and ends the process. Exit status 0: the job
// ended or drained; 1: it failed; 2: mistakes in flags or job, all of them printed; 130: a second
// signal came while it drained. The job's own flags are those of pflag.CommandLine; they work in --config and the environment too.
func Main(job func(*dstream.Job), opts ...Option) {
	if IsChild() {
		os.Exit(withoutPlugins(childMain(job)))
	}
	ctx, drain := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() { // owned by the process itself
		<-signals
		drain()
		now := clock.System{}.Now
		began := now()
		for <-signals; now().Sub(began) < oneSignal; <-signals { // timeout(1) and service managers may send it twice
		}
		fmt.Fprintf(os.Stderr, "%s: stopped at once; what was not published is done by the next start\n", filepath.Base(os.Args[0]))
		os.Exit(128 + int(syscall.SIGINT))
	}()
	os.Exit(withoutPlugins(runMain(ctx, job, os.Args[1:], os.Stdout, os.Stderr, opts...)))
}

// withoutPlugins ends the processes of plugins that the job has used. It is how the process ends then.
func withoutPlugins(code int) int {
	if err := host.CloseDefault(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: plugins: %v\n", filepath.Base(os.Args[0]), err)
		return max(code, 1)
	}
	return code
}

// childMain parses the job's flags, which are those of the driver, and serves.
func childMain(job func(*dstream.Job)) int {
	f := &flags{}
	c := command(f, job, io.Discard, os.Stderr)
	c.RunE = func(c *cobra.Command, _ []string) error { return RunChild(job) } // its arguments hold what stood in --config and environment
	c.SetArgs(os.Args[1:])
	return exitCode(c.Execute(), os.Stderr)
}

// runMain is Main without the process.
func runMain(ctx context.Context, job func(*dstream.Job), args []string, out, errOut io.Writer, opts ...Option) int {
	c := command(&flags{}, job, out, errOut, opts...)
	c.SetArgs(args)
	return exitCode(c.ExecuteContext(ctx), errOut)
}

// exitCode prints an error, one line for most, and says how the process ends.
func exitCode(err error, errOut io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(errOut, "%s: %v\n", filepath.Base(os.Args[0]), err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// command is a job's command line.
func command(f *flags, job func(*dstream.Job), out, errOut io.Writer, opts ...Option) *cobra.Command {
	name := filepath.Base(os.Args[0])
	c := &cobra.Command{
		Use: name, Short: "Run the streaming job " + name, SilenceUsage: true, SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("argument %q: settings are given as flags; see --help", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.config(c.Flags(), errOut)
			if err != nil {
				return err
			}
			for _, o := range opts {
				o(&cfg)
			}
			host.SetDefaultLog(cfg.Log)
			switch {
			case f.explain:
				plan, err := buildPlan(c.Context(), job, cfg, nil)
				if err != nil {
					return err
				}
				_, err = io.WriteString(out, plan.Explain())
				return err
			case f.executor != "":
				return runExecutor(c.Context(), job, cfg, f.executor, parseJobFlags)
			}
			cfg.Args = resolved(c.Flags())
			defer gctune.Start()()
			if f.summary == "" {
				return Run(c.Context(), job, cfg)
			}
			cfg.Stats = &Stats{}
			return errors.Join(Run(c.Context(), job, cfg), writeSummary(f.summary, cfg.Stats))
		},
	}
	c.SetOut(out)
	c.SetErr(errOut)
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c.Flags(), err) })
	c.CompletionOptions.DisableDefaultCmd = true
	f.register(c.Flags())
	c.Flags().AddFlagSet(pflag.CommandLine)
	return c
}

// flagError says what to do about a flag that cannot be read.
func flagError(set *pflag.FlagSet, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if meant := nearest(set, unknown.GetSpecifiedName()); meant != "" {
			return usagef("%w; did you mean --%s?", err, meant)
		}
	}
	return usagef("%w; see --help", err)
}

// nearest is the flag whose name is most like name, "" if none is.
func nearest(set *pflag.FlagSet, name string) string {
	var names []string
	set.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return guess.Name(name, names)
}

// newLog writes text lines.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
