package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
	"github.com/millrace/millrace/source"
	"github.com/millrace/millrace/source/sourcetest"
)

// ticker is a source of two partitions in memory: row i of one has offset 2i+1, and offsets between are gaps.
type ticker struct {
	mu    sync.Mutex
	rows  [2]int
	moved chan struct{} // closed and replaced when there are more
	ended bool
	blind bool // it does not know where partitions end
}

type tick struct {
	Part string
	N    int64
	Odd  *bool
}

var tickSchema = arrow.NewSchema([]arrow.Field{{Name: "part", Type: arrow.BinaryTypes.String}, {Name: "n", Type: int64Type}, {Name: "odd", Type: arrow.FixedWidthTypes.Boolean, Nullable: true}}, nil)

func newTicker(n int) *ticker {
	t := &ticker{moved: make(chan struct{})}
	t.feed(n)
	return t
}

func (t *ticker) op() plugins.Operator {
	return plugins.Operator{Name: "ticks", Source: func([]byte) (plugins.Source, error) { return t, nil }}
}

func (t *ticker) feed(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[0] += n / 2
	t.rows[1] += n - n/2
	close(t.moved)
	t.moved = make(chan struct{})
}

func (t *ticker) Schema() (*arrow.Schema, error) { return tickSchema, nil }

func (t *ticker) Partitions(context.Context) ([]plugins.Partition, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []plugins.Partition
	for i, n := range t.rows {
		end := int64(2 * n)
		if t.blind {
			end = -1
		}
		out = append(out, plugins.Partition{Key: string(rune('a' + i)), Meta: []byte{byte(i)}, End: end})
	}
	return out, nil
}

func (t *ticker) Read(ctx context.Context, p plugins.Partition, from int64, limit int) (plugins.Fetched, error) {
	for {
		t.mu.Lock()
		end, moved := int64(2*t.rows[p.Meta[0]]), t.moved
		t.mu.Unlock()
		if from < end {
			return t.some(p, from, min(end, from+17), end), nil
		}
		if t.ended {
			return plugins.Fetched{}, io.EOF
		}
		select {
		case <-ctx.Done():
			return plugins.Fetched{}, errors.New("interrupted")
		case <-moved:
		}
	}
}

func (t *ticker) some(p plugins.Partition, from, until, end int64) plugins.Fetched {
	if from%2 == 1 && from+1 < until && from%5 == 0 { // now and then one at a time
		until = from + 1
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, tickSchema)
	rows := plugins.Fetched{Next: until, End: end}
	for at := from; at < until; at++ {
		if at%2 == 0 {
			continue
		}
		b.Field(0).(*array.StringBuilder).Append(p.Key)
		b.Field(1).(*array.Int64Builder).Append(at)
		if at%3 == 0 {
			b.Field(2).AppendNull()
		} else {
			b.Field(2).(*array.BooleanBuilder).Append(at%4 == 1)
		}
		rows.Offsets = append(rows.Offsets, at)
	}
	if len(rows.Offsets) > 0 {
		rows.Rec = b.NewRecord()
	}
	if t.blind {
		rows.End = -1
	}
	return rows
}

func TestPluginSourceConforms(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		s := newTicker(0)
		return sourcetest.Fixture{Spec: dstream.Source[tick](s.op()).Spec(), Feed: s.feed}
	})
}

// What a source gives is checked.
func TestPluginSourceMistakes(t *testing.T) {
	type other struct{ Part string }
	build := func(op plugins.Operator, from func(*dstream.Job, plugins.Operator) dstream.Frame) error {
		job := dstream.NewJob(dstream.JobOptions{})
		job.Describe(func(job *dstream.Job) { from(job, op).To(sink.LogJSON("out")) })
		_, err := job.Plan()
		return err
	}
	ticks := func(job *dstream.Job, op plugins.Operator) dstream.Frame {
		return dstream.From(job, dstream.Source[tick](op)).Frame()
	}
	s := newTicker(0)
	if err := build(s.op(), ticks); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		`source "copies": it is of kind map; use it with Frame.Apply`: build(copies, ticks),
		`its rows are not dstream_test.other: column "n" has no field`: build(s.op(), func(job *dstream.Job, op plugins.Operator) dstream.Frame {
			return dstream.From(job, dstream.Source[other](op)).Frame()
		}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "plugin_ends_test.go:") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// place is where the test's sink writes: lanes whose rows and markers are there together.
type place struct {
	mu    sync.Mutex
	lanes map[int]*placeLane
}

type placeLane struct {
	owner  *placing // the last to take it over
	by     plugins.Owner
	marker []byte
	rows   []arrow.Record
}

func (p *place) op() plugins.Operator {
	return plugins.Operator{Name: "place", Sink: func([]byte) (plugins.Sink, error) { return p, nil }}
}

func (p *place) Check(rows *arrow.Schema, keys int) error {
	if rows.Field(0).Type.ID() == arrow.LIST {
		return errors.New("it takes no lists")
	}
	return nil
}

func (p *place) Lane(_ context.Context, n, _ int, o plugins.Owner) (plugins.Lane, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[n]
	if l == nil {
		l = &placeLane{}
		if p.lanes == nil {
			p.lanes = map[int]*placeLane{}
		}
		p.lanes[n] = l
	}
	if o.ID == l.by.ID && o.Epoch < l.by.Epoch {
		return nil, fmt.Errorf("epoch %d is behind %d", o.Epoch, l.by.Epoch)
	}
	l.by = o
	l.owner = &placing{p: p, l: l, staged: map[int64][]arrow.Record{}}
	return l.owner, nil
}

// all are the rows of all lanes.
func (p *place) all() []arrow.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []arrow.Record
	for n := range 16 {
		if l := p.lanes[n]; l != nil {
			out = append(out, l.rows...)
		}
	}
	return out
}

// placing is a lane in the hands of an owner.
type placing struct {
	p      *place
	l      *placeLane
	staged map[int64][]arrow.Record
}

func (l *placing) Marker() []byte {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	return l.l.marker
}

func (l *placing) Stage(_ context.Context, b plugins.Batch, rows []arrow.Record) error {
	for n := range l.staged {
		if n >= b.Number {
			delete(l.staged, n)
		}
	}
	l.staged[b.Number] = rows
	return nil
}

func (l *placing) Publish(_ context.Context, b plugins.Batch, marker []byte) error {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	rows, ok := l.staged[b.Number]
	if l.l.owner != l || !ok {
		return errors.New("fenced, or not staged")
	}
	delete(l.staged, b.Number)
	l.l.marker, l.l.rows = marker, append(l.l.rows, rows...)
	return nil
}

func (l *placing) Flush(context.Context) error { return nil }
func (l *placing) Close() error                { return nil }

func TestPluginSinkConforms(t *testing.T) {
	places := map[string]*place{}
	sinktest.Run(t, func(_ testing.TB, dir string) sinktest.Subject {
		p := places[dir]
		if p == nil {
			p = &place{}
			places[dir] = p
		}
		return sinktest.Subject{Spec: dstream.Sink(p.op()).Spec(), EpochsRefused: true, Read: func() (rows []sinktest.Row, err error) {
			for _, rec := range p.all() {
				for i := range int(rec.NumRows()) {
					rows = append(rows, sinktest.Row{Key: rec.Column(0).(*array.String).Value(i), Value: rec.Column(1).(*array.Int64).Value(i)})
				}
			}
			return rows, nil
		}}
	})
}

// From one plugin to another, through two runs of a job with a checkpoint: each row once, and with columns pushed down to the source.
func TestPluginEnds(t *testing.T) {
	s, out, dir := newTicker(5000), &place{}, t.TempDir()
	job := func(job *dstream.Job) {
		dstream.From(job, dstream.Source[tick](s.op())).Frame().Where(expr.Col("odd").IsNotNull()).Select("n", "part").KeyBy("part").To(dstream.Sink(out.op()))
	}
	for round := range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		err := driver.Run(ctx, job, driver.Config{Name: "ends", Master: "local[3]", Interval: 5 * time.Millisecond, Checkpoint: filepath.Join(dir, "checkpoint"), UntilCaughtUp: true, Log: slog.New(slog.DiscardHandler)})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]int64{}
		for _, rec := range out.all() {
			for i := range int(rec.NumRows()) {
				part := rec.Column(0).(*array.String).Value(i)
				got[part] = append(got[part], rec.Column(1).(*array.Int64).Value(i))
			}
		}
		for part, list := range got {
			var all []int64
			for at := int64(1); at < int64(5000*(round+1)); at += 2 {
				if at%3 != 0 {
					all = append(all, at)
				}
			}
			if diff := cmp.Diff(all, list); diff != "" {
				t.Fatalf("round %d, part %s: %s", round, part, diff)
			}
		}
		if len(got) != 2 {
			t.Fatalf("parts %v", got)
		}
		s.feed(5000)
	}
}

// A source that does not know its ends is read until there is no more.
func TestPluginSourceWithoutEnds(t *testing.T) {
	s := newTicker(300)
	s.ended, s.blind = true, true
	var got []int64
	err := driver.RunBatch(t.Context(), driver.Config{Name: "blind", Master: "local[2]", Log: slog.New(slog.DiscardHandler)}, func(ctx context.Context) error {
		rows, err := source.Read(dstream.Source[tick](s.op())).Map(func(t tick) int64 { return t.N }).Collect(ctx)
		got = rows
		return err
	})
	if err != nil || len(got) != 300 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	slices.Sort(got)
	var batches [][]tick
	err = driver.Run(t.Context(), func(job *dstream.Job) {
		dstream.From(job, dstream.Source[tick](s.op())).ForeachBatch(func(ctx context.Context, _ dstream.Batch, rows rdd.RDD[tick]) error {
			list, err := rows.Collect(ctx)
			batches = append(batches, list)
			return err
		})
	}, driver.Config{Name: "blind", Master: "local[2]", Interval: 5 * time.Millisecond, Finish: true, Log: slog.New(slog.DiscardHandler)})
	if n := len(slices.Concat(batches...)); err != nil || n != 300 {
		t.Errorf("%d rows, %v", n, err)
	}
}
