package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/bench/store"
)

func loadCommand(brokers *string) *cobra.Command {
	var data, topic, file string
	var n int
	var rate float64
	c := &cobra.Command{
		Use: "load", Short: "Write a data set to a topic or a file", Args: cobra.NoArgs,
		Long: "Write a data set to a topic or a file. A topic that holds as many records already is left as it is. With --rate records are added to the topic, " +
			"each when it is due and with that as its event time.",
		RunE: func(c *cobra.Command, _ []string) error {
			mk, err := gen.New(data, gen.Seed)
			if err != nil {
				return err
			}
			if file != "" {
				return toFile(file, mk, n)
			}
			st, err := store.Open("kafka", "", *brokers)
			if err != nil {
				return err
			}
			defer st.Close()
			if rate > 0 {
				return paced(c.Context(), st, topic, mk, n, rate)
			}
			have, err := st.Count(c.Context(), topic)
			if err != nil || have == int64(n) {
				return err
			}
			if err := st.Recreate(c.Context(), topic); err != nil {
				return err
			}
			return st.Load(c.Context(), n, false, func(i int) (store.Record, error) {
				key, val := mk(i, gen.EventMillis(i))
				return store.Record{Topic: topic, Key: key, Val: val}, nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&data, "data", "ads", "lines, ads, profiles or pageviews")
	f.IntVarP(&n, "records", "n", 1_000_000, "records")
	f.StringVar(&topic, "topic", "", "topic")
	f.StringVar(&file, "out", "", "file to write instead, a record a line")
	f.Float64Var(&rate, "rate", 0, "records a second")
	return c
}

func toFile(path string, mk gen.Maker, n int) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	for i := range n {
		_, val := mk(i, gen.EventMillis(i))
		w.Write(append(val, '\n')) // errors stay in w until Flush
	}
	return errors.Join(w.Flush(), out.Close())
}

func paced(ctx context.Context, st store.Store, topic string, mk gen.Maker, n int, rate float64) error {
	start := time.Now()
	return st.Load(ctx, n, true, func(i int) (store.Record, error) {
		due := start.Add(time.Duration(float64(i) / rate * 1e9))
		if wait := time.Until(due); wait > 500*time.Microsecond {
			time.Sleep(wait)
		}
		key, val := mk(i, due.UnixMilli())
		return store.Record{Topic: topic, Key: key, Val: val}, ctx.Err()
	})
}

func topicCommand(brokers *string) *cobra.Command {
	return &cobra.Command{
		Use: "topic NAME", Short: "Make a topic of eight partitions, empty also where there is one", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			st, err := store.Open("kafka", "", *brokers)
			if err != nil {
				return err
			}
			defer st.Close()
			return st.Recreate(c.Context(), args[0])
		},
	}
}

func campaignsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "campaigns FILE", Short: "Write the static table of W4, a line \"ad,campaign\" each", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			out, err := os.Create(args[0])
			if err != nil {
				return err
			}
			table := gen.CampaignOf()
			for _, ad := range slices.Sorted(maps.Keys(table)) {
				if _, err := fmt.Fprintf(out, "%s,%s\n", ad, table[ad]); err != nil {
					return errors.Join(err, out.Close())
				}
			}
			return out.Close()
		},
	}
}
