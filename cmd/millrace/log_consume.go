package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/records"
)

// consumeFlags are the settings of log consume.
type consumeFlags struct {
	from      string
	follow    bool
	partition int
	limit     int64
	json      bool
	keys      string
}

func logConsume() *cobra.Command {
	var f consumeFlags
	c := &cobra.Command{
		Use: "consume DIR", Short: "Print the records of a topic", Args: cobra.ExactArgs(1),
		Long: "Print the records of a topic, up to what is there now, or for ever with -f. Partitions are printed one after the other, with -f as they come.",
	}
	topic := topicFlag(c)
	c.Flags().StringVar(&f.from, "from", "earliest", "earliest, latest, an offset, or a time as 2006-01-02T15:04:05Z or 2006-01-02")
	c.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with records as they come")
	c.Flags().IntVarP(&f.partition, "partition", "p", -1, "this partition only")
	c.Flags().Int64VarP(&f.limit, "max", "n", 0, "stop after so many records")
	c.Flags().BoolVar(&f.json, "json", false, "print objects with partition, offset, time, key, value")
	c.Flags().StringVarP(&f.keys, "key-separator", "k", "", "print keys too, with this behind them")
	c.RunE = func(c *cobra.Command, args []string) error {
		return withTopic(args[0], *topic, func(t *commitlog.Topic) error {
			return consume(c.Context(), t, c.OutOrStdout(), f)
		})
	}
	return c
}

func consume(ctx context.Context, t *commitlog.Topic, out io.Writer, f consumeFlags) error {
	first, until, err := f.partitions(t)
	if err != nil {
		return err
	}
	p := &printer{out: bufio.NewWriterSize(out, 64<<10), flags: f, left: f.limit}
	g, gctx := errgroup.WithContext(ctx)
	if !f.follow {
		g.SetLimit(1) // one partition after the other
	}
	for part := first; part < until; part++ {
		g.Go(func() error { return p.partition(gctx, t, part) })
	}
	err = g.Wait()
	if errors.Is(err, errEnough) || f.follow && ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, p.out.Flush())
}

func (f *consumeFlags) partitions(t *commitlog.Topic) (first, until int, err error) {
	n, err := t.Partitions()
	if err != nil {
		return 0, 0, err
	}
	if f.partition < 0 {
		return 0, n, nil
	}
	if f.partition >= n {
		return 0, 0, fmt.Errorf("topic %s has partitions 0 to %d", t.Name(), n-1)
	}
	return f.partition, f.partition + 1, nil
}

// offset is where to begin in a partition. An offset that is not there is moved to the nearest that is, since partitions differ.
func (f *consumeFlags) offset(t *commitlog.Topic, part int) (int64, error) {
	b, err := t.Bounds(part)
	if err != nil {
		return 0, err
	}
	switch f.from {
	case "earliest":
		return b.Start, nil
	case "latest":
		return b.End, nil
	}
	if n, err := strconv.ParseInt(f.from, 10, 64); err == nil && n >= 0 {
		return min(max(n, b.Start), b.End), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, f.from); err == nil {
			return t.OffsetAt(part, at.UnixMicro())
		}
	}
	return 0, fmt.Errorf("%w: --from %q: want earliest, latest, an offset, or a time as 2006-01-02T15:04:05Z or 2006-01-02", errUsage, f.from)
}

// errEnough ends the printing after --max records.
var errEnough = errors.New("enough")

// printer writes records of several partitions to one output.
type printer struct {
	flags consumeFlags

	mu   sync.Mutex // guards out and left
	out  *bufio.Writer
	left int64
}

func (p *printer) partition(ctx context.Context, t *commitlog.Topic, part int) error {
	from, err := p.flags.offset(t, part)
	if err != nil {
		return err
	}
	b, err := t.Bounds(part)
	if err != nil {
		return err
	}
	r, err := t.Reader(part, from)
	if err != nil {
		return err
	}
	defer r.Close()
	for p.flags.follow || r.Offset() < b.End {
		blk, err := r.Next(ctx)
		if err != nil {
			return err
		}
		if !p.flags.follow {
			blk = blk.Slice(blk.First, b.End)
		}
		if err := p.block(part, blk); err != nil {
			return err
		}
	}
	return nil
}

// line is a record in the output of --json.
type line struct {
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	Time      time.Time `json:"time"`
	Key       *string   `json:"key"`
	Value     *string   `json:"value"`
}

func (p *printer) block(part int, b *records.Block) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range b.Len() {
		if p.flags.limit > 0 && p.left == 0 {
			return errEnough
		}
		p.left--
		if err := p.record(part, b, i); err != nil {
			return err
		}
	}
	if p.flags.limit > 0 && p.left == 0 {
		return errEnough
	}
	return p.out.Flush()
}

func (p *printer) record(part int, b *records.Block, i int) error {
	if p.flags.json {
		return json.NewEncoder(p.out).Encode(line{Partition: part, Offset: b.Offset(i), Time: time.UnixMicro(b.Times[i]).UTC(),
			Key: textPointer(b.Key(i)), Value: textPointer(b.Value(i))})
	}
	if p.flags.keys != "" {
		if _, err := fmt.Fprintf(p.out, "%s%s", b.Key(i), p.flags.keys); err != nil {
			return err
		}
	}
	if _, err := p.out.Write(b.Value(i)); err != nil {
		return err
	}
	return p.out.WriteByte('\n')
}

func textPointer(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}
