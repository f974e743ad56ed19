package eventwindow

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// event is a row of the tests: at < 0 is a row without a time.
type event struct {
	key string
	at  int64
	v   int64
}

var eventSchema = arrow.NewSchema([]arrow.Field{
	{Name: "key", Type: arrow.BinaryTypes.String},
	{Name: "at", Type: timeType, Nullable: true},
	{Name: "v", Type: arrow.PrimitiveTypes.Int64},
}, nil)

func eventBatch(events []event) *col.Batch {
	n := len(events)
	k, at, v := col.New(arrow.BinaryTypes.String, n), col.New(timeType, n), col.New(arrow.PrimitiveTypes.Int64, n)
	for i, e := range events {
		k.Texts[i], at.Ints[i], v.Ints[i] = e.key, e.at, e.v
		if e.at < 0 {
			at.SetNull(i)
		}
	}
	return col.Of(eventSchema, n, k, at, v)
}

func bound(t testing.TB, name string) *expr.Bound {
	t.Helper()
	b, err := expr.Bind(eventSchema, expr.Col(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// world runs an aggregation in one goroutine: tasks that write, reduce partitions that keep state.
type world struct {
	t        testing.TB
	op       operator
	parts    int
	tables   []*state.Table
	more     [][]*state.Table
	batch    int64
	before   int64
	late     int64
	shed     int64
	mayFail  bool
	err      error // of the last task
	chunk    int
	both     *Aggregation // gives late rows
	lateRows []string
	silent   bool // gives no rows
	deltas   bool // takes what is written to a checkpoint
}

// newWorld has the keys, the time, and count(*) and sum(v).
func newWorld(t testing.TB, spec Spec, emit Emit, parts int) *world {
	t.Helper()
	a := &Aggregation{Name: "w", Spec: spec, Emit: emit, Time: bound(t, "at"), Keys: []*expr.Bound{bound(t, "key")}, Set: countSum(t), Rows: eventSchema}
	if spec.Batch || !spec.Timed() {
		a.Time = nil
	}
	if err := a.Prepare(); err != nil {
		t.Fatal(err)
	}
	return worldOf(t, a, a.Key, a.State, parts)
}

// operator is a wide operator.
type operator interface {
	Input() task.Input
	New() task.Reducer
}

// worldOf runs any operator.
func worldOf(t testing.TB, op operator, key, val *row.Codec, parts int) *world {
	w := &world{t: t, op: op, parts: parts, before: task.NoTime, chunk: 3}
	for range parts {
		w.tables = append(w.tables, state.New(key, val, 0))
		w.more = append(w.more, []*state.Table{state.New(key, ChangedVal(), 0)})
	}
	return w
}

// run is one batch: rows of each source partition, and the watermark behind it. It gives rows as text, sorted.
func (w *world) run(after int64, sources ...[]event) []string {
	w.t.Helper()
	out := w.attempt(w.batch+1, after, sources)
	slices.Sort(out)
	return out
}

func (w *world) attempt(now, after int64, sources [][]event) []string {
	w.t.Helper()
	w.batch++
	layout := &task.Layout{Reduce: w.parts}
	in := make([][2][]arrow.Record, w.parts)
	for p, events := range sources {
		ctx := &task.Context{Batch: w.batch, Time: now, Layout: layout, Partition: p, Counters: &task.Counters{}}
		for i, recs := range w.write(ctx, events) {
			for r, rec := range recs {
				if rec != nil {
					in[r][i] = append(in[r][i], rec)
				}
			}
		}
		w.late += ctx.Counters.Late
	}
	var out []string
	for r := range w.parts {
		ctx := &task.Context{
			Batch: w.batch, Time: now, Layout: layout, Partition: r, Counters: &task.Counters{}, State: w.tables[r], More: w.more[r],
			Marks: []task.Mark{{Before: w.before, After: after}}, Final: after == task.EndOfTime,
		}
		tables := append([]*state.Table{w.tables[r]}, w.more[r]...)
		for _, t := range tables {
			t.Begin(w.batch)
		}
		err := w.op.New().Reduce(ctx, in[r][:], func(c task.Chunk) error {
			if w.both != nil {
				late, _ := Part(eventSchema, true, 1+w.both.Out.NumFields())().Process(ctx, c)
				w.lateRows = append(w.lateRows, texts(w.t, late)...)
				c, _ = Part(w.both.Out, false, 1)().Process(ctx, c)
			}
			if !w.silent {
				out = append(out, texts(w.t, c)...)
			}
			return nil
		})
		if err != nil && !w.mayFail {
			w.t.Fatal(err)
		}
		w.err = err
		for _, t := range tables {
			t.Seal()
			if w.deltas {
				t.Delta(w.batch)
			}
			t.Forget(w.batch)
		}
		w.late += ctx.Counters.Late
		w.shed += ctx.Counters.Shed
	}
	w.before = after
	return out
}

// write is what a task sends, by input and reduce partition.
func (w *world) write(ctx *task.Context, events []event) (out [][]arrow.Record) {
	inputs := []task.Input{w.op.Input()}
	if w.both != nil {
		inputs = append(inputs, w.both.LateInput())
	}
	for _, in := range inputs {
		wr := in.New()
		for lo := 0; lo < len(events); lo += w.chunk {
			b := eventBatch(events[lo:min(lo+w.chunk, len(events))])
			if err := wr.Add(ctx, task.Chunk{N: b.N, Vals: b}); err != nil {
				w.t.Fatal(err)
			}
		}
		recs, err := wr.Flush(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, recs)
	}
	return out
}

// withLate lets the operator give late rows too.
func (w *world) withLate() *world {
	w.both = w.op.(*Aggregation)
	if err := w.both.WithLate(); err != nil {
		w.t.Fatal(err)
	}
	return w
}

// open is how many rows of state there are.
func (w *world) open() (n int) {
	for _, t := range w.tables {
		n += t.Len()
	}
	return n
}

// texts are rows as "a [0 10) 2 30", and checks that they are rows of the codec.
func texts(t testing.TB, c task.Chunk) []string {
	t.Helper()
	b := c.Vals.(*col.Batch)
	codec, err := row.OfSchema(b.Schema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := codec.Rows(b.Arrays(nil), nil); err != nil {
		t.Fatal(err)
	}
	var out []string
	b = b.Dense()
	for i := range b.N {
		var parts []string
		for j, f := range b.Schema.Fields() {
			v := b.Cols[j]
			switch {
			case v.IsNull(i):
				parts = append(parts, "null")
			case f.Name == "window_start":
				parts = append(parts, fmt.Sprintf("[%d", v.Ints[i]))
			case f.Name == "window_end":
				parts = append(parts, fmt.Sprintf("%d)", v.Ints[i]))
			case v.Kind == col.Text:
				parts = append(parts, v.Texts[i])
			default:
				parts = append(parts, fmt.Sprint(v.Ints[i]))
			}
		}
		out = append(out, strings.Join(parts, " "))
	}
	return out
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// countSum is count(*) and sum(v).
func countSum(t testing.TB) *agg.Set {
	t.Helper()
	s, err := agg.Bind(eventSchema, []expr.Agg{expr.Count().As("n"), expr.Sum("v").As("sum")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
