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

// seeker is the memory of one task.
type seeker struct {
	keys     *Keys
	li, rows []int32
	brief    bool       // nobody reads a chunk of results any more when the next one comes
	out      []*col.Vec // brief: of the last chunk's columns
}

// memory is where the columns of the next chunk may be made, nil: they take new memory.
func (s *seeker) memory(columns int) []*col.Vec {
	if !s.brief {
		return nil
	}
	if s.out == nil {
		s.out = make([]*col.Vec, columns)
	}
	return s.out
}

// Kernel is the join in one task.
func (l *Lookup) Kernel() task.Kernel {
	s := &seeker{keys: NewKeys(l.Key, l.Sides[0].Keys)}
	return ops.KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
		table, err := l.Version(ctx)
		if err != nil {
			return task.Chunk{}, err
		}
		s.brief = ctx.Brief
		out := l.lookup(table, s, in.Vals.(*col.Batch).Dense())
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
func (l *Lookup) lookup(t *Static, s *seeker, b *col.Batch) *col.Batch {
	x := l.index(t)
	null, numbers := s.keys.Find(x.dict, b)
	li, rows := ops.Sized(s.li, b.N)[:0], ops.Sized(s.rows, b.N)[:0]
	for i, n := range numbers {
		if n < 0 || null != nil && null[i] {
			continue
		}
		for _, r := range x.rows.of(n) {
			li, rows = append(li, int32(i)), append(rows, r)
		}
	}
	s.li, s.rows = li, rows
	if l.If != nil && len(li) > 0 {
		pass := l.If.Eval().Where(l.rows(b, x.table, li, rows), nil)
		li, rows = col32(li, pass), col32(rows, pass)
	}
	return l.shown(b, x.table, li, rows, s.memory(len(l.From)))
}

// shown are the rows that the kind of join wants of pairs in order of the left rows, in memory as for rowsIn.
func (l *Lookup) shown(b, right *col.Batch, li, ri []int32, memory []*col.Vec) *col.Batch {
	if l.Kind == Inner {
		return l.out(l.rowsIn(memory, b, right, li, ri))
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
		return l.out(l.rowsIn(memory, b, right, left, partner))
	}
	return l.out(chosen(b, left))
}
