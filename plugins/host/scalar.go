package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// scalar is a Scalar in a process.
type scalar struct {
	r      *remote
	name   string
	config []byte
	d      *declaration
	in     *arrow.Schema // of what is sent
	reads  []int         // columns that are; nil: all
}

func (s *scalar) Declare(args []arrow.Field) (arrow.Field, error) {
	in := arrow.NewSchema(args, nil)
	d, err := s.r.declare(s.name, s.config, 0, 1, in)
	if err != nil {
		return arrow.Field{}, err
	}
	if d.out[0].NumFields() != 1 {
		err := fmt.Errorf("it declares %d columns, where a function gives one", d.out[0].NumFields())
		return arrow.Field{}, &Error{Kind: Protocol, Plugin: s.r.name(), Operator: s.name, Text: err.Error(), Err: err}
	}
	decl := plugins.Declaration{Output: d.out[0], Reads: reads(d.resp)}
	if err := decl.Check(in); err != nil {
		return arrow.Field{}, &Error{Kind: Protocol, Plugin: s.r.name(), Operator: s.name, Text: err.Error(), Err: err}
	}
	s.d, s.in, s.reads = d, decl.Input(in), decl.Reads
	return d.out[0].Field(0), nil
}

func (s *scalar) Eval(ctx context.Context, args arrow.Record) (arrow.Array, error) {
	if s.d == nil {
		return nil, errors.New("Eval before Declare")
	}
	if args.NumRows() == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, s.d.out[0].Field(0).Type, 0), nil
	}
	l, err := s.r.acquire(ctx, s.d, s.d.out[0], wire.From)
	if err != nil {
		return nil, err
	}
	defer l.release()
	columns := args.Columns()
	if s.reads != nil {
		columns = nil
		for _, c := range s.reads {
			columns = append(columns, args.Column(c))
		}
	}
	args = array.NewRecord(s.in, columns, args.NumRows()) // with the names that were declared
	todo := pieces(args)
	var recs []arrow.Record
	for next := 0; len(todo) > 0; {
		for next < len(todo) && s.d.room(l.out, recordBytes(todo[next])) {
			if err := l.send(ctx, &wire.Request{Method: wire.Method_PROCESS, Numbers: []int64{todo[next].NumRows()}}, todo[next:next+1]); err != nil {
				return nil, err
			}
			next++
		}
		got, err := s.receive(ctx, l, int(todo[0].NumRows()))
		if err != nil {
			return nil, err
		}
		recs = append(recs, got...)
		todo, next = todo[1:], next-1
	}
	return batch.Concat(recs).Column(0), nil
}

// receive takes the values for n rows.
func (s *scalar) receive(ctx context.Context, l *lease, n int) (recs []arrow.Record, err error) {
	rows, bytes := 0, int64(0)
	for {
		resp, got, err := l.receive(ctx, nil, false)
		if err != nil {
			return nil, err
		}
		if got[0] != nil {
			recs = append(recs, got[0])
			rows += int(got[0].NumRows())
			bytes += batch.Bytes(got[0])
		}
		switch {
		case rows > n, rows < n && !resp.More:
			return nil, l.broken(nil, fmt.Errorf("the function gives %d values for %d rows", rows, n))
		case bytes > maxAnswer:
			return nil, l.over(nil, fmt.Sprintf("the answer to %d rows has %s and more, where %s is the limit: it was killed", n, bytesText(bytes), bytesText(maxAnswer)))
		case !resp.More:
			s.d.answered(bytes)
			return recs, nil
		}
	}
}

var _ plugins.Scalar = (*scalar)(nil)
