package dstream_test

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// The dearest fare of each city.
func ExampleGrouped_TopN() {
	showFares(func(f dstream.Frame) dstream.Stream[fare] {
		return f.GroupBy("city").TopN(1, expr.Col("cost").Desc()).As[fare]()
	})
	// Output:
	// batch 1: {rome 9} {oslo 2} {bonn 4}
	// batch 2: {oslo 8}
}

func ExampleFrame_TopN() {
	showFares(func(f dstream.Frame) dstream.Stream[fare] { return f.TopN(2, expr.Col("cost").Desc()).As[fare]() })
	// Output:
	// batch 1: {rome 9} {rome 5}
	// batch 2: {oslo 8}
}

func ExampleFrame_OrderBy() {
	showFares(func(f dstream.Frame) dstream.Stream[fare] {
		return f.OrderBy("city", expr.Col("cost").Desc()).As[fare]()
	})
	// Output:
	// batch 1: {bonn 4} {oslo 2} {rome 9} {rome 5}
	// batch 2: {oslo 8}
}

func ExampleFrame_Limit() {
	showFares(func(f dstream.Frame) dstream.Stream[fare] { return f.OrderBy("cost").Limit(2).As[fare]() })
	// Output:
	// batch 1: {oslo 2} {bonn 4}
	// batch 2: {oslo 8}
}

// The first row of each city.
func ExampleFrame_Distinct() {
	showFares(func(f dstream.Frame) dstream.Stream[fare] { return f.Distinct("city").As[fare]() })
	// Output:
	// batch 1: {rome 5} {oslo 2} {bonn 4}
	// batch 2: {oslo 8}
}

func ExampleFrame_Drop() {
	type city struct{ City string }
	showFares(func(f dstream.Frame) dstream.Stream[city] { return f.Drop("cost").As[city]() })
	// Output:
	// batch 1: {rome} {oslo} {rome} {bonn}
	// batch 2: {oslo}
}

func ExampleFrame_Rename() {
	type priced struct {
		City  string
		Price int64
	}
	showFares(func(f dstream.Frame) dstream.Stream[priced] { return f.Rename("cost", "price").As[priced]() })
	// Output:
	// batch 1: {rome 5} {oslo 2} {rome 9} {bonn 4}
	// batch 2: {oslo 8}
}

// basket is a row with a list.
type basket struct {
	ID    int64
	Items []string
}

var baskets = dstreamtest.Input[basket]("baskets")

func ExampleFrame_Explode() {
	type item struct {
		ID   int64
		Item string
	}
	show(func(job *dstream.Job) dstream.Stream[item] {
		return dstream.From(job, baskets.Source()).Frame().Explode("items", "item").As[item]()
	},
		rows(baskets.Part(0, basket{1, []string{"tea", "milk"}}, basket{2, nil}, basket{3, []string{"tea"}})))
	// Output:
	// batch 1: {1 tea} {1 milk} {3 tea}
}

// The empty basket stays, without an item.
func ExampleFrame_ExplodeOuter() {
	type item struct {
		ID   int64
		Item *string
	}
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, baskets.Source()).Frame().ExplodeOuter("items", "item").As[item]().Map(func(i item) string {
			if i.Item == nil {
				return fmt.Sprint(i.ID, ":none")
			}
			return fmt.Sprint(i.ID, ":", strings.ToUpper(*i.Item))
		})
	},
		rows(baskets.Part(0, basket{1, []string{"tea", "milk"}}, basket{2, nil})))
	// Output:
	// batch 1: 1:TEA 1:MILK 2:none
}
