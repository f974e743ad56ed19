package ops

import (
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/task"
)

// landing puts the columns that an operator computed beside those that it kept, in chunks.
type landing struct {
	*recordPlan
	res    Mapped
	chunks []task.Chunk
}

// runs calls f with the rows of the answer, a chunk at a time.
func (l *landing) runs(n int, f func(lo, hi int)) {
	for lo := 0; lo < n; lo += task.ChunkRows {
		f(lo, min(lo+task.ChunkRows, n))
	}
}

// inOrder is the answer whose row i comes from row i: piece by piece, so that columns that are kept need not move.
func (l *landing) inOrder(pieces []*col.Batch) {
	lo := 0
	for _, p := range pieces {
		hi := lo + p.Len()
		switch {
		case len(l.made) == 0: // rows that count stay where they are
			l.add(p, p.N, p.Sel, hi-lo, nil, 0, 0)
		case hi-lo <= 2*task.ChunkRows:
			l.emit(p, p.Sel, lo, hi)
		default:
			l.runs(hi-lo, func(from, until int) { l.emit(p, rowsOf(p, from, until).Sel, lo+from, lo+until) })
		}
		lo = hi
	}
}

// selected is the answer whose rows come from others: run by run of rows from one piece. Where they do not come in order, the columns that are kept are put together
// first.
func (l *landing) selected(pieces []*col.Batch) {
	from := l.res.From
	ascending, strictly := true, true
	for i := 1; i < len(from); i++ {
		ascending = ascending && from[i] >= from[i-1]
		strictly = strictly && from[i] > from[i-1]
	}
	if !ascending && len(pieces) > 1 {
		pieces = []*col.Batch{l.together(pieces)}
	}
	base, at := 0, 0 // of the piece
	for lo := 0; lo < len(from); {
		for int(from[lo]) >= base+pieces[at].Len() {
			base += pieces[at].Len()
			at++
		}
		p := pieces[at]
		hi := lo
		for hi < len(from) && int(from[hi]) < base+p.Len() && hi-lo < task.ChunkRows {
			hi++
		}
		rows := make([]int32, hi-lo)
		for i := range rows {
			rows[i] = from[lo+i] - int32(base)
			if p.Sel != nil {
				rows[i] = p.Sel[rows[i]]
			}
		}
		if strictly && len(l.made) == 0 {
			l.add(p, p.N, rows, hi-lo, nil, 0, 0)
		} else {
			l.emit(p, rows, lo, hi)
		}
		lo = hi
	}
}

// together is the columns that are kept of all pieces, at their places.
func (l *landing) together(pieces []*col.Batch) *col.Batch {
	need := make([]bool, l.In.NumFields())
	for _, c := range l.kept {
		need[c.from] = true
	}
	numbers := col.Marked(need)
	schema := batch.Columns(l.In, numbers)
	list := make([]col.Piece, len(pieces))
	for i, p := range pieces {
		list[i].Batch = p.Choose(numbers)
	}
	return col.FromRecord(col.Gather(schema, list)).Spread(l.In, numbers)
}

// emit gives rows [lo, hi) of the answer, which come from the physical rows of p (nil: all of them).
func (l *landing) emit(p *col.Batch, rows []int32, lo, hi int) {
	l.add(p, hi-lo, nil, hi-lo, rows, lo, hi)
}

// add gives a chunk of n rows: columns of size values, of which sel count. Kept ones are values rows of p's, computed ones [lo, hi) of the answer's.
func (l *landing) add(p *col.Batch, size int, sel []int32, n int, rows []int32, lo, hi int) {
	if n == 0 {
		return
	}
	b := &col.Batch{Schema: l.Out, N: size, Sel: sel, Cols: make([]*col.Vec, l.Out.NumFields())}
	for _, c := range l.kept {
		b.Cols[c.to] = p.Cols[c.from].Take(rows)
	}
	for _, c := range l.made {
		b.Cols[c.to] = col.FromArray(array.NewSlice(l.res.Rec.Column(c.from), int64(lo), int64(hi)))
	}
	l.chunks = append(l.chunks, task.Chunk{N: n, Vals: b})
}
