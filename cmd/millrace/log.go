package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/commitlog"
)

// logCommand works on embedded logs, also while jobs read and write them.
func logCommand() *cobra.Command {
	c := &cobra.Command{Use: "log", Short: "Work on an embedded log: create, produce, consume, list, describe, compact"}
	c.AddCommand(logCreate(), logProduce(), logConsume(), logList(), logDescribe(), logCompact())
	return c
}

// withLog runs f on the log in dir.
func withLog(dir string, f func(l *commitlog.Log) error) error {
	l, err := commitlog.Open(dir, commitlog.Options{})
	if err != nil {
		return err
	}
	return errors.Join(f(l), l.Close())
}

// withTopic runs f on a topic of the log in dir.
func withTopic(dir, topic string, f func(t *commitlog.Topic) error) error {
	return withLog(dir, func(l *commitlog.Log) error {
		t, err := l.Topic(topic)
		if err != nil {
			return err
		}
		return f(t)
	})
}

// topicFlag is the mandatory flag --topic.
func topicFlag(c *cobra.Command) *string {
	topic := c.Flags().StringP("topic", "t", "", "the topic's name")
	if err := c.MarkFlagRequired("topic"); err != nil {
		panic(err)
	}
	return topic
}

func logCreate() *cobra.Command {
	var s commitlog.Settings
	c := &cobra.Command{Use: "create DIR", Short: "Create a topic, and the log if there is none", Args: cobra.ExactArgs(1)}
	topic := topicFlag(c)
	f := c.Flags()
	f.IntVarP(&s.Partitions, "partitions", "p", 1, "number of partitions")
	f.DurationVar(&s.RetainAge, "retain-age", 0, "remove segments written longer ago (default 168h, for ever with --compact; negative: for ever)")
	f.Int64Var(&s.RetainBytes, "retain-bytes", 0, "remove the oldest segments of a partition above this (default no limit)")
	f.BoolVar(&s.Compact, "compact", false, "keep the last record of each key only")
	f.Int64Var(&s.SegmentBytes, "segment-bytes", commitlog.DefaultSegmentBytes, "size of a segment")
	c.RunE = func(c *cobra.Command, args []string) error {
		if s.Partitions < 1 {
			return fmt.Errorf("%w: --partitions %d: want 1 or more", errUsage, s.Partitions)
		}
		l, err := commitlog.Create(args[0], commitlog.Options{})
		if err != nil {
			return err
		}
		if _, err := l.Create(*topic, s); err != nil {
			return errors.Join(err, l.Close())
		}
		fmt.Fprintf(c.OutOrStdout(), "topic %s with %d partitions\n", *topic, s.Partitions)
		return l.Close()
	}
	return c
}

func logList() *cobra.Command {
	return &cobra.Command{
		Use: "list DIR", Short: "Print the topics", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withLog(args[0], func(l *commitlog.Log) error {
				names, err := l.Topics()
				for _, n := range names {
					fmt.Fprintln(c.OutOrStdout(), n)
				}
				return err
			})
		},
	}
}

func logDescribe() *cobra.Command {
	var topic string
	var asJSON bool
	c := &cobra.Command{
		Use: "describe DIR", Short: "Print settings, offsets and sizes of the topics", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withLog(args[0], func(l *commitlog.Log) error {
				names := []string{topic}
				if topic == "" {
					var err error
					if names, err = l.Topics(); err != nil {
						return err
					}
				}
				for _, name := range names {
					t, err := l.Topic(name)
					if err != nil {
						return err
					}
					if err := describeTopic(c, t, asJSON); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	c.Flags().StringVarP(&topic, "topic", "t", "", "one topic only")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a partition")
	return c
}

// partitionLine is a partition in the output of describe --json.
type partitionLine struct {
	Topic     string             `json:"topic"`
	Partition int                `json:"partition"`
	Start     int64              `json:"start"`
	End       int64              `json:"end"`
	Segments  int                `json:"segments"`
	Bytes     int64              `json:"bytes"`
	Unshown   int64              `json:"unshown_bytes"`
	Writer    int                `json:"writer_pid,omitempty"`
	Oldest    string             `json:"oldest,omitempty"`
	Settings  commitlog.Settings `json:"settings"`
}

func describeTopic(c *cobra.Command, t *commitlog.Topic, asJSON bool) error {
	n, err := t.Partitions()
	if err != nil {
		return err
	}
	var lines []partitionLine
	for p := range n {
		in, err := t.Describe(p)
		if err != nil {
			return err
		}
		line := partitionLine{Topic: t.Name(), Partition: p, Start: in.Start, End: in.End, Segments: in.Segments, Bytes: in.Bytes,
			Unshown: in.Unshown, Writer: in.WriterPID, Settings: t.Settings()}
		if in.Began != 0 {
			line.Oldest = time.UnixMicro(in.Began).UTC().Format(time.RFC3339)
		}
		lines = append(lines, line)
	}
	out := c.OutOrStdout()
	if asJSON {
		enc := json.NewEncoder(out)
		for _, l := range lines {
			if err := enc.Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprintf(out, "topic %s: %d partitions, %s\n", t.Name(), n, settingsText(t.Settings()))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "partition\tstart\tend\tsegments\tbytes\twriter\toldest\t")
	for _, l := range lines {
		writer, oldest := "-", "-"
		if l.Writer != 0 {
			writer = fmt.Sprint(l.Writer)
		}
		if l.Oldest != "" {
			oldest = l.Oldest
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%s\t%s\t\n", l.Partition, l.Start, l.End, l.Segments, l.Bytes, writer, oldest)
	}
	return w.Flush()
}

func settingsText(s commitlog.Settings) string {
	text := "kept for ever"
	if s.RetainAge > 0 {
		text = "kept for " + s.RetainAge.String()
	}
	if s.RetainBytes > 0 {
		text += fmt.Sprintf(" and up to %d bytes a partition", s.RetainBytes)
	}
	if s.Compact {
		text += ", compacted by key"
	}
	return text
}

func logCompact() *cobra.Command {
	c := &cobra.Command{Use: "compact DIR", Short: "Keep the last record of each key only, in a topic made with --compact", Args: cobra.ExactArgs(1)}
	topic := topicFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return withTopic(args[0], *topic, func(t *commitlog.Topic) error {
			if !t.Settings().Compact {
				return fmt.Errorf("topic %s keeps all records; only a topic made with --compact can be compacted", t.Name())
			}
			n, err := t.Partitions()
			if err != nil {
				return err
			}
			for p := range n {
				if err := compactPartition(c, t, p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return c
}

func compactPartition(c *cobra.Command, t *commitlog.Topic, p int) error {
	w, err := t.Writer(p)
	if err != nil {
		return err
	}
	done, err := w.Compact(c.Context())
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "partition %d: %d records removed, %d kept, %d bytes became %d\n", p, done.Removed, done.Kept, done.BytesBefore, done.BytesAfter)
	return nil
}
