package dstream_test

import (
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

type bought struct {
	Item  string
	Price int64
	Note  *string
}

type doubled struct {
	Item  string
	Twice *int64
}

func TestFrameSelectWhereWith(t *testing.T) {
	x := "x"
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[doubled] {
		return s.Frame().
			With("twice", expr.Col("price").Mul(2)).
			Where(expr.Col("twice").Gt(4).And(expr.Col("note").IsNull())).
			Select("item", "twice").
			As[doubled]()
	}, [][]bought{
		{{"a", 1, nil}, {"b", 3, nil}, {"c", 4, &x}, {"d", 1 << 62, nil}},
		{},
		{{"e", 5, nil}},
	}, [][]doubled{{{"b", new(int64(6))}}, {}, {{"e", new(int64(10))}}})
}
