package plugintest

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/plugins"
)

func others() []plugins.Operator {
	return []plugins.Operator{
		plugins.Func1("half", func(x float64) float64 { return x / 2 }),
		plugins.Func2("label", func(text string, n int64) string { return text + ":" + strconv.FormatInt(n, 10) }),
		{Name: "isnull", Scalar: func(config []byte) (plugins.Scalar, error) {
			if len(config) > 0 {
				return nil, errors.New("the operator takes no configuration")
			}
			return isNull{}, nil
		}},
		plugins.Aggregated("sum", part{}, part.add, part.merge, part.finish),
		plugins.Stateful("count", count),
		plugins.Configured("counting", counting.source),
		plugins.Configured("lines", func(c lines) (plugins.Operator, error) {
			return plugins.Operator{Sink: func([]byte) (plugins.Sink, error) { return c, nil }}, nil
		}),
	}
}

type isNull struct{}

func (isNull) Declare(args []arrow.Field) (arrow.Field, error) {
	if len(args) != 1 {
		return arrow.Field{}, errors.New("one argument is wanted")
	}
	return arrow.Field{Name: "value", Type: arrow.FixedWidthTypes.Boolean}, nil
}

func (isNull) Eval(_ context.Context, args arrow.Record) (arrow.Array, error) {
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer b.Release()
	for i := range int(args.NumRows()) {
		b.Append(args.Column(0).IsNull(i))
	}
	return b.NewArray(), nil
}

type (
	valued struct {
		N int64
		X float64
	}
	part struct {
		N    int64
		X    float64
		Rows int64
	}
	total struct {
		N    int64
		X    float64
		Rows int64
		Mean *float64
	}
)

func (p part) add(r valued) part { return part{p.N + r.N, p.X + r.X, p.Rows + 1} }

func (p part) merge(o part) part { return part{p.N + o.N, p.X + o.X, p.Rows + o.Rows} }

func (p part) finish() total {
	t := total{N: p.N, X: p.X, Rows: p.Rows}
	if p.Rows > 0 {
		mean := p.X / float64(p.Rows)
		t.Mean = &mean
	}
	return t
}

type (
	counted struct{ Count, Sum int64 }
	event   struct {
		What       string
		Count, Sum int64
	}
)

func count(_ struct{}, rows []number, st *plugins.State[counted]) []event {
	s := st.Get()
	if st.Expired() {
		return []event{{"expired", s.Count, s.Sum}}
	}
	idle, gone, timeless := true, false, false
	for _, r := range rows {
		idle, gone, timeless = idle && r.N == -2, gone || r.N == -1, timeless || r.N == -3
		s.Count, s.Sum = s.Count+1, s.Sum+r.N
	}
	switch {
	case idle:
		return nil
	case gone:
		st.Delete()
		return []event{{"deleted", s.Count, s.Sum}}
	}
	st.Set(s)
	if d := s.Count % 3; timeless {
		st.ExpireAt(time.Time{})
	} else if d > 0 {
		st.ExpireAfter(time.Duration(d) * time.Second)
	}
	return []event{{"counted", s.Count, s.Sum}}
}
