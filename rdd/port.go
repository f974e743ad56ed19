package rdd

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// port is where rows leave a task: a shuffle writer, or the lanes of a sink.
type port struct {
	edge   EdgeID
	node   *Node  // the wide or sink node that reads
	writer Writer // wide
	lanes  *lanes // sink
	late   int64  // rows that the writer counted as late: they are its node's, not the task's root's
}

func (t *Pipeline) newPort(e EdgeID) *port {
	n := t.plan.Nodes[e.Node]
	p := &port{edge: e, node: n}
	if n.Kind == Wide {
		p.writer = n.Wide.Inputs[e.Input].New()
		return p
	}
	p.lanes = &lanes{
		key: n.Key, val: n.Val, schema: row.Pair(n.Key, n.Val),
		n: t.ctx.Layout.Lanes[n.Name], router: t.routers[n.ID],
	}
	if o, ok := n.Outlet.(EncodingOutlet); ok && t.ctx.Encoded && o.Encodes() {
		p.lanes.outlet = o
	}
	for i, root := range t.plan.Feeders(e) {
		if root == t.root {
			p.lanes.task = i + t.ctx.Partition
		}
	}
	return p
}

func (p *port) add(ctx *Context, c Chunk) error {
	if p.writer != nil {
		before := ctx.Counters.Late
		err := p.writer.Add(ctx, c)
		p.late += ctx.Counters.Late - before
		return err
	}
	ctx.Counters.RowsOut += int64(c.N)
	return p.lanes.add(c)
}

func (p *port) flush(ctx *Context) ([]Record, error) {
	if p.writer == nil {
		return p.lanes.flush()
	}
	before := ctx.Counters.Late
	recs, err := p.writer.Flush(ctx)
	p.late += ctx.Counters.Late - before
	assert.True(err != nil || len(recs) == ctx.Layout.Reduce, "%s wrote %d partitions of %d", p.node.Op, len(recs), ctx.Layout.Reduce)
	return recs, err
}

// lanes turns rows into columns and deals them out to a sink's lanes.
type lanes struct {
	key, val *row.Codec
	schema   *arrow.Schema
	n, task  int
	router   Router
	outlet   EncodingOutlet // nil: rows leave as columns
	rows     RowEncoder     // of outlet, once there are rows
	first    int64
	recs     [][]Record   // by lane
	dealt    *col.Dealing // in place of recs for columns without keys
	lane     []int32
}

func (l *lanes) add(c Chunk) error {
	if l.n == 0 {
		return nil
	}
	b, is := c.Vals.(*col.Batch)
	is = is && l.key == nil
	switch {
	case l.encodes() && is:
		return l.rows.Columns(b, l.routeFree(b))
	case is:
		l.deal(b)
		return nil
	}
	rec := array.NewRecord(l.schema, columns(l.key, l.val, c), int64(c.N))
	var lane []int32
	if l.n > 1 {
		lane = l.route(rec)
	}
	if l.rows != nil {
		return l.rows.Record(rec, lane)
	}
	l.split(rec, lane)
	return nil
}

// encodes tells whether rows are encoded here.
func (l *lanes) encodes() bool {
	if l.rows == nil && l.outlet != nil {
		l.rows = l.outlet.RowEncoder(l.key, l.val, l.n)
	}
	return l.rows != nil
}

// split deals a record's rows out.
func (l *lanes) split(rec Record, lane []int32) {
	if l.recs == nil {
		l.recs = make([][]Record, l.n)
	}
	if lane == nil {
		l.recs[0] = append(l.recs[0], rec)
		return
	}
	for i, part := range batch.Split(rec, lane, l.n) {
		if part != nil {
			l.recs[i] = append(l.recs[i], part)
		}
	}
}

// route says which lanes the rows of rec go to.
func (l *lanes) route(rec Record) []int32 {
	assert.True(l.router != nil, "a sink with %d lanes has no router", l.n)
	n := int(rec.NumRows())
	if cap(l.lane) < n {
		l.lane = make([]int32, n)
	}
	lane := l.lane[:n]
	l.router.Route(l.task, l.first, rec, l.n, lane)
	l.first += int64(n)
	return lane
}

var noColumns = arrow.NewSchema(nil, nil)

// routeFree says which lanes rows without keys go to, nil where there is one lane.
func (l *lanes) routeFree(b *col.Batch) []int32 {
	if l.n == 1 {
		return nil
	}
	return l.route(array.NewRecord(noColumns, nil, int64(b.Len())))
}

// deal deals columns out whose rows have no keys: where they go is known before they are copied.
func (l *lanes) deal(b *col.Batch) {
	if l.dealt == nil {
		l.dealt = col.NewDealing(l.schema, l.n)
	}
	lanes := l.routeFree(b)
	if lanes == nil {
		l.dealt.Add(b, 0, nil)
		return
	}
	rows := make([][]int32, l.n)
	for i := range rows {
		rows[i] = make([]int32, 0, b.Len()/l.n+1)
	}
	for i, lane := range lanes {
		rows[lane] = append(rows[lane], int32(i))
	}
	for i, idx := range rows {
		if len(idx) > 0 {
			l.dealt.Add(b, i, idx)
		}
	}
}

func (l *lanes) flush() ([]Record, error) {
	l.first = 0
	switch {
	case l.rows != nil:
		return l.rows.Records()
	case l.dealt != nil:
		return l.dealt.Records(), nil
	}
	out := make([]Record, l.n)
	for i, recs := range l.recs {
		out[i] = batch.Concat(recs)
	}
	l.recs = nil
	return out, nil
}

// columns are a chunk's rows as columns, the key's first.
func columns(key, val *row.Codec, c Chunk) []arrow.Array {
	var cols []arrow.Array
	if key != nil {
		cols = append(cols, key.Columns(c.Keys, nil)...)
	}
	return append(cols, val.Columns(c.Vals, nil)...)
}

// sealed are the blocks of one edge with their checksums.
func sealed(e EdgeID, from TaskID, recs []Record) []Block {
	blocks := make([]Block, len(recs))
	for i, rec := range recs {
		blocks[i] = Block{Edge: e, Part: i, From: from, Rec: rec}
		if rec != nil && rec.NumRows() > 0 {
			blocks[i].Sum = batch.Sum(rec)
		} else {
			blocks[i].Rec = nil
		}
	}
	return blocks
}
