package join

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

var (
	int64Type = arrow.PrimitiveTypes.Int64
	textType  = arrow.BinaryTypes.String
	timeType  = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
)

// event is a row of the tests. Key "" and time < 0 are nulls.
type event struct {
	key string
	at  int64
	v   int64
}

func schemaOf(v string) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "key", Type: textType, Nullable: true}, {Name: v + "at", Type: timeType, Nullable: true}, {Name: v, Type: int64Type}}, nil)
}

func batchOf(schema *arrow.Schema, events []event) *col.Batch {
	n := len(events)
	k, at, v := col.New(textType, n), col.New(timeType, n), col.New(int64Type, n)
	for i, e := range events {
		k.Texts[i], at.Ints[i], v.Ints[i] = e.key, e.at, e.v
		if e.key == "" {
			k.SetNull(i)
		}
		if e.at < 0 {
			at.SetNull(i)
		}
	}
	return col.Of(schema, n, k, at, v)
}

// specOf is a join on key of rows l and r.
func specOf(t testing.TB, kind Kind, cond string) Spec {
	t.Helper()
	return specFor(t, kind, cond, [2]*arrow.Schema{schemaOf("l"), schemaOf("r")})
}

func specFor(t testing.TB, kind Kind, cond string, schemas [2]*arrow.Schema) Spec {
	t.Helper()
	s := Spec{Kind: kind, Sides: [2]Side{{Schema: schemas[0]}, {Schema: schemas[1]}}}
	on := []On{{expr.Col("key"), expr.Col("key")}}
	errs := s.Prepare(on)
	var more []error
	s.Both, s.From, more = Columns(kind, s.Sides[0].Schema, s.Sides[1].Schema, on, "")
	if errs = append(errs, more...); len(errs) > 0 {
		t.Fatal(errs)
	}
	if s.Out = s.Both; !kind.Pairs() {
		s.Out = s.Sides[0].Schema
	}
	if cond != "" {
		var err error
		if s.If, err = expr.Bind(s.Both, expr.Col("l").Add(expr.Col("r")).Ne(7)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// world runs a wide operator in one goroutine: tasks that write, reduce partitions that keep state.
type world struct {
	t      testing.TB
	inputs []task.Input
	reduce func() task.Reducer
	stores [][2]*row.Codec // the first is State
	parts  int
	tables [][]*state.Table // by partition, store
	reads  []*state.Table   // of other operators: what tasks read of them is in all of these
	batch  int64
	before []int64
	late   int64
	chunk  int
	deltas [][]arrow.Record // by store
}

func newWorld(t testing.TB, inputs []task.Input, reduce func() task.Reducer, parts int, stores ...[2]*row.Codec) *world {
	w := &world{t: t, inputs: inputs, reduce: reduce, stores: stores, chunk: 3, deltas: make([][]arrow.Record, len(stores))}
	for range inputs {
		w.before = append(w.before, task.NoTime)
	}
	w.empty(parts)
	return w
}

func (w *world) empty(parts int) {
	w.parts, w.tables = parts, nil
	for range parts {
		var list []*state.Table
		for _, s := range w.stores {
			list = append(list, state.New(s[0], s[1], 0))
		}
		w.tables = append(w.tables, list)
	}
}

// restart throws the tables away and loads them from what batches have written, in another layout.
func (w *world) restart(parts int) {
	w.t.Helper()
	w.empty(parts)
	for p, list := range w.tables {
		from, until := (&task.Layout{Reduce: parts}).GroupsOf(p)
		for i, table := range list {
			for _, d := range w.deltas[i] {
				if err := table.Load(d, from, until, false); err != nil {
					w.t.Fatal(err)
				}
			}
			table.LoadedTo(w.batch)
		}
	}
}

// run is one batch: rows by input and source partition, and the watermarks behind it. It gives rows as text, sorted. The batch is computed, taken back, and computed again.
func (w *world) run(after []int64, in ...[]*col.Batch) []string {
	w.t.Helper()
	w.batch++
	late := w.late
	first := w.attempt(after, in)
	for _, list := range w.tables {
		for _, table := range list {
			table.Rollback(w.batch - 1)
		}
	}
	w.late = late
	again := w.attempt(after, in)
	if !slices.Equal(first, again) {
		w.t.Fatalf("batch %d: two attempts differ:\n%s\n\n%s", w.batch, strings.Join(first, "\n"), strings.Join(again, "\n"))
	}
	for _, list := range w.tables {
		for i, table := range list {
			if d := table.Delta(w.batch); d != nil {
				w.deltas[i] = append(w.deltas[i], d)
			}
			table.Forget(w.batch)
		}
	}
	w.before = after
	slices.Sort(again)
	return again
}

func (w *world) attempt(after []int64, in [][]*col.Batch) (out []string) {
	w.t.Helper()
	layout := &task.Layout{Reduce: w.parts}
	blocks := make([][][]arrow.Record, w.parts)
	for p := range blocks {
		blocks[p] = make([][]arrow.Record, len(w.inputs))
	}
	for i, input := range w.inputs {
		for src, b := range in[i] {
			writer, ctx := input.New(), &task.Context{Batch: w.batch, Layout: layout, Partition: src, Counters: &task.Counters{}}
			for lo := 0; lo < b.N; lo += w.chunk {
				idx := numbered(min(w.chunk, b.N-lo))
				for j := range idx {
					idx[j] += int32(lo)
				}
				w.must(writer.Add(ctx, task.Chunk{N: len(idx), Vals: b.Where(idx)}))
			}
			recs, err := writer.Flush(ctx)
			w.must(err)
			for p, rec := range recs {
				if rec != nil {
					blocks[p][i] = append(blocks[p][i], rec)
				}
			}
		}
	}
	for p := range w.parts {
		out = append(out, w.task(p, after, layout, blocks[p])...)
	}
	return out
}

// task runs a reduce partition, if it has something to do.
func (w *world) task(p int, after []int64, layout *task.Layout, in [][]arrow.Record) (out []string) {
	w.t.Helper()
	ctx := &task.Context{Batch: w.batch, Layout: layout, Partition: p, Counters: &task.Counters{}, Tables: w.reads}
	lowest := int64(task.EndOfTime)
	for i := range w.inputs {
		ctx.Marks = append(ctx.Marks, task.Mark{Before: w.before[i], After: after[i]})
		lowest = min(lowest, after[i])
	}
	busy := false
	for _, recs := range in {
		busy = busy || len(recs) > 0
	}
	for i, table := range w.tables[p] {
		table.Begin(w.batch)
		if due := table.NextDue(); due != 0 && due <= lowest {
			busy = true
		}
		if i == 0 {
			ctx.State = table
		} else {
			ctx.More = append(ctx.More, table)
		}
	}
	if busy {
		w.must(w.reduce().Reduce(ctx, in, func(c task.Chunk) error {
			out = append(out, texts(c.Vals.(*col.Batch))...)
			return nil
		}))
	}
	for _, table := range w.tables[p] {
		table.Seal()
	}
	w.late += ctx.Counters.Late
	return out
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// rows is how many rows all tables have.
func (w *world) rows() (n int) {
	for _, list := range w.tables {
		for _, table := range list {
			n += table.Len()
		}
	}
	return n
}

// texts shows rows: values between spaces, - for null.
func texts(b *col.Batch) []string {
	b = b.Dense()
	var out []string
	for i := range b.N {
		var cells []string
		for _, v := range b.Cols {
			switch {
			case v.IsNull(i):
				cells = append(cells, "-")
			case v.Kind == col.Bool:
				cells = append(cells, fmt.Sprint(v.Bools[i]))
			case v.Kind == col.Text:
				cells = append(cells, v.Texts[i])
			default:
				cells = append(cells, fmt.Sprint(v.Ints[i]))
			}
		}
		out = append(out, strings.Join(cells, " "))
	}
	return out
}
