package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/clock"
)

// produceFlags are the settings of log produce.
type produceFlags struct {
	json      bool
	separator string
	partition int
	clock     clock.Clock
}

func logProduce() *cobra.Command {
	f := produceFlags{clock: clock.System{}}
	c := &cobra.Command{
		Use: "produce DIR", Short: "Append the lines of standard input to a topic", Args: cobra.ExactArgs(1),
		Long: "Append the lines of standard input to a topic. A record with a key goes to the partition that Kafka's clients would choose, others round robin.\n" +
			"With --json a line is an object {\"key\":…,\"value\":…,\"time\":…}: a value that is no string is written as JSON, null is no value (a tombstone),\n" +
			"time is RFC 3339 or microseconds since 1970. Records that could be read are durable when the command ends, also with an error.",
	}
	topic := topicFlag(c)
	c.Flags().BoolVar(&f.json, "json", false, "lines are JSON objects with key, value, time")
	c.Flags().StringVarP(&f.separator, "key-separator", "k", "", "what stands between key and value on a line (default: lines have no key)")
	c.Flags().IntVarP(&f.partition, "partition", "p", -1, "write to this partition (default: by key, or in turn)")
	c.RunE = func(c *cobra.Command, args []string) error {
		return withTopic(args[0], *topic, func(t *commitlog.Topic) error {
			n, err := produce(c.Context(), t, c.InOrStdin(), f)
			fmt.Fprintf(c.ErrOrStderr(), "%d records to topic %s\n", n, t.Name())
			return err
		})
	}
	return c
}

// produce appends all lines of in, and returns how many records are durable.
func produce(ctx context.Context, t *commitlog.Topic, in io.Reader, f produceFlags) (n int, err error) {
	send, finish, err := producer(t, f.partition)
	if err != nil {
		return 0, err
	}
	defer func() {
		if cerr := finish(); cerr != nil {
			n, err = 0, errors.Join(err, cerr)
		}
	}()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), commitlog.MaxRecord)
	for lines.Scan() {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		key, value, micros, err := f.parse(lines.Bytes())
		if err == nil {
			err = send(key, value, micros)
		}
		if err != nil {
			return n, fmt.Errorf("line %d: %w", n+1, err)
		}
		n++
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return n, fmt.Errorf("line %d: longer than %d bytes", n+1, commitlog.MaxRecord)
	}
	return n, lines.Err()
}

// producer is how to send a record, and how to end: everything sent is durable then.
func producer(t *commitlog.Topic, partition int) (send func(key, value []byte, micros int64) error, finish func() error, err error) {
	if partition >= 0 {
		w, err := t.Writer(partition)
		if err != nil {
			return nil, nil, err
		}
		return w.Add, w.Close, nil
	}
	p, err := t.Producer()
	if err != nil {
		return nil, nil, err
	}
	return p.Send, p.Close, nil
}

func (f *produceFlags) parse(line []byte) (key, value []byte, micros int64, err error) {
	micros = f.clock.Now().UnixMicro()
	if f.json {
		return parseJSON(line, micros)
	}
	if f.separator == "" {
		return nil, present(line), micros, nil
	}
	key, value, ok := bytes.Cut(line, []byte(f.separator))
	if !ok {
		return nil, nil, 0, fmt.Errorf("no key separator %q in %.80q", f.separator, line)
	}
	return present(key), present(value), micros, nil
}

// present is b as bytes that are there, if empty.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func parseJSON(line []byte, now int64) (key, value []byte, micros int64, err error) {
	var rec struct{ Key, Value, Time json.RawMessage }
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rec); err != nil {
		return nil, nil, 0, fmt.Errorf("not an object with key, value, time: %w", err)
	}
	if key, err = textOf(rec.Key); err != nil {
		return nil, nil, 0, fmt.Errorf("key: %w", err)
	}
	if value, err = textOf(rec.Value); err != nil {
		return nil, nil, 0, fmt.Errorf("value: %w", err)
	}
	if micros, err = timeOf(rec.Time, now); err != nil {
		return nil, nil, 0, fmt.Errorf("time: %w", err)
	}
	return key, value, micros, nil
}

// textOf is a JSON string's text, nil for null or nothing, and other JSON as it is.
func textOf(raw json.RawMessage) ([]byte, error) {
	switch {
	case raw == nil || string(raw) == "null":
		return nil, nil
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return []byte(s), err
	}
	return raw, nil
}

func timeOf(raw json.RawMessage, now int64) (int64, error) {
	if raw == nil || string(raw) == "null" {
		return now, nil
	}
	if raw[0] != '"' {
		var micros int64
		err := json.Unmarshal(raw, &micros)
		return micros, err
	}
	t, err := time.Parse(time.RFC3339Nano, strings.Trim(string(raw), `"`))
	return t.UnixMicro(), err
}
