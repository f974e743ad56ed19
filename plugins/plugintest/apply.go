package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
)

// Configure is an operator with its configuration, for the functions of this package that take none.
func Configure(op plugins.Operator, config string) plugins.Operator {
	c := []byte(config)
	return plugins.Operator{Name: op.Name, Doc: op.Doc, Map: bound(op.Map, c), Scalar: bound(op.Scalar, c), Aggregate: bound(op.Aggregate, c), Keyed: bound(op.Keyed, c), Source: bound(op.Source, c), Sink: bound(op.Sink, c)}
}

func bound[T any](f func([]byte) (T, error), config []byte) func([]byte) (T, error) {
	if f == nil {
		return nil
	}
	return func([]byte) (T, error) { return f(config) }
}

// Apply gives rows to a map as the engine does, and is what comes of them: all columns of the output that Out has. Errors of the operator fail the test, and so does an operator whose output
// depends on how rows are cut into record batches, or that gives other bytes when it is called again.
func Apply[In, Out any](t testing.TB, op plugins.Operator, rows ...In) []Out {
	t.Helper()
	in, err := plugins.RecordOf(rows)
	if err != nil {
		t.Fatal(err)
	}
	out, err := ApplyRecord(op, in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := plugins.RowsOf[Out](out)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TryApply is Apply for rows that the operator is to fail for, and is its error; nil: it did not.
func TryApply[In any](t testing.TB, op plugins.Operator, rows ...In) error {
	t.Helper()
	in, err := plugins.RecordOf(rows)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ApplyRecord(op, in)
	return err
}

// ApplyRecord is Apply for a record batch, and what comes of it with all columns.
func ApplyRecord(op plugins.Operator, in arrow.Record) (arrow.Record, error) {
	m, err := newMapper(op, in.Schema())
	if err != nil {
		return nil, err
	}
	whole, err := m.process(in)
	if err != nil {
		return nil, err
	}
	for _, size := range []int{1, 3, max(1, int(in.NumRows()))} {
		if size == 1 && in.NumRows() > 200 {
			continue
		}
		again, err := m.cut(in, size)
		if err != nil {
			return nil, err
		}
		if !Same(again, whole) {
			return nil, fmt.Errorf("operator %q gives other rows when they come %d at a time, or when they come again: what it does with a row must depend on the row alone\nat once: %v\nthen: %v", op.Name, size, whole, again)
		}
	}
	return whole, nil
}

// Same tells whether record batches have equal columns: the bytes that the engine hashes are the same. Names do not matter.
func Same(a, b arrow.Record) bool {
	if a.NumRows() != b.NumRows() || a.NumCols() != b.NumCols() {
		return false
	}
	for i := range int(a.NumCols()) {
		if !arrow.TypeEqual(a.Column(i).DataType(), b.Column(i).DataType()) {
			return false
		}
	}
	return bytes.Equal(bytes.Join(batch.Marshal(a, nil), nil), bytes.Join(batch.Marshal(b, nil), nil))
}

// mapper calls an instance of a map for rows of one schema.
type mapper struct {
	m    plugins.Map
	in   *arrow.Schema
	decl plugins.Declaration
	b    plugins.Batch
}

func newMapper(op plugins.Operator, in *arrow.Schema) (*mapper, error) {
	if op.Map == nil {
		return nil, fmt.Errorf("operator %q is a %s, not a map", op.Name, op.Kind())
	}
	m, err := op.Map(nil)
	if err != nil {
		return nil, err
	}
	decl, err := m.Declare(in)
	if err == nil {
		err = decl.Check(in)
	}
	return &mapper{m: m, in: in, decl: decl}, err
}

// read is what the operator is given of a record batch.
func (m *mapper) read(in arrow.Record) arrow.Record {
	if m.decl.Reads == nil {
		return in
	}
	cols := make([]arrow.Array, len(m.decl.Reads))
	for i, c := range m.decl.Reads {
		cols[i] = in.Column(c)
	}
	return array.NewRecord(m.decl.Input(m.in), cols, in.NumRows())
}

func (m *mapper) process(in arrow.Record) (arrow.Record, error) {
	res, err := m.m.Process(context.Background(), m.b, m.read(in))
	if err != nil {
		return nil, err
	}
	return m.output(in, res)
}

// output is whole rows: what was computed beside what is kept.
func (m *mapper) output(in arrow.Record, res plugins.Result) (arrow.Record, error) {
	computed := m.decl.Computed()
	if err := m.check(in, res, computed); err != nil {
		return nil, err
	}
	kept := in
	if res.From != nil && m.decl.Keeps != nil {
		kept = batch.Take(in, res.From)
	}
	cols := make([]arrow.Array, m.decl.Output.NumFields())
	for i, k := range m.decl.Keeps {
		if k >= 0 {
			cols[i] = kept.Column(k)
		}
	}
	for i, c := range computed {
		if res.N == 0 {
			cols[c] = array.MakeArrayOfNull(alloc, m.decl.Output.Field(c).Type, 0)
			continue
		}
		cols[c] = res.Rec.Column(i)
	}
	return array.NewRecord(m.decl.Output, cols, int64(res.N)), nil
}

// check holds a result against the contract.
func (m *mapper) check(in arrow.Record, res plugins.Result, computed []int) error {
	keeps := len(computed) < m.decl.Output.NumFields()
	for i, r := range res.From {
		if r < 0 || int64(r) >= in.NumRows() {
			return fmt.Errorf("row %d comes from row %d of %d", i, r, in.NumRows())
		}
	}
	switch {
	case res.From != nil && len(res.From) != res.N:
		return fmt.Errorf("%d rows come from %d", res.N, len(res.From))
	case res.From == nil && keeps && int64(res.N) != in.NumRows():
		return fmt.Errorf("%d rows for %d, and nothing says which they come from", res.N, in.NumRows())
	case res.N > 0 && len(computed) > 0 && res.Rec == nil:
		return fmt.Errorf("%d rows without the columns that are computed", res.N)
	case res.Rec == nil:
		return nil
	case res.Rec.NumRows() != int64(res.N):
		return fmt.Errorf("%d rows in a result of %d", res.Rec.NumRows(), res.N)
	}
	fields := make([]arrow.Field, len(computed))
	for i, c := range computed {
		fields[i] = m.decl.Output.Field(c)
	}
	return batch.CheckRecord(res.Rec, arrow.NewSchema(fields, nil))
}

// cut processes rows some at a time, pipelined where the operator is.
func (m *mapper) cut(in arrow.Record, size int) (arrow.Record, error) {
	var pieces, out []arrow.Record
	for lo := int64(0); lo == 0 || lo < in.NumRows(); lo += int64(size) {
		pieces = append(pieces, in.NewSlice(lo, min(lo+int64(size), in.NumRows())))
	}
	if p, ok := m.m.(plugins.Pipelined); ok {
		return m.pipelined(p, pieces)
	}
	for _, p := range pieces {
		rec, err := m.process(p)
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return concat(out), nil
}

func (m *mapper) pipelined(p plugins.Pipelined, pieces []arrow.Record) (arrow.Record, error) {
	ctx := context.Background()
	var out []arrow.Record
	sent := 0
	for done := range pieces {
		for ; sent < len(pieces) && sent-done < p.Window(); sent++ {
			if err := p.Send(ctx, m.b, m.read(pieces[sent])); err != nil {
				return nil, errors.Join(err, p.Close())
			}
		}
		res, err := p.Receive(ctx)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		rec, err := m.output(pieces[done], res)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		out = append(out, rec)
	}
	return concat(out), p.Close()
}

// concat joins record batches, also such without columns.
func concat(recs []arrow.Record) arrow.Record {
	n := int64(0)
	for _, r := range recs {
		n += r.NumRows()
	}
	if recs[0].NumCols() == 0 {
		return array.NewRecord(recs[0].Schema(), nil, n)
	}
	return batch.Concat(recs)
}
