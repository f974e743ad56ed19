package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/row"
)

// Rows is a Map that gives one row for each: the columns of the output are those of Out. f must depend on its argument alone (I2), and may keep what it is given.
//
// In and Out are structs whose fields are columns, as those of a job's rows are: under the field's name in snake case, or under that of the tag `arrow:"name"`. A column of In must be in
// the input, by name; numbers are widened where that loses nothing, and a column that may be null needs a field that is a pointer. What else is in the input is not read. A type
// that is no struct is one column, "value". What does not fit is an error while the job is built, with the name that was probably meant.
func Rows[In, Out any](name string, f func(In) Out) Operator {
	return mapping(name, anew[Out], func(rows []In, w *written[Out]) error {
		for _, r := range rows {
			w.rows = append(w.rows, f(r))
		}
		return nil
	})
}

// TryRows is Rows for functions that may fail. An error fails the batch, with the row in its message; the engine tries again, and stops the job in the end: it is no way to leave a
// row out, FlatRows is.
func TryRows[In, Out any](name string, f func(In) (Out, error)) Operator {
	return mapping(name, anew[Out], func(rows []In, w *written[Out]) error {
		for _, r := range rows {
			out, err := f(r)
			if err != nil {
				return failed(r, err)
			}
			w.rows = append(w.rows, out)
		}
		return nil
	})
}

// FlatRows is Rows for any number of rows, those that f emits, in that order. emit is valid during the call only.
func FlatRows[In, Out any](name string, f func(in In, emit func(Out))) Operator {
	return TryFlatRows(name, func(in In, emit func(Out)) error {
		f(in, emit)
		return nil
	})
}

// TryFlatRows is FlatRows for functions that may fail, as TryRows is of Rows.
func TryFlatRows[In, Out any](name string, f func(in In, emit func(Out)) error) Operator {
	return mapping(name, anew[Out], func(rows []In, w *written[Out]) error {
		emit := func(o Out) { w.rows = append(w.rows, o) }
		for _, r := range rows {
			if err := f(r, emit); err != nil {
				return failed(r, err)
			}
		}
		return nil
	})
}

// With is a Map that adds the columns of Add to each row and keeps all others, which are neither decoded nor sent to a process. A column of Add that has
// the name of one of the input replaces it, in its place. In and Add are as in Rows.
func With[In, Add any](name string, f func(In) Add) Operator {
	return mapping(name, added[In, Add], func(rows []In, w *written[Add]) error {
		for _, r := range rows {
			w.rows = append(w.rows, f(r))
		}
		return nil
	})
}

// TryWith is With for functions that may fail, as TryRows is of Rows.
func TryWith[In, Add any](name string, f func(In) (Add, error)) Operator {
	return mapping(name, added[In, Add], func(rows []In, w *written[Add]) error {
		for _, r := range rows {
			out, err := f(r)
			if err != nil {
				return failed(r, err)
			}
			w.rows = append(w.rows, out)
		}
		return nil
	})
}

// FlatWith is With for any number of rows: a row goes out as often as f emits for it, with what was emitted.
func FlatWith[In, Add any](name string, f func(in In, emit func(Add))) Operator {
	return mapping(name, added[In, Add], func(rows []In, w *written[Add]) error {
		if w.from == nil {
			w.from = []int32{} // none is another answer than all
		}
		at := int32(0)
		emit := func(a Add) {
			w.rows = append(w.rows, a)
			w.from = append(w.from, at)
		}
		for i, r := range rows {
			at = int32(w.first + i)
			f(r, emit)
		}
		return nil
	})
}

// anew declares output that is computed.
func anew[Out any](in *arrow.Schema, at []int) (Declaration, error) {
	out, err := row.For[Out]()
	if err != nil {
		return Declaration{}, err
	}
	return Declaration{Output: out.Schema(), Reads: ascending(at)}, nil
}

// added declares output that is the input and more. The columns that are replaced are among those that are read: their order in a record batch is the one in which they are given.
func added[In, Add any](in *arrow.Schema, at []int) (Declaration, error) {
	add, err := row.For[Add]()
	if err != nil {
		return Declaration{}, err
	}
	d := Declaration{}
	fields := slices.Clone(in.Fields())
	for i := range fields {
		d.Keeps = append(d.Keeps, i)
	}
	for _, f := range add.Schema().Fields() {
		if i := slices.IndexFunc(in.Fields(), func(g arrow.Field) bool { return g.Name == f.Name }); i >= 0 {
			fields[i], d.Keeps[i] = f, -1
			at = append(at, i)
			continue
		}
		fields, d.Keeps = append(fields, f), append(d.Keeps, -1)
	}
	d.Output, d.Reads = arrow.NewSchema(fields, nil), ascending(at)
	return d, nil
}

// ascending are numbers in order, each once.
func ascending(at []int) []int {
	out := append([]int{}, at...)
	slices.Sort(out)
	return slices.Compact(out)
}

// computed are the numbers of the codec's columns in the order in which Process gives them: those that replace one of the input stand where that is.
func computed(codec *row.Codec, in *arrow.Schema) []int {
	place := func(i int) int {
		name := codec.Schema().Field(i).Name
		at := slices.IndexFunc(in.Fields(), func(f arrow.Field) bool { return f.Name == name })
		if at < 0 {
			return in.NumFields()
		}
		return at
	}
	order := make([]int, codec.Schema().NumFields())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return place(a) - place(b) })
	return order
}

// pieceRows is how many rows are Go values at a time: few enough that they stay in the processor's cache.
const pieceRows = 512

// written is what a function gave for the rows of a record batch.
type written[Out any] struct {
	rows  []Out
	from  []int32 // not nil: the row of the record batch that each comes from
	first int     // number of the first row of the piece
}

// mapping is an operator of a function that is called with pieces of the input.
func mapping[In, Out any](name string, declare func(*arrow.Schema, []int) (Declaration, error), f func([]In, *written[Out]) error) Operator {
	return Operator{Name: name, Map: func(config []byte) (Map, error) {
		in, inErr := newReader[In]()
		out, outErr := row.For[Out]()
		if err := errors.Join(plain(config), inErr, outErr); err != nil {
			return nil, err
		}
		return &typedMap[In, Out]{in: in, out: out, declare: declare, f: f}, nil
	}}
}

type typedMap[In, Out any] struct {
	in      *reader[In]
	out     *row.Codec
	declare func(*arrow.Schema, []int) (Declaration, error)
	f       func([]In, *written[Out]) error

	schema *arrow.Schema // of the last record batch
	result *arrow.Schema // of the columns that are computed for it
	order  []int         // of them
	rows   []Out         // memory of written
}

func (m *typedMap[In, Out]) Declare(in *arrow.Schema) (Declaration, error) {
	at, err := find(m.in.codec, in)
	if err != nil {
		return Declaration{}, err
	}
	return m.declare(in, at)
}

func (m *typedMap[In, Out]) Process(ctx context.Context, _ Batch, in arrow.Record) (Result, error) {
	n := int(in.NumRows())
	if n == 0 {
		return Result{}, nil
	}
	w := &written[Out]{rows: slices.Grow(m.rows[:0], n)}
	if err := eachPiece(ctx, m.in, in, func(rows []In, first int) error {
		w.first = first
		return m.f(rows, w)
	}); err != nil {
		return Result{}, err
	}
	res := Result{N: len(w.rows), From: w.from}
	if res.N > 0 {
		res.Rec = m.record(in.Schema(), w.rows)
	}
	clear(w.rows) // nothing of the user's is kept alive
	m.rows = w.rows
	return res, nil
}

// record is computed rows, in the order of the declaration.
func (m *typedMap[In, Out]) record(in *arrow.Schema, rows []Out) arrow.Record {
	if in != m.schema {
		m.schema, m.order = in, computed(m.out, in)
		fields := make([]arrow.Field, len(m.order))
		for i, c := range m.order {
			fields[i] = m.out.Schema().Field(c)
		}
		m.result = arrow.NewSchema(fields, nil)
	}
	cols := m.out.Columns(rows, nil)
	ordered := make([]arrow.Array, len(cols))
	for i, c := range m.order {
		ordered[i] = cols[c]
	}
	return array.NewRecord(m.result, ordered, int64(len(rows)))
}

// eachPiece calls f with the rows of a record batch, some at a time.
func eachPiece[In any](ctx context.Context, r *reader[In], rec arrow.Record, f func(rows []In, first int) error) error {
	cols, err := r.columns(rec)
	if err != nil {
		return err
	}
	n := int(rec.NumRows())
	for lo := 0; lo < n; lo += pieceRows {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		rows, err := r.piece(cols, lo, min(lo+pieceRows, n))
		if err != nil {
			return err
		}
		if err := f(rows, lo); err != nil {
			return err
		}
	}
	return nil
}

// failed is an error of a user's function, with the row.
func failed(row any, err error) error {
	text := fmt.Sprintf("%+v", row)
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return fmt.Errorf("row %s: %w", text, err)
}

// plain refuses a configuration.
func plain(config []byte) error {
	if len(config) > 0 {
		return fmt.Errorf("the operator takes no configuration, and was given %d bytes", len(config))
	}
	return nil
}
