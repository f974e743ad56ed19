package plugintest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
)

func testScalars(t *testing.T, get func(string) plugins.Operator) {
	for i, in := range []*arrow.Schema{
		schemaOf(field("x", floats)), schemaOf(orNull(field("x", floats))),
	} {
		testScalar(t, get("half"), random(rand.New(rand.NewPCG(1, uint64(i))), in, 100), orNull(field("", floats)), func(rec arrow.Record, b array.Builder, i int) {
			b.(*array.Float64Builder).Append(rec.Column(0).(*array.Float64).Value(i) / 2)
		})
	}
	for i, in := range []*arrow.Schema{
		schemaOf(field("s", utf8), field("n", int64s)), schemaOf(orNull(field("s", utf8)), field("n", int64s)),
		schemaOf(field("s", utf8), orNull(field("n", int64s))), schemaOf(orNull(field("s", utf8)), orNull(field("n", int64s))),
	} {
		for _, n := range []int{0, 1, 50, 1500} {
			testScalar(t, get("label"), random(rand.New(rand.NewPCG(2, uint64(i))), in, n), orNull(field("", utf8)), func(rec arrow.Record, b array.Builder, i int) {
				b.(*array.StringBuilder).Append(rec.Column(0).(*array.String).Value(i) + ":" + strconv.FormatInt(rec.Column(1).(*array.Int64).Value(i), 10))
			})
		}
	}
	for i, f := range everyType().Fields() {
		in := random(rand.New(rand.NewPCG(3, uint64(i))), schemaOf(f), 40)
		testScalar(t, get("isnull"), in, field("", bools), func(rec arrow.Record, b array.Builder, i int) {
			b.(*array.BooleanBuilder).Append(rec.Column(0).IsNull(i))
		})
	}
	for _, c := range []struct {
		op   string
		args *arrow.Schema
	}{{"half", schemaOf()}, {"half", schemaOf(field("x", utf8))}, {"half", schemaOf(field("x", floats), field("y", floats))}, {"label", schemaOf(field("n", int64s), field("s", utf8))}, {"isnull", schemaOf()}} {
		s, err := get(c.op).Scalar(nil)
		if err == nil {
			_, err = s.Declare(c.args.Fields())
		}
		if err == nil {
			t.Errorf("%s takes %v", c.op, c.args)
		}
	}
}

// testScalar compares a function with what it is row by row. out is nullable if nulls in the arguments become nulls; it is declared so only where an argument is.
func testScalar(t *testing.T, op plugins.Operator, in arrow.Record, out arrow.Field, plain func(arrow.Record, array.Builder, int)) {
	t.Helper()
	s, err := op.Scalar(nil)
	must(t, err)
	got, err := s.Declare(in.Schema().Fields())
	must(t, err)
	passes := out.Nullable
	if out.Nullable = passes && slices.ContainsFunc(in.Schema().Fields(), func(f arrow.Field) bool { return f.Nullable }); got.Nullable != out.Nullable || !arrow.TypeEqual(got.Type, out.Type) {
		t.Fatalf("%s of %v is declared %v, want %v", op.Name, in.Schema(), got, out)
	}
	b := array.NewBuilder(alloc, out.Type)
	defer b.Release()
	for i := range int(in.NumRows()) {
		null := false
		for _, c := range in.Columns() {
			null = null || c.IsNull(i)
		}
		if null && passes {
			b.AppendNull()
		} else {
			plain(in, b, i)
		}
	}
	want := array.NewRecord(schemaOf(out), []arrow.Array{b.NewArray()}, in.NumRows())
	for range 2 {
		a, err := s.Eval(context.Background(), in)
		must(t, err)
		compare(t, array.NewRecord(schemaOf(out), []arrow.Array{a}, int64(a.Len())), want)
	}
}

func testAggregate(t *testing.T, get func(string) plugins.Operator) {
	in := schemaOf(field("more", utf8), field("x", floats), field("n", int64s))
	agg, err := get("sum").Aggregate(nil)
	must(t, err)
	partial, out, err := agg.Schemas(schemaOf(field("k", utf8)), in)
	must(t, err)
	r := rand.New(rand.NewPCG(5, 5))
	for _, size := range []int{0, 1, 10, 2000} {
		const keys = 7 // some have no rows
		want := [keys]part{}
		var partials []arrow.Record
		var ofPartials []int32
		for range 3 {
			rows := finite(random(r, in, size))
			of := make([]int32, size)
			for i := range of {
				of[i] = int32(r.IntN(keys - 1))
			}
			p, err := agg.Partial(context.Background(), batchOf, rows, of, keys)
			must(t, err)
			must(t, batch.CheckRecord(p, partial))
			sums := [keys]part{}
			for i, k := range of {
				sums[k] = part{sums[k].N + ints(rows, "n")[i], sums[k].X + rows.Column(1).(*array.Float64).Value(i), sums[k].Rows + 1}
			}
			compare(t, array.NewRecord(partial, p.Columns(), p.NumRows()), recordOf(t, sums[:]))
			for k, s := range sums {
				want[k] = part{want[k].N + s.N, want[k].X + s.X, want[k].Rows + s.Rows}
				ofPartials = append(ofPartials, int32(k))
			}
			partials = append(partials, p)
		}
		final := make([]total, keys)
		for k, p := range want {
			final[k] = total{p.N, p.X, p.Rows, nil}
			if p.Rows > 0 {
				mean := p.X / float64(p.Rows)
				final[k].Mean = &mean
			}
		}
		got, err := agg.Merge(context.Background(), batchOf, batch.Concat(partials), ofPartials, keys)
		must(t, err)
		must(t, batch.CheckRecord(got, out))
		compare(t, array.NewRecord(out, got.Columns(), got.NumRows()), recordOf(t, final))
	}
	if _, _, err := agg.Schemas(schemaOf(), schemaOf(field("n", int64s))); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("rows without x: error %v", err)
	}
}

func recordOf[T any](t *testing.T, rows []T) arrow.Record {
	t.Helper()
	rec, err := plugins.RecordOf(rows)
	must(t, err)
	return rec
}

// finite replaces what sums are no number of.
func finite(rec arrow.Record) arrow.Record {
	list := make([]float64, rec.NumRows())
	for i := range list {
		if list[i] = rec.Column(1).(*array.Float64).Value(i); list[i]-list[i] != 0 {
			list[i] = 0.1
		}
	}
	return array.NewRecord(rec.Schema(), []arrow.Array{rec.Column(0), column(field("x", floats), list), rec.Column(2)}, rec.NumRows())
}

// modelled is what the keyed operator must do, with a Go map.
type modelled struct {
	state map[int]*counter2
	outs  []string
}

type counter2 struct{ count, sum, due int64 }

func (m *modelled) step(time int64, fired []int, order []int, rows map[int][]int64) {
	for _, k := range fired {
		c := m.state[k]
		m.outs = append(m.outs, fmt.Sprint(k, " expired ", c.count, " ", c.sum))
		delete(m.state, k)
	}
	for _, k := range order {
		idle := true
		for _, n := range rows[k] {
			idle = idle && n == -2
		}
		if idle {
			continue
		}
		c := m.state[k]
		if c == nil {
			c = &counter2{}
		}
		for _, n := range rows[k] {
			c.count, c.sum = c.count+1, c.sum+n
		}
		if slices.Contains(rows[k], -1) {
			m.outs = append(m.outs, fmt.Sprint(k, " deleted ", c.count, " ", c.sum))
			delete(m.state, k)
			continue
		}
		switch {
		case slices.Contains(rows[k], -3):
			c.due = 0
		case c.count%3 > 0:
			c.due = time + 1_000_000*(c.count%3)
		}
		m.state[k] = c
		m.outs = append(m.outs, fmt.Sprint(k, " counted ", c.count, " ", c.sum))
	}
}

func testKeyed(t *testing.T, get func(string) plugins.Operator) {
	r := rand.New(rand.NewPCG(6, 6))
	for name, key := range map[string]*arrow.Schema{
		"int": schemaOf(field("k", int64s)), "text": schemaOf(field("key", utf8)),
		"two": schemaOf(field("a", utf8), field("b", arrow.PrimitiveTypes.Int32)), "null": schemaOf(orNull(field("a", utf8)), field("b", int64s)),
	} {
		t.Run(name, func(t *testing.T) { testKeys(t, get("count"), r, key) })
	}
	m, err := get("count").Keyed(nil)
	if err == nil {
		_, _, err = m.Schemas(schemaOf(field("k", int64s)), schemaOf(field("m", int64s)))
	}
	if err == nil || !strings.Contains(err.Error(), `"n"`) {
		t.Errorf("rows without n: error %v", err)
	}
}

// testKeys has some batches with a handful of keys, of all of which the numbers are known: distinct rows of the key's schema.
func testKeys(t *testing.T, op plugins.Operator, r *rand.Rand, key *arrow.Schema) {
	pool := distinct(r, key, 12)
	m, err := newMachine(op, key, schemaOf(field("text", utf8), field("n", int64s)))
	must(t, err)
	model := &modelled{state: map[int]*counter2{}}
	at := map[string]int{}
	for i := range pool.NumRows() {
		at[marshalled(pool.NewSlice(i, i+1))] = int(i)
	}
	for number := range 40 {
		time := int64(number+1) * 700_000
		n := r.IntN(30)
		if number%5 == 4 {
			n = 0 // timers alone
		}
		idx, ns, order, rows := make([]int32, n), make([]int64, n), []int{}, map[int][]int64{}
		for i := range idx {
			k := r.IntN(int(pool.NumRows()))
			idx[i], ns[i] = int32(k), int64(r.IntN(20)-3)
			if r.IntN(4) == 0 {
				ns[i] = -2
			}
			rows[k] = append(rows[k], ns[i])
		}
		fired := []int{}
		for _, e := range m.due(time) {
			fired = append(fired, at[marshalled(e.key)])
		}
		for _, k := range append(slices.Clone(fired), toInts(idx)...) { // numbers of keys: timers first, then first appearance
			if !slices.Contains(order, k) {
				order = append(order, k)
			}
		}
		order = slices.DeleteFunc(order, func(k int) bool { return rows[k] == nil })
		model.outs = nil
		model.step(time, fired, order, rows)
		keys, out, err := m.step(time, batch.Take(pool, idx), arrowRecord(m.in, repeated("t", int64(n)), ns))
		must(t, err)
		got := []string{}
		for i := range int(out.NumRows()) {
			got = append(got, fmt.Sprint(at[marshalled(keys.NewSlice(int64(i), int64(i+1)))], " ", out.Column(0).ValueStr(i), " ", ints(out, "count")[i], " ", ints(out, "sum")[i]))
		}
		if !slices.Equal(got, model.outs) && len(got)+len(model.outs) > 0 {
			t.Fatalf("batch %d gives\n%s\nwant\n%s", number, strings.Join(got, "\n"), strings.Join(model.outs, "\n"))
		}
		if len(m.entries) != len(model.state) {
			t.Fatalf("behind batch %d there are %d states, want %d", number, len(m.entries), len(model.state))
		}
		for _, e := range m.entries {
			if k := at[marshalled(e.key)]; e.due != model.state[k].due {
				t.Fatalf("behind batch %d the timer of key %d is at %d, want %d", number, k, e.due, model.state[k].due)
			}
		}
	}
}

func toInts(list []int32) []int {
	out := make([]int, len(list))
	for i, v := range list {
		out[i] = int(v)
	}
	return out
}

// marshalled is a record batch as a key of a Go map.
func marshalled(rec arrow.Record) string {
	var b strings.Builder
	for _, p := range batch.Marshal(rec, nil) {
		b.Write(p)
	}
	return b.String()
}

// distinct are random rows, each once.
func distinct(r *rand.Rand, s *arrow.Schema, n int) arrow.Record {
	all := random(r, s, 20*n)
	seen := map[string]bool{}
	var idx []int32
	for i := range all.NumRows() {
		if id := marshalled(all.NewSlice(i, i+1)); !seen[id] && len(idx) < n {
			seen[id] = true
			idx = append(idx, int32(i))
		}
	}
	return batch.Take(all, idx)
}
