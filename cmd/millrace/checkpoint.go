package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/checkpoint"
)

// checkpointCommand looks into checkpoints. All of it may run beside the job that owns one.
func checkpointCommand() *cobra.Command {
	c := &cobra.Command{Use: "checkpoint", Short: "Look into a job's checkpoint: show, verify, state"}
	c.AddCommand(checkpointShow(), checkpointVerify(), checkpointState())
	return c
}

func checkpointShow() *cobra.Command {
	var asJSON bool
	var batches int
	c := &cobra.Command{
		Use: "show DIR", Short: "Print batches, offsets, and operators with schema and size", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := checkpoint.Inspect(args[0])
			if err != nil {
				return err
			}
			s, err := in.Summarize(batches)
			if err != nil {
				return err
			}
			if asJSON {
				return s.JSON(c.OutOrStdout())
			}
			return s.Text(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	c.Flags().IntVar(&batches, "batches", 10, "how many of the last batches to print")
	return c
}

func checkpointVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify DIR", Short: "Check every checksum and every chain; exit 1 on damage", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := checkpoint.Verify(args[0])
			if err != nil {
				return err
			}
			for _, n := range r.Notes {
				fmt.Fprintln(c.OutOrStdout(), "note:", n)
			}
			for _, f := range r.Findings {
				fmt.Fprintln(c.OutOrStdout(), f)
			}
			fmt.Fprintf(c.OutOrStdout(), "%d segments, %d state files, %d bytes: %d findings\n", r.Segments, r.Files, r.Bytes, len(r.Findings))
			if len(r.Findings) > 0 {
				return errors.New("checkpoint " + args[0] + " is damaged")
			}
			return nil
		},
	}
}

func checkpointState() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use: "state DIR OPERATOR", Short: "Print an operator's rows at the last committed batch as JSON lines", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := checkpoint.Inspect(args[0])
			if err != nil {
				return err
			}
			return in.Dump(c.OutOrStdout(), args[1], key)
		},
	}
	c.Flags().StringVar(&key, "key", "", "only the row of this key: a scalar as it is, a struct as a JSON object")
	return c
}
