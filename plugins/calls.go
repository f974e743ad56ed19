package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// calls answers the requests of one channel, one by one.
type calls struct {
	s         *server
	c         channel.Plugin
	instances map[uint32]any // operators, by declaration
	lane      Lane           // of a sink, once it is taken over
	staged    []arrow.Record // rows of a batch that more will be staged of
	stagedOf  Batch
}

func newCalls(s *server, c channel.Plugin) *calls {
	return &calls{s: s, c: c, instances: map[uint32]any{}}
}

// asked is a request that was read.
type asked struct {
	req   *wire.Request
	parts []arrow.Record
	err   error
}

// serve answers until the channel ends. Requests are read by a goroutine of their own, which ends with the channel: whoever called serve closes it.
func (c *calls) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() {
		if c.lane != nil {
			_ = called(c.lane.Close)
		}
	}()
	queue := make(chan asked, channel.Window)
	go c.read(ctx, cancel, queue)
	for a := range queue {
		var bad *channel.RequestError
		switch err := a.err; {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			a.err = c.c.Answer(a.req, &wire.Response{Failure: &wire.Failure{Kind: wire.Failure_PROTOCOL, Text: err.Error()}}, nil)
		case err == nil:
			a.err = c.answer(ctx, a.req, a.parts)
		}
		if a.err != nil {
			return a.err
		}
	}
	return nil
}

// read reads requests until there are no more, or ctx ends. Once the channel is gone, whatever is still at work for it is given up: a read may wait for long.
func (c *calls) read(ctx context.Context, gone func(), queue chan<- asked) {
	defer close(queue)
	for {
		var a asked
		a.req, a.parts, a.err = c.c.Next(c.schemas)
		var bad *channel.RequestError
		over := a.err != nil && !errors.As(a.err, &bad)
		if over {
			gone()
		}
		select {
		case queue <- a:
		case <-ctx.Done():
			return
		}
		if over {
			return
		}
	}
}

// schemas are those of a request's parts.
func (c *calls) schemas(req *wire.Request) ([]*arrow.Schema, error) {
	d, err := c.s.find(req.Declaration)
	if err != nil {
		return nil, err
	}
	m := req.Method
	if k := kindOf[m]; k != d.op.Kind() && !(m == wire.Method_PROCESS && d.op.Kind() == "scalar") {
		return nil, fmt.Errorf("%s for operator %q, which is a %s", m, d.op.Name, d.op.Kind())
	}
	switch m {
	case wire.Method_PROCESS:
		if d.op.Kind() == "map" {
			return []*arrow.Schema{d.decl.Input(d.in[0])}, nil
		}
		return d.in, nil
	case wire.Method_PARTIAL:
		return []*arrow.Schema{d.in[1], wire.Of}, nil
	case wire.Method_MERGE:
		return []*arrow.Schema{d.out[0], wire.Of}, nil
	case wire.Method_UPDATE:
		return []*arrow.Schema{d.in[0], d.in[1], wire.Of, d.out[0], wire.Flags}, nil
	case wire.Method_STAGE:
		return d.in, nil
	}
	return nil, nil
}

var kindOf = map[wire.Method]string{
	wire.Method_PROCESS: "map", wire.Method_PARTIAL: "aggregate", wire.Method_MERGE: "aggregate", wire.Method_UPDATE: "keyed", wire.Method_PARTITIONS: "source",
	wire.Method_READ: "source", wire.Method_LANE: "sink", wire.Method_STAGE: "sink", wire.Method_PUBLISH: "sink", wire.Method_FLUSH: "sink",
}

// reply is an answer: rows, which may be split, and what goes with them.
type reply struct {
	rows    arrow.Record // nil where there are none
	beside  arrow.Record // a row for each row of rows, which is split with it; nil: none
	count   int          // rows, where rows has no columns
	counted bool         // count is the first of numbers
	numbers []int64
	blobs   [][]byte
	parts   []arrow.Record // in place of rows and beside
}

func (c *calls) answer(ctx context.Context, req *wire.Request, parts []arrow.Record) error {
	var r reply
	err := called(func() (err error) {
		r, err = c.run(ctx, req, parts)
		return err
	})
	if err != nil {
		return c.c.Answer(req, &wire.Response{Failure: failure(err)}, nil)
	}
	if r.parts != nil || r.rows == nil && r.beside == nil {
		if r.counted {
			r.numbers = []int64{int64(r.count)}
		}
		return c.c.Answer(req, &wire.Response{Numbers: r.numbers, Blobs: r.blobs}, r.parts)
	}
	return c.split(req, r)
}

// split answers with rows, in as many responses as their size wants.
func (c *calls) split(req *wire.Request, r reply) error {
	n := r.count
	if r.rows != nil {
		n = int(r.rows.NumRows())
	}
	var size int64
	for _, rec := range []arrow.Record{r.rows, r.beside} {
		if rec != nil {
			size += batch.Bytes(rec)
		}
	}
	step := n
	if limit := int64(c.c.Limit()); size > limit {
		step = max(1, int(int64(n)*limit/size))
	}
	for lo := 0; ; lo += step {
		hi := min(lo+step, n)
		resp := &wire.Response{Numbers: r.numbers, Blobs: r.blobs, More: hi < n}
		if r.counted {
			resp.Numbers = []int64{int64(hi - lo)}
		}
		if err := c.c.Answer(req, resp, []arrow.Record{slice(r.rows, lo, hi), slice(r.beside, lo, hi)}); err != nil || hi == n {
			return err
		}
	}
}

func slice(rec arrow.Record, lo, hi int) arrow.Record {
	if rec == nil || lo == 0 && hi == int(rec.NumRows()) {
		return rec
	}
	return rec.NewSlice(int64(lo), int64(hi))
}

func failure(err error) *wire.Failure {
	f := &wire.Failure{Text: err.Error()}
	var p *panicked
	switch {
	case errors.As(err, &p):
		f.Stack = p.stack
	case errors.Is(err, io.EOF):
		f.Kind = wire.Failure_END
	case IsFenced(err):
		f.Kind = wire.Failure_FENCED
	}
	return f
}

// instance is the channel's instance of a declared operator.
func instance[T any](c *calls, n uint32, d *declared, made func([]byte) (T, error)) (T, error) {
	if v, ok := c.instances[n].(T); ok {
		return v, nil
	}
	v, err := made(d.config)
	if err != nil {
		return v, err
	}
	if m, ok := any(v).(Map); ok { // it may keep what it found in the schema
		if _, err := m.Declare(d.in[0]); err != nil {
			return v, err
		}
	}
	c.instances[n] = v
	return v, nil
}

func (c *calls) run(ctx context.Context, req *wire.Request, parts []arrow.Record) (reply, error) {
	d, err := c.s.find(req.Declaration)
	if err != nil {
		return reply{}, err
	}
	b := Batch{Number: req.Batch.GetNumber(), Time: req.Batch.GetTime(), Partition: int(req.Batch.GetPartition()), Final: req.Batch.GetFinal()}
	switch req.Method {
	case wire.Method_PROCESS:
		if d.op.Kind() == "scalar" {
			return c.eval(ctx, req, d, parts)
		}
		return c.process(ctx, b, req, d, parts)
	case wire.Method_PARTIAL, wire.Method_MERGE:
		return c.aggregate(ctx, b, req, d, parts)
	case wire.Method_UPDATE:
		return c.update(ctx, b, req, d, parts)
	case wire.Method_PARTITIONS, wire.Method_READ:
		return c.source(ctx, req, d)
	}
	return c.sink(ctx, b, req, d, parts)
}

func (c *calls) process(ctx context.Context, b Batch, req *wire.Request, d *declared, parts []arrow.Record) (reply, error) {
	m, err := instance(c, req.Declaration, d, d.op.Map)
	if err != nil {
		return reply{}, err
	}
	if parts[0] == nil {
		return reply{}, errors.New("no rows")
	}
	res, err := m.Process(ctx, b, parts[0])
	if err != nil {
		return reply{}, err
	}
	if err := res.Check(d.decl, int(parts[0].NumRows())); err != nil {
		return reply{}, err
	}
	r := reply{rows: res.Rec, count: res.N, counted: true}
	if res.From != nil && d.decl.Keeps != nil {
		r.beside = numbers(wire.From, res.From)
	}
	return r, nil
}

// Check says what is wrong with a result for a record batch of n rows.
func (r Result) Check(d Declaration, n int) error {
	computed := batch.Columns(d.Output, d.Computed())
	switch {
	case r.N < 0:
		return fmt.Errorf("a result of %d rows", r.N)
	case r.Rec == nil && r.N > 0 && computed.NumFields() > 0:
		return fmt.Errorf("a result of %d rows without their columns", r.N)
	case r.Rec != nil && int(r.Rec.NumRows()) != r.N:
		return fmt.Errorf("a result of %d rows with columns of %d", r.N, r.Rec.NumRows())
	case r.From != nil && len(r.From) != r.N:
		return fmt.Errorf("a result of %d rows says where %d come from", r.N, len(r.From))
	case r.From == nil && d.Keeps != nil && r.N != n && r.N > 0 && len(d.Computed()) < d.Output.NumFields():
		return fmt.Errorf("a result of %d rows for %d that does not say where they come from, and columns are kept", r.N, n)
	}
	for i, f := range r.From {
		if f < 0 || int(f) >= n {
			return fmt.Errorf("row %d of a result comes from row %d of %d", i, f, n)
		}
	}
	if r.Rec == nil {
		return nil
	}
	return sameRows("the result", r.Rec, computed)
}

// sameRows says how the columns of a record differ from those that were declared.
func sameRows(what string, rec arrow.Record, want *arrow.Schema) error {
	if int(rec.NumCols()) != want.NumFields() {
		return fmt.Errorf("%s has %d columns, and %d are declared", what, rec.NumCols(), want.NumFields())
	}
	for i, f := range want.Fields() {
		if got := rec.Schema().Field(i); got.Name != f.Name || !arrow.TypeEqual(got.Type, f.Type) {
			return fmt.Errorf("column %d of %s is %q (%s), and %q (%s) is declared", i, what, got.Name, got.Type, f.Name, f.Type)
		}
	}
	if err := batch.CheckRecord(rec, want); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (c *calls) eval(ctx context.Context, req *wire.Request, d *declared, parts []arrow.Record) (reply, error) {
	f, err := instance(c, req.Declaration, d, d.op.Scalar)
	if err != nil {
		return reply{}, err
	}
	if parts[0] == nil {
		return reply{}, errors.New("no rows")
	}
	v, err := f.Eval(ctx, parts[0])
	if err != nil {
		return reply{}, err
	}
	rec, err := scalarRecord(v, d.out[0], parts[0].NumRows())
	if err != nil {
		return reply{}, err
	}
	return reply{rows: rec, count: int(rec.NumRows()), counted: true}, nil
}

// scalarRecord checks what a Scalar gave for n rows.
func scalarRecord(v arrow.Array, out *arrow.Schema, n int64) (arrow.Record, error) {
	switch f := out.Field(0); {
	case v == nil || int64(v.Len()) != n:
		l := 0
		if v != nil {
			l = v.Len()
		}
		return nil, fmt.Errorf("the function gives %d values for %d rows", l, n)
	case !arrow.TypeEqual(v.DataType(), f.Type):
		return nil, fmt.Errorf("the function gives %s, and %s is declared", v.DataType(), f.Type)
	}
	rec := array.NewRecord(out, []arrow.Array{v}, n)
	return rec, batch.CheckRecord(rec, out)
}

func (c *calls) aggregate(ctx context.Context, b Batch, req *wire.Request, d *declared, parts []arrow.Record) (reply, error) {
	a, err := instance(c, req.Declaration, d, d.op.Aggregate)
	if err != nil {
		return reply{}, err
	}
	if len(req.Numbers) != 1 || req.Numbers[0] < 0 || req.Numbers[0] > math.MaxInt32 || parts[0] == nil {
		return reply{}, errors.New("rows and a number of keys are wanted")
	}
	keys := int(req.Numbers[0])
	of, err := below(parts[1], keys, int(parts[0].NumRows()))
	if err != nil {
		return reply{}, err
	}
	do, out := a.Partial, d.out[0]
	if req.Method == wire.Method_MERGE {
		do, out = a.Merge, d.out[1]
	}
	rec, err := do(ctx, b, parts[0], of, keys)
	if err != nil {
		return reply{}, err
	}
	if rec == nil || int(rec.NumRows()) != keys {
		return reply{}, fmt.Errorf("%s gives %d rows for %d keys", req.Method, rowsOf(rec), keys)
	}
	if err := sameRows("the result", rec, out); err != nil {
		return reply{}, err
	}
	return reply{parts: []arrow.Record{rec}}, nil
}

func rowsOf(rec arrow.Record) int64 {
	if rec == nil {
		return 0
	}
	return rec.NumRows()
}

// below are the numbers of a part, one for each of n rows and all of them in [0, limit).
func below(rec arrow.Record, limit, n int) ([]int32, error) {
	if rec == nil {
		if n == 0 {
			return nil, nil
		}
		return nil, fmt.Errorf("%d rows without their key numbers", n)
	}
	if int(rec.NumRows()) != n {
		return nil, fmt.Errorf("%d rows with %d key numbers", n, rec.NumRows())
	}
	of := rec.Column(0).(*array.Int32).Int32Values()
	for i, v := range of {
		if v < 0 || int(v) >= limit {
			return nil, fmt.Errorf("row %d is of key %d of %d", i, v, limit)
		}
	}
	return of, nil
}

// numbers is a column of int32.
func numbers(schema *arrow.Schema, list []int32) arrow.Record {
	b := array.NewInt32Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(list, nil)
	return array.NewRecord(schema, []arrow.Array{b.NewArray()}, int64(len(list)))
}
