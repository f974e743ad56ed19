package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/host"
)

// pluginCommand works on plugins: operators in processes of their own.
func pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Work on plugins, operators in processes of their own: new, list, lock, verify"}
	c.AddCommand(pluginNewCommand(), pluginList(), pluginLock(), pluginVerify())
	return c
}

// pluginRef is the plugin that arguments name.
func pluginRef(args, env []string, s plugins.Settings) (plugins.Ref, error) {
	s.Env = map[string]string{}
	for _, kv := range env {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return plugins.Ref{}, fmt.Errorf("%w: --env %q: want NAME=VALUE", errUsage, kv)
		}
		s.Env[k] = v
	}
	return plugins.Command(args[0], args[1:]...).Set(s), nil
}

// pluginFlags are those of commands that start plugins. What follows the executable is the plugin's.
func pluginFlags(c *cobra.Command, env *[]string) *cobra.Command {
	c.Flags().SetInterspersed(false)
	c.Flags().StringArrayVar(env, "env", nil, "NAME=VALUE in the plugin's environment, as Settings.Env; may be given several times")
	return c
}

func pluginList() *cobra.Command {
	var env []string
	c := &cobra.Command{
		Use: "list EXECUTABLE [ARGS...]", Short: "Start a plugin, and print what it offers", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := pluginRef(args, env, plugins.Settings{})
			if err != nil {
				return err
			}
			pool := pluginPool(c)
			defer pool.Close()
			d, _, err := pool.Lock(c.Context(), ref)
			if err != nil {
				return err
			}
			printPlugin(c.OutOrStdout(), d)
			return nil
		},
	}
	return pluginFlags(c, &env)
}

// pluginPool is where a command starts plugins. What they print goes to standard error.
func pluginPool(c *cobra.Command) *host.Pool {
	return host.New(host.Options{Log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
}

func printPlugin(out io.Writer, d host.Description) {
	fmt.Fprintf(out, "%s %s, sdk %s", d.Name, d.Version, d.SDK)
	if d.Memory {
		fmt.Fprint(out, ", shared memory")
	}
	if d.Concurrent {
		fmt.Fprint(out, ", one process for all slots")
	} else {
		fmt.Fprint(out, ", a process for each slot")
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, o := range d.Operators {
		if o.Doc == "" {
			fmt.Fprintf(w, "%s\t%s\n", o.Kind(), o.Name)
		} else {
			fmt.Fprintf(w, "%s\t%s\t%s\n", o.Kind(), o.Name, o.Doc)
		}
	}
	w.Flush()
}

func pluginLock() *cobra.Command {
	var path string
	var env []string
	c := &cobra.Command{
		Use: "lock EXECUTABLE [ARGS...]", Short: "Write into the lock file what a plugin is now, scripts among its arguments too", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := pluginRef(args, env, plugins.Settings{})
			if err != nil {
				return err
			}
			pool := pluginPool(c)
			defer pool.Close()
			_, files, err := pool.Lock(c.Context(), ref)
			if err != nil {
				return err
			}
			l, err := host.ReadLock(path)
			if errors.Is(err, fs.ErrNotExist) {
				l, err = &host.Lock{}, nil
			}
			if err != nil {
				return err
			}
			l.Put(files...)
			if err := l.Write(path); err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintf(c.OutOrStdout(), "%s  %s (%s %s)\n", f.Sum, f.Path, f.Plugin, f.Version)
			}
			return nil
		},
	}
	c.Flags().StringVar(&path, "lock", host.LockName, "the lock file")
	return pluginFlags(c, &env)
}

func pluginVerify() *cobra.Command {
	var path string
	var env []string
	c := &cobra.Command{
		Use: "verify [EXECUTABLE [ARGS...]]", Short: "Compare the files of the lock file with what is there, or start one plugin as a job would; exit 1 if they differ",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				ref, err := pluginRef(args, env, plugins.Settings{Lock: path})
				if err != nil {
					return err
				}
				return verifyPlugin(c, ref)
			}
			l, err := host.ReadLock(path)
			if err != nil {
				return err
			}
			bad := 0
			for _, f := range l.Files {
				if err := f.Check(); err != nil {
					bad++
					fmt.Fprintln(c.OutOrStdout(), err)
				} else {
					fmt.Fprintf(c.OutOrStdout(), "%s is as locked (%s %s)\n", f.Path, f.Plugin, f.Version)
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d files are not as %s has them: if that is meant, run millrace plugin lock for their plugins", bad, len(l.Files), path)
			}
			return nil
		},
	}
	c.Flags().StringVar(&path, "lock", host.LockName, "the lock file")
	return pluginFlags(c, &env)
}

// verifyPlugin starts a plugin, whose files must be as they are locked.
func verifyPlugin(c *cobra.Command, ref plugins.Ref) error {
	pool := pluginPool(c)
	defer pool.Close()
	d, err := pool.Describe(c.Context(), ref)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s is as locked (%s %s)\n", ref.Path, d.Name, d.Version)
	return nil
}
