package plugintest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
)

// Steps calls a keyed operator batch by batch, and keeps its state and timers as the engine does. In a job a Steps is one partition.
type Steps[K, In, Out any] struct {
	t testing.TB
	m *machine
}

// Row is a row under a key.
type Row[K, V any] struct {
	Key K
	Row V
}

// Under is a row under a key.
func Under[K, V any](key K, row V) Row[K, V] { return Row[K, V]{key, row} }

// NewSteps begins without state.
func NewSteps[K, In, Out any](t testing.TB, op plugins.Operator) *Steps[K, In, Out] {
	t.Helper()
	key, keyErr := plugins.SchemaOf[K]()
	in, inErr := plugins.SchemaOf[In]()
	must(t, keyErr)
	must(t, inErr)
	m, err := newMachine(op, key, in)
	must(t, err)
	return &Steps[K, In, Out]{t, m}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Batch gives the operator the rows of a batch at a time, in µs since 1970, and is what comes out. Timers that are due by then fire. Errors fail the test.
func (s *Steps[K, In, Out]) Batch(time int64, rows ...Row[K, In]) []Row[K, Out] {
	s.t.Helper()
	keys, values := make([]K, len(rows)), make([]In, len(rows))
	for i, r := range rows {
		keys[i], values[i] = r.Key, r.Row
	}
	keyRec, err := plugins.RecordOf(keys)
	must(s.t, err)
	rec, err := plugins.RecordOf(values)
	must(s.t, err)
	outKeys, out, err := s.m.step(time, keyRec, rec)
	must(s.t, err)
	ks, err := plugins.RowsOf[K](outKeys)
	must(s.t, err)
	os, err := plugins.RowsOf[Out](out)
	must(s.t, err)
	result := make([]Row[K, Out], len(os))
	for i := range os {
		result[i] = Row[K, Out]{ks[i], os[i]}
	}
	return result
}

// Keys is how many keys have a state.
func (s *Steps[K, In, Out]) Keys() int { return len(s.m.entries) }

// machine keeps the state of a keyed operator.
type machine struct {
	k          plugins.Keyed
	key, in    *arrow.Schema
	state, out *arrow.Schema
	entries    map[string]*entry // by the key's bytes
	number     int64             // of the next batch
}

// entry is a key with a state.
type entry struct {
	id    string
	key   arrow.Record // one row
	state arrow.Record // one row
	due   int64        // 0: never
}

func newMachine(op plugins.Operator, key, in *arrow.Schema) (*machine, error) {
	k, err := op.Keyed(nil)
	if err != nil {
		return nil, err
	}
	m := &machine{k: k, key: key, in: in, entries: map[string]*entry{}}
	m.state, m.out, err = k.Schemas(key, in)
	return m, err
}

// step gives the operator a batch. The keys of the rows that come out are beside them.
func (m *machine) step(time int64, keys, rows arrow.Record) (outKeys, out arrow.Record, err error) {
	list := m.due(time)
	fired := len(list)
	number := map[string]int32{}
	for i, e := range list {
		number[e.id] = int32(i)
	}
	of := make([]int32, rows.NumRows())
	for i := range of {
		key := keys.NewSlice(int64(i), int64(i+1))
		id := string(bytes.Join(batch.Marshal(key, nil), nil))
		n, ok := number[id]
		if !ok {
			n = int32(len(list))
			number[id] = n
			e := m.entries[id]
			if e == nil {
				e = &entry{id: id, key: key}
			}
			list = append(list, e)
		}
		of[i] = n
	}
	if len(list) == 0 {
		return keys.NewSlice(0, 0), emptyRecord(m.out, 0), nil
	}
	in := m.input(list, fired)
	if in.Of = of; len(of) > 0 {
		in.Rows = rows
	}
	res, err := m.k.Update(context.Background(), plugins.Batch{Number: m.number, Time: time}, in)
	m.number++
	if err == nil {
		err = res.Check(m.state, m.out, len(list))
	}
	if err != nil {
		return nil, nil, err
	}
	m.keep(list, fired, res)
	if res.Out == nil {
		return keys.NewSlice(0, 0), emptyRecord(m.out, 0), nil
	}
	return batch.Take(in.Keys, res.OutOf), res.Out, nil
}

// due are the keys whose timers fire, in order of time and then key.
func (m *machine) due(time int64) []*entry {
	var list []*entry
	for _, e := range m.entries {
		if e.due > 0 && e.due <= time {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int {
		if a.due != b.due {
			return int(a.due - b.due)
		}
		return strings.Compare(a.id, b.id)
	})
	return list
}

func (m *machine) input(list []*entry, fired int) plugins.KeyedInput {
	in := plugins.KeyedInput{Exists: make([]bool, len(list)), Due: make([]bool, len(list)), Timers: make([]int64, len(list))}
	var keys, states []arrow.Record
	for i, e := range list {
		keys = append(keys, e.key)
		if in.Exists[i], in.Due[i] = e.state != nil, i < fired; i >= fired {
			in.Timers[i] = e.due
		}
		if e.state != nil {
			states = append(states, e.state)
		} else {
			states = append(states, emptyRecord(m.state, 1))
		}
	}
	in.Keys, in.State = batch.Concat(keys), batch.Concat(states)
	return in
}

// keep stores what becomes of the keys.
func (m *machine) keep(list []*entry, fired int, res plugins.KeyedOutput) {
	for i, e := range list {
		if i < fired {
			e.due = 0
		}
		switch res.Actions[i] {
		case plugins.Set:
			e.state, e.due = batch.Take(res.State, []int32{int32(i)}), res.Timers[i]
			m.entries[e.id] = e
		case plugins.Delete:
			delete(m.entries, e.id)
		}
	}
}

// emptyRecord is n rows of zero values.
func emptyRecord(s *arrow.Schema, n int) arrow.Record {
	b := array.NewRecordBuilder(alloc, s)
	defer b.Release()
	for _, f := range b.Fields() {
		for range n {
			f.AppendEmptyValue()
		}
	}
	return b.NewRecord()
}

// Total gives rows to an aggregate as the engine does, all under one key, in several partial results, and is the final one. Errors fail the test, and so does a result that depends on how rows
// are cut; the rounding of floats counts as such, so give it floats whose sums are exact.
func Total[In, Out any](t testing.TB, op plugins.Operator, rows ...In) Out {
	t.Helper()
	in, err := plugins.RecordOf(rows)
	must(t, err)
	agg, err := op.Aggregate(nil)
	must(t, err)
	_, _, err = agg.Schemas(schemaOf(field("key", int64s)), in.Schema())
	must(t, err)
	var first arrow.Record
	for _, size := range []int{len(rows), 1, 3} {
		var partials []arrow.Record
		for lo := 0; lo == 0 || lo < len(rows); lo += max(size, 1) {
			piece := in.NewSlice(int64(lo), int64(min(lo+max(size, 1), len(rows))))
			p, err := agg.Partial(context.Background(), plugins.Batch{}, piece, make([]int32, piece.NumRows()), 1)
			must(t, err)
			partials = append(partials, p)
		}
		all := batch.Concat(partials)
		out, err := agg.Merge(context.Background(), plugins.Batch{}, all, make([]int32, all.NumRows()), 1)
		must(t, err)
		if first == nil {
			first = out
		} else if !Same(first, out) {
			t.Fatalf("operator %q gives another result when rows come %d at a time: adding and merging must come to the same\nat once: %v\nthen: %v", op.Name, size, first, out)
		}
	}
	outs, err := plugins.RowsOf[Out](first)
	must(t, err)
	return outs[0]
}
