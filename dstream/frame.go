package dstream

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// Frame is rows known by the names of their columns, batch by batch: an rdd.Frame in each. It is a value: methods give new Frames and leave it as it is.
type Frame struct {
	job *Job
	f   rdd.Frame
}

func (f Frame) node() *rdd.Node { return f.f.Node() }

// Job is the job that the frame belongs to.
func (f Frame) Job() *Job { return f.job }

// Schema is the columns.
func (f Frame) Schema() *arrow.Schema { return f.f.Schema() }

// Frame is the rows as columns, under the names that their type gives them.
func (s Stream[T]) Frame() Frame { return Frame{s.job, s.r.Frame()} }

// As is the rows as values of type T, whose columns must be f's: same names, types and order. A nullable column needs a field that may be nil.
func (f Frame) As[T any]() Stream[T] { return Stream[T]{f.job, f.f.As[T]()} }

// Select is the given columns: names, or expressions, which As names.
func (f Frame) Select(columns ...any) Frame { return Frame{f.job, f.f.Select(columns...)} }

// With adds a column, the expression's, or replaces the one of that name in its place.
func (f Frame) With(name string, e expr.Expr) Frame { return Frame{f.job, f.f.With(name, e)} }

// Where keeps the rows for which the condition is true: neither false nor null.
func (f Frame) Where(condition expr.Expr) Frame { return Frame{f.job, f.f.Where(condition)} }

// Union has the rows of f and of all others, whose columns must be of the same names and types in any order. Within a partition, rows of f come first.
func (f Frame) Union(others ...Frame) Frame {
	var fs []rdd.Frame
	for _, o := range others {
		fs = append(fs, o.f)
	}
	return Frame{f.job, f.f.Union(fs...)}
}

// Name gives the operator behind the frame a name, for the plan and the screen.
func (f Frame) Name(name string) Frame { return Frame{f.job, f.f.Name(name)} }

// To sends the rows to a sink.
func (f Frame) To(out sink.Sink) { f.job.output(rdd.Caller(), f.node(), out) }

// KeyedFrame is a Frame in which some columns are keys and the others values.
type KeyedFrame struct {
	job *Job
	f   rdd.KeyedFrame
}

// KeyBy makes the given columns keys and the others values: what sinks of keyed rows write. One column is a key, or a value, by itself; several are a struct with their
// names. Nothing moves.
func (f Frame) KeyBy(columns ...string) KeyedFrame { return KeyedFrame{f.job, f.f.KeyBy(columns...)} }

// To sends the rows to a sink, keys and values.
func (f KeyedFrame) To(out sink.Sink) { f.job.output(rdd.Caller(), f.f.Node(), out) }

// As is the rows as keys of type K and values of type V, whose columns must be those of f: same types and order, and same names where they are structs. A
// nullable column needs a field that may be nil, and keys have none (P25).
func (f KeyedFrame) As[K comparable, V any]() Keyed[K, V] { return Keyed[K, V]{f.job, f.f.As[K, V]()} }
