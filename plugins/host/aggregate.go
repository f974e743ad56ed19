package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// aggregate is an Aggregate in a process.
type aggregate struct {
	r      *remote
	name   string
	config []byte
	d      *declaration
}

func (a *aggregate) Schemas(key, in *arrow.Schema) (partial, out *arrow.Schema, err error) {
	if a.d, err = a.r.declare(a.name, a.config, 0, 2, key, in); err != nil {
		return nil, nil, err
	}
	return a.d.out[0], a.d.out[1], nil
}

func (a *aggregate) Partial(ctx context.Context, b plugins.Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error) {
	return a.combine(ctx, wire.Method_PARTIAL, 0, b, in, of, keys)
}

func (a *aggregate) Merge(ctx context.Context, b plugins.Batch, partials arrow.Record, of []int32, keys int) (arrow.Record, error) {
	return a.combine(ctx, wire.Method_MERGE, 1, b, partials, of, keys)
}

// combine calls once, or once for each of several ranges of keys where there is much: what becomes of a key depends on its rows alone.
func (a *aggregate) combine(ctx context.Context, method wire.Method, out int, b plugins.Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error) {
	if a.d == nil {
		return nil, errors.New("a call before Schemas")
	}
	l, err := a.r.acquire(ctx, a.d, a.d.out[out])
	if err != nil {
		return nil, err
	}
	defer l.release()
	var recs []arrow.Record
	for _, k := range keyRanges(in, of, keys) {
		rows, part := in, of
		if !k.whole {
			rows, part = batch.Take(in, k.rows), keysOf(of, k.rows, k.from)
		}
		n := k.to - k.from
		_, got, err := l.call(ctx, &wire.Request{Method: method, Batch: wireBatch(b), Numbers: []int64{int64(n)}}, rows, numbers(wire.Of, part))
		if err != nil {
			return nil, err
		}
		if got[0] == nil || int(got[0].NumRows()) != n {
			return nil, l.broken(&b, fmt.Errorf("%s gives %d rows for %d keys", method, rowsOf(got), n))
		}
		recs = append(recs, got[0])
	}
	return batch.Concat(recs), nil
}

var _ plugins.Aggregate = (*aggregate)(nil)
