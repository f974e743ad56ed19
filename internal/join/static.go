package join

import (
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Static is one version of a table that all tasks of a process read. It is immutable but for its indexes, which are made when they are first
// asked for; rows stay in Arrow's memory, without a pointer a row. Safe for concurrent use.
type Static struct {
	rec arrow.Record

	mu      sync.Mutex
	indexes map[string]*staticIndex // by what it is joined on
}

type staticIndex struct {
	table *col.Batch // all of it
	dict  *row.Dict
	rows  index
}

// OpenStatic is a table whose rows batch.Marshal wrote.
func OpenStatic(schema *arrow.Schema, data []byte) (*Static, error) {
	rec, err := batch.Unmarshal(schema, data)
	if err != nil {
		return nil, err
	}
	return &Static{rec: rec, indexes: map[string]*staticIndex{}}, nil
}

// Lookup joins rows with a Static where they are: no row moves. The right side is the table, the same rows in every process.
type Lookup struct {
	Spec
	Name    string // of the index among those of the table
	Version func(ctx *task.Context) (*Static, error)
}

// CallsUsers tells whether the keys or the condition of rows call functions of the user's.
func (l *Lookup) CallsUsers() bool {
	return l.If.CallsUsers() || slices.ContainsFunc(l.Sides[0].Keys, (*expr.Bound).CallsUsers)
}

// Kernel is the join in one task.
func (l *Lookup) Kernel() task.Kernel {
	keys := NewKeys(l.Key, l.Sides[0].Keys)
	return ops.KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
		table, err := l.Version(ctx)
		if err != nil {
			return task.Chunk{}, err
		}
		out := l.lookup(table, keys, in.Vals.(*col.Batch).Dense())
		return task.Chunk{N: out.N, Vals: out}, nil
	})
}

// index is the table's rows by the key of l.
func (l *Lookup) index(t *Static) *staticIndex {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.indexes[l.Name]
	if x == nil {
		b := col.FromRecord(t.rec)
		x = &staticIndex{table: b, dict: row.NewDict(b.N)}
		x.rows = indexOf(numberKeys(x.dict, NewKeys(l.Key, l.Sides[1].Keys), b, make([]bool, b.N)), x.dict.Len())
		t.indexes[l.Name] = x
	}
	return x
}

// lookup joins a batch. Rows keep their order; the partners of a row come in the order of the file.
func (l *Lookup) lookup(t *Static, keys *Keys, b *col.Batch) *col.Batch {
	x := l.index(t)
	null, numbers := keys.Find(x.dict, b)
	li, rows := make([]int32, 0, b.N), make([]int32, 0, b.N)
	for i, n := range numbers {
		if n < 0 || null != nil && null[i] {
			continue
		}
		for _, r := range x.rows.of(n) {
			li, rows = append(li, int32(i)), append(rows, r)
		}
	}
	if l.If != nil && len(li) > 0 {
		pass := l.If.Eval().Where(l.rows(b, x.table, li, rows), nil)
		li, rows = col32(li, pass), col32(rows, pass)
	}
	return l.shown(b, x.table, li, rows)
}

// shown are the rows that the kind of join wants of pairs in order of the left rows.
func (l *Lookup) shown(b, right *col.Batch, li, ri []int32) *col.Batch {
	if l.Kind == Inner {
		return l.out(l.rows(b, right, li, ri))
	}
	var left, partner []int32
	at := 0
	for i := range int32(b.N) {
		from := at
		for at < len(li) && li[at] == i {
			if l.Kind == Left {
				left, partner = append(left, i), append(partner, ri[at])
			}
			at++
		}
		switch {
		case l.Kind == Left && at == from:
			left, partner = append(left, i), append(partner, -1)
		case l.Kind == Semi && at > from, l.Kind == Anti && at == from:
			left = append(left, i)
		}
	}
	if l.Kind == Left {
		return l.out(l.rows(b, right, left, partner))
	}
	return l.out(chosen(b, left))
}
