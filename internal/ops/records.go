package ops

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/task"
)

// RecordRows is how many rows of a task are put together before an operator on record batches is called: enough to spread the cost of a call to another process. The
// task's rows are cut at its multiples, wherever chunks end: an attempt calls as the one before did.
const RecordRows = 8192

// recordRows is RecordRows, and in tests every other batch much less: how rows are cut may not be seen in what is computed.
func recordRows(ctx *task.Context) int {
	if ctx.Debug && ctx.Batch%2 == 0 {
		return 3
	}
	return RecordRows
}

// RecordMap is an operator that makes record batches of record batches, whoever computes it.
type RecordMap struct {
	Fails   func(err error, doing string) error // err with the operator's name and what it was doing
	In, Out *arrow.Schema
	Reads   []int                            // the columns of In that it is given, ascending
	Keeps   []int                            // by column of Out: the column of In that it is, -1: computed
	Take    func() (Mapper, error)           // an instance for one task, closed or not
	Give    func(m Mapper, sound bool) error // takes it back; not sound: it has failed, or is in the middle of something
}

// Mapper computes record batches, one at a time.
type Mapper interface {
	Process(ctx *task.Context, in arrow.Record) (Mapped, error)
}

// Mappers compute several record batches at a time, in order.
type Mappers interface {
	Mapper
	Window() int // how many may be sent before the answer to the first is received
	Send(ctx *task.Context, in arrow.Record) error
	Receive(ctx *task.Context) (Mapped, error)
}

// Mapped is N rows: Rec has the computed columns, and row i comes from row From[i] of the input; nil: from row i.
type Mapped struct {
	N    int
	Rec  arrow.Record
	From []int32
}

// Kernel makes kernels; out marks the columns of Out that are wanted, nil: all.
func (m *RecordMap) Kernel(out []bool) func() task.Kernel {
	p := recordPlan{RecordMap: m, read: batch.Columns(m.In, m.Reads), computed: batch.Columns(m.Out, m.computed())}
	for i, from := range m.Keeps {
		if from >= 0 && (out == nil || out[i]) {
			p.kept = append(p.kept, kept{i, from})
		}
	}
	p.wanted = make([]bool, m.Out.NumFields())
	for i := range p.wanted {
		p.wanted[i] = out == nil || out[i]
	}
	for i, c := range m.computed() {
		if p.wanted[c] {
			p.made = append(p.made, kept{c, i})
		}
	}
	return func() task.Kernel { return &recordKernel{recordPlan: &p} }
}

// computed are the columns of Out that are not kept.
func (m *RecordMap) computed() []int {
	list := []int{}
	for i, from := range m.Keeps {
		if from < 0 {
			list = append(list, i)
		}
	}
	return list
}

// Read marks the columns of In that are read to make the columns out.
func (m *RecordMap) Read(out []bool) []bool {
	read := make([]bool, m.In.NumFields())
	for _, i := range m.Reads {
		read[i] = true
	}
	for i, from := range m.Keeps {
		if from >= 0 && out[i] {
			read[from] = true
		}
	}
	return read
}

// kept says that column to of the result is column from of something.
type kept struct{ to, from int }

// recordPlan is a RecordMap for columns that are wanted.
type recordPlan struct {
	*RecordMap
	read, computed *arrow.Schema
	wanted         []bool
	kept           []kept // of the input
	made           []kept // of the computed columns
}

// recordKernel is a RecordMap in one task.
type recordKernel struct {
	*recordPlan
	m      Mapper
	ahead  Mappers // m, if it is one
	busy   bool    // m is at work, or has failed
	pieces []*col.Batch
	rows   int    // of pieces
	out    []sent // what m has, in order
	sent   int    // record batches so far
	ready  []task.Chunk
}

// sent is a record batch at work.
type sent struct {
	number, rows int
	pieces       []*col.Batch
}

// Process implements task.Gatherer.
func (k *recordKernel) Process(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
	b, limit := in.Vals.(*col.Batch), recordRows(ctx)
	for lo := 0; lo < in.N; {
		n := min(in.N-lo, limit-k.rows)
		k.pieces = append(k.pieces, rowsOf(b, lo, lo+n))
		k.rows += n
		lo += n
		if k.rows == limit || fault.Planted("I2-record-cuts") {
			if err := k.send(ctx); err != nil {
				return task.Chunk{}, err
			}
		}
	}
	return k.Next(), nil
}

// rowsOf are rows [lo, hi) of those of b that count.
func rowsOf(b *col.Batch, lo, hi int) *col.Batch {
	switch {
	case lo == 0 && hi == b.Len():
		return b
	case b.Sel != nil:
		return b.Where(b.Sel[lo:hi:hi])
	}
	rows := make([]int32, hi-lo)
	for i := range rows {
		rows[i] = int32(lo + i)
	}
	return b.Where(rows)
}

// Next implements task.Gatherer.
func (k *recordKernel) Next() task.Chunk {
	if len(k.ready) == 0 {
		return task.Chunk{}
	}
	c := k.ready[0]
	k.ready[0] = task.Chunk{}
	k.ready = k.ready[1:]
	return c
}

// Finish implements task.Finisher.
func (k *recordKernel) Finish(ctx *task.Context) (task.Chunk, error) {
	err := k.send(ctx)
	for err == nil && len(k.out) > 0 {
		err = k.receive(ctx)
	}
	k.sent = 0
	if err != nil {
		return task.Chunk{}, err
	}
	return k.Next(), nil
}

// Close gives the instance back.
func (k *recordKernel) Close() error {
	if k.m == nil {
		return nil
	}
	m := k.m
	k.m, k.ahead = nil, nil
	return k.Give(m, !k.busy && len(k.out) == 0)
}

// send hands the rows that have come to the operator.
func (k *recordKernel) send(ctx *task.Context) error {
	if k.rows == 0 {
		return nil
	}
	if k.m == nil {
		var err error
		if k.m, err = k.Take(); err != nil {
			return k.Fails(err, "")
		}
		k.ahead, _ = k.m.(Mappers)
	}
	s := sent{k.sent, k.rows, k.pieces}
	k.sent++
	k.pieces, k.rows = nil, 0
	rec := k.record(s.pieces)
	if k.ahead == nil {
		k.busy = true
		var res Mapped
		err := Untouched(ctx, func() (err error) {
			res, err = k.m.Process(ctx, rec)
			return err
		}, rec)
		return k.land(s, res, err)
	}
	if len(k.out) > 0 && len(k.out) >= k.ahead.Window() {
		if err := k.receive(ctx); err != nil {
			return err
		}
	}
	k.busy = true
	if err := k.ahead.Send(ctx, rec); err != nil {
		return k.failed(s, err)
	}
	k.busy = false
	k.out = append(k.out, s)
	return nil
}

// record is the columns that the operator reads of the rows of pieces.
func (k *recordKernel) record(pieces []*col.Batch) arrow.Record {
	list := make([]col.Piece, len(pieces))
	for i, p := range pieces {
		list[i].Batch = &col.Batch{Schema: k.read, N: p.N, Sel: p.Sel, Cols: make([]*col.Vec, len(k.Reads))}
		for j, c := range k.Reads {
			list[i].Batch.Cols[j] = p.Cols[c]
		}
	}
	return col.Gather(k.read, list)
}

// Untouched runs f and, in tests, reports if it changed record batches that it was given (P24). nil stands for none.
func Untouched(ctx *task.Context, f func() error, recs ...arrow.Record) error {
	if !ctx.Debug {
		return f()
	}
	before := make([]uint64, len(recs))
	for i, rec := range recs {
		before[i] = batch.Sum(rec)
	}
	err := f()
	for i, rec := range recs {
		if err == nil && batch.Sum(rec) != before[i] {
			err = errors.New("it changed the rows that it was given; record batches are immutable")
		}
	}
	return err
}

// receive takes the answer to the oldest record batch that is at work.
func (k *recordKernel) receive(ctx *task.Context) error {
	s := k.out[0]
	k.out = slices.Delete(k.out, 0, 1)
	k.busy = true
	res, err := k.ahead.Receive(ctx)
	return k.land(s, res, err)
}

func (k *recordKernel) failed(s sent, err error) error {
	return k.Fails(err, fmt.Sprintf("record batch %d of %d rows", s.number, s.rows))
}

// land makes chunks of an answer.
func (k *recordKernel) land(s sent, res Mapped, err error) error {
	if err == nil {
		err = k.check(s, res)
	}
	if err != nil {
		return k.failed(s, err)
	}
	k.busy = false
	if res.N == 0 {
		return nil
	}
	if len(k.made) > 0 {
		res.Rec = AsRows(res.Rec)
	}
	l := landing{recordPlan: k.recordPlan, res: res}
	switch {
	case len(k.kept) == 0:
		l.runs(res.N, func(lo, hi int) { l.emit(nil, nil, lo, hi) })
	case res.From == nil:
		l.inOrder(s.pieces)
	default:
		l.selected(s.pieces)
	}
	k.ready = append(k.ready, l.chunks...)
	return nil
}

// check refuses an answer that is not what the operator declared.
func (k *recordKernel) check(s sent, res Mapped) error {
	keeps := slices.ContainsFunc(k.Keeps, func(from int) bool { return from >= 0 })
	switch {
	case res.N < 0:
		return fmt.Errorf("it gives %d rows", res.N)
	case res.From == nil && keeps && res.N != s.rows && res.N > 0:
		return fmt.Errorf("it gives %d rows and does not say which rows of the input they come from (From): its output keeps columns", res.N)
	case res.From != nil && len(res.From) != res.N:
		return fmt.Errorf("it gives %d rows and says of %d where they come from (From)", res.N, len(res.From))
	}
	for i, from := range res.From {
		if from < 0 || int(from) >= s.rows {
			return fmt.Errorf("row %d comes from row %d (From), and the input has rows 0 to %d", i, from, s.rows-1)
		}
	}
	if res.N == 0 || k.computed.NumFields() == 0 {
		return nil
	}
	return CheckRows(res.Rec, k.computed, res.N)
}

// CheckRows refuses a record that is not n rows of a schema: what came from elsewhere.
func CheckRows(rec arrow.Record, schema *arrow.Schema, n int) error {
	switch {
	case rec == nil:
		return fmt.Errorf("it gives no record batch for %d rows", n)
	case rec.NumRows() != int64(n):
		return fmt.Errorf("it gives a record batch of %d rows, and says that there are %d", rec.NumRows(), n)
	case int(rec.NumCols()) != schema.NumFields():
		return fmt.Errorf("it gives %d columns, and declared %d", rec.NumCols(), schema.NumFields())
	}
	for i, f := range schema.Fields() {
		if got := rec.Schema().Field(i); got.Name != f.Name {
			return fmt.Errorf("column %d of what it gives is %q, and it declared %q", i+1, got.Name, f.Name)
		}
	}
	if err := batch.CheckRecord(rec, withNulls(schema)); err != nil {
		return fmt.Errorf("what it gives is not what it declared: %w", err)
	}
	return nil
}

// withNulls is a schema in which lists and maps may be null.
func withNulls(s *arrow.Schema) *arrow.Schema {
	fields := slices.Clone(s.Fields())
	for i, f := range fields {
		if id := f.Type.ID(); id == arrow.LIST || id == arrow.MAP {
			fields[i].Nullable = true
		}
	}
	return arrow.NewSchema(fields, nil)
}

// AsRows is a checked record as rows have it: lists and maps that are null are empty.
func AsRows(rec arrow.Record) arrow.Record {
	cols := slices.Clone(rec.Columns())
	for i, c := range cols {
		if id := c.DataType().ID(); (id == arrow.LIST || id == arrow.MAP) && c.NullN() > 0 {
			cols[i] = emptied(c)
		}
	}
	return array.NewRecord(rec.Schema(), cols, rec.NumRows())
}

// emptied is lists or maps without nulls: in their place are empty ones.
func emptied(a arrow.Array) arrow.Array {
	d := a.Data()
	old := batch.As[int32](d.Buffers()[1].Bytes())[d.Offset():]
	buf := batch.Alloc(4 * (a.Len() + 1))
	ends := batch.As[int32](buf)
	var elems []int32
	for i := range a.Len() {
		for e := old[i]; e < old[i+1] && a.IsValid(i); e++ {
			elems = append(elems, e)
		}
		ends[i+1] = int32(len(elems))
	}
	kid := array.MakeFromData(d.Children()[0])
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: kid.DataType(), Nullable: true}}, nil)
	taken := batch.Take(array.NewRecord(schema, []arrow.Array{kid}, int64(kid.Len())), elems).Column(0)
	return array.MakeFromData(array.NewData(d.DataType(), a.Len(), []*memory.Buffer{nil, memory.NewBufferBytes(buf)}, []arrow.ArrayData{taken.Data()}, 0, 0))
}

var _ io.Closer = (*recordKernel)(nil)
