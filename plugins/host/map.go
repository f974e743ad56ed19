package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// offered is the proxy's side of what a plugin offers. Kinds that this host does not know have no functions.
func (r *remote) offered(o *wire.Offer) plugins.Operator {
	op := plugins.Operator{Name: printable(o.Name, maxName), Doc: printable(o.Doc, maxText)}
	switch o.Kind {
	case "map":
		op.Map = func(config []byte) (plugins.Map, error) { return &mapper{r: r, name: o.Name, config: config}, nil }
	case "scalar":
		op.Scalar = func(config []byte) (plugins.Scalar, error) {
			return &scalar{r: r, name: o.Name, config: config}, nil
		}
	case "aggregate":
		op.Aggregate = func(config []byte) (plugins.Aggregate, error) {
			return &aggregate{r: r, name: o.Name, config: config}, nil
		}
	case "keyed":
		op.Keyed = func(config []byte) (plugins.Keyed, error) { return &keyed{r: r, name: o.Name, config: config}, nil }
	case "source":
		op.Source = func(config []byte) (plugins.Source, error) {
			return &source{r: r, name: o.Name, config: config}, nil
		}
	case "sink":
		op.Sink = func(config []byte) (plugins.Sink, error) { return &sink{r: r, name: o.Name, config: config}, nil }
	}
	return op
}

// mapper is a Map in a process. It has a channel as long as something is out.
type mapper struct {
	r      *remote
	name   string
	config []byte

	d        *declaration
	decl     plugins.Declaration
	computed *arrow.Schema
	l        *lease
	batches  []*sent  // whose answers are out, oldest first
	waiting  []*piece // of batches, not sent yet
}

// sent is a record batch that was handed over.
type sent struct {
	b      plugins.Batch
	rows   int
	pieces int // whose answers are not received
	at     int // row at which the next of these pieces begins
	got    answer
	size   []int // rows of each piece that is out
}

// piece is what a request has of a record batch.
type piece struct {
	of    *sent
	rec   arrow.Record
	bytes int64
}

func (m *mapper) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	d, decl, err := m.r.mapDeclaration(m.name, m.config, in)
	if err != nil {
		return plugins.Declaration{}, err
	}
	m.d, m.decl = d, decl
	m.computed = batch.Columns(decl.Output, decl.Computed())
	return decl, nil
}

func (m *mapper) Window() int { return channel.Window }

func (m *mapper) Process(ctx context.Context, b plugins.Batch, in arrow.Record) (plugins.Result, error) {
	if len(m.batches) > 0 {
		return plugins.Result{}, errors.New("record batches are out: Process and Send do not go together")
	}
	if err := m.Send(ctx, b, in); err != nil {
		return plugins.Result{}, err
	}
	return m.Receive(ctx)
}

func (m *mapper) Send(ctx context.Context, b plugins.Batch, in arrow.Record) error {
	if m.d == nil {
		return errors.New("Send before Declare")
	}
	s := &sent{b: b, rows: int(in.NumRows()), got: answer{keeps: keeps(m.decl)}}
	if s.rows > 0 {
		for _, rec := range pieces(in) {
			m.waiting = append(m.waiting, &piece{s, rec, recordBytes(rec)})
			s.pieces++
		}
	}
	m.batches = append(m.batches, s)
	return m.pump(ctx)
}

// pump sends what the window has room for.
func (m *mapper) pump(ctx context.Context) (err error) {
	for err == nil && len(m.waiting) > 0 {
		p := m.waiting[0]
		if m.l != nil && !m.d.room(m.l.out, p.bytes) {
			break
		}
		if m.l == nil {
			if m.l, err = m.r.acquire(ctx, m.d, m.computed, wire.From); err != nil {
				break
			}
		}
		m.waiting = m.waiting[1:]
		err = m.l.send(ctx, &wire.Request{Method: wire.Method_PROCESS, Batch: wireBatch(p.of.b), Numbers: []int64{p.rec.NumRows()}}, []arrow.Record{p.rec})
		p.of.size = append(p.of.size, int(p.rec.NumRows()))
	}
	if err != nil {
		_ = m.Close()
	}
	return err
}

func (m *mapper) Receive(ctx context.Context) (plugins.Result, error) {
	if len(m.batches) == 0 {
		return plugins.Result{}, errors.New("Receive without Send")
	}
	s := m.batches[0]
	for s.pieces > 0 {
		if err := m.receive(ctx, s); err != nil {
			_ = m.Close()
			return plugins.Result{}, err
		}
		if err := m.pump(ctx); err != nil {
			return plugins.Result{}, err
		}
	}
	m.batches = m.batches[1:]
	if len(m.batches) == 0 {
		_ = m.Close()
	}
	return s.got.result(s.rows), nil
}

// receive takes the answer to the oldest piece of s.
func (m *mapper) receive(ctx context.Context, s *sent) error {
	n := s.size[0]
	from, total := s.got.n, s.got.bytes
	for {
		resp, recs, err := m.l.receive(ctx, &s.b, false)
		if err != nil {
			return err
		}
		if err := s.got.add(resp, recs, s.at, from); err != nil {
			return m.l.broken(&s.b, err)
		}
		if rows := s.got.n - from; rows > n*grow(m.r.ref.Settings) {
			return m.l.over(&s.b, fmt.Sprintf("%d rows become %d and more, where %d for each are the limit: it was killed. If as many are meant, set Settings.Grow higher", n, rows, grow(m.r.ref.Settings)))
		}
		if size := s.got.bytes - total; size > maxAnswer {
			return m.l.over(&s.b, fmt.Sprintf("the answer to %d rows has %s and more, where %s is the limit: it was killed", n, bytesText(size), bytesText(maxAnswer)))
		}
		if !resp.More {
			break
		}
	}
	if err := s.got.check(m.decl, from, s.at, n); err != nil {
		return m.l.broken(&s.b, err)
	}
	m.d.answered(s.got.bytes - total)
	s.pieces--
	s.size = s.size[1:]
	s.at += n
	return nil
}

func (m *mapper) Close() error {
	m.batches, m.waiting = nil, nil
	if m.l != nil {
		m.l.release()
		m.l = nil
	}
	return nil
}

// answer is what has come of the answer to a record batch.
type answer struct {
	keeps bool // columns of the input: then it matters which rows they are of
	n     int
	bytes int64
	recs  []arrow.Record
	from  []int32 // nil: so far, row i comes from row i
}

// add takes a response to the piece that begins at row at. The answer had start rows before that piece's.
func (a *answer) add(resp *wire.Response, recs []arrow.Record, at, start int) error {
	if len(resp.Numbers) != 1 || resp.Numbers[0] < 0 || resp.Numbers[0] > 1<<31-1-int64(a.n) {
		return fmt.Errorf("an answer with numbers %v, where the count of rows is due", resp.Numbers)
	}
	n := int(resp.Numbers[0])
	rows, from := recs[0], recs[1]
	switch {
	case rows != nil && int(rows.NumRows()) != n:
		return fmt.Errorf("an answer of %d rows with columns of %d", n, rows.NumRows())
	case from != nil && int(from.NumRows()) != n:
		return fmt.Errorf("an answer of %d rows says where %d come from", n, from.NumRows())
	}
	switch first := at + a.n - start; {
	case !a.keeps:
	case from != nil:
		a.explicit()
		for _, f := range int32s(from) {
			if f < 0 || int64(f)+int64(at) > 1<<31-1 {
				return fmt.Errorf("a row comes from row %d of the record batch", f)
			}
			a.from = append(a.from, f+int32(at))
		}
	case n > 0 && (a.from != nil || first != a.n):
		a.explicit()
		for i := range n {
			a.from = append(a.from, int32(first+i))
		}
	}
	if rows != nil && n > 0 {
		a.recs = append(a.recs, rows)
		a.bytes += batch.Bytes(rows)
	}
	a.n += n
	return nil
}

// explicit has from say what it said by being nil.
func (a *answer) explicit() {
	if a.from != nil {
		return
	}
	a.from = make([]int32, a.n)
	for i := range a.from {
		a.from[i] = int32(i)
	}
}

// check looks at the rows from row number start on, which are the answer to n rows that begin at row at.
func (a *answer) check(d plugins.Declaration, start, at, n int) error {
	got, rows := a.n-start, 0
	for _, r := range a.recs {
		rows += int(r.NumRows())
	}
	if len(d.Computed()) > 0 && rows != a.n {
		return fmt.Errorf("an answer of %d rows without their columns", got)
	}
	if a.from == nil {
		if a.keeps && got != n && got > 0 {
			return fmt.Errorf("an answer of %d rows for %d that does not say where they come from, and columns are kept", got, n)
		}
		return nil
	}
	for i, f := range a.from[start:] {
		if int(f) < at || int(f) >= at+n {
			return fmt.Errorf("row %d of an answer comes from row %d of %d", i, int(f)-at, n)
		}
	}
	return nil
}

// keeps tells whether any column of the output is the input's.
func keeps(d plugins.Declaration) bool {
	return d.Keeps != nil && len(d.Computed()) < d.Output.NumFields()
}

// result is what n rows became.
func (a *answer) result(n int) plugins.Result {
	if a.keeps && a.n != n {
		a.explicit()
	}
	return plugins.Result{N: a.n, From: a.from, Rec: batch.Concat(a.recs)}
}

func wireBatch(b plugins.Batch) *wire.Batch {
	return &wire.Batch{Number: b.Number, Time: b.Time, Partition: int32(b.Partition), Final: b.Final}
}
