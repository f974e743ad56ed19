package dstream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// TestShedOldestInAllWays: of 1,500 windows of one key a MiB holds fewer than half, and each partition's share of it fewer still. How many are left depends on how many partitions there are, but the first
// ones have gone in each layout, and the last ones are there.
//
//	windows   0 … 49   …   1450 … 1499   20000
//	shown     none     ?   all           at the end
func TestShedOldestInAllWays(t *testing.T) {
	type named struct {
		ID   string
		Name string
		At   time.Time
	}
	type shown struct {
		WindowStart time.Time
		N           int64
	}
	at := func(s int) time.Time { return dstreamtest.At(seconds(s)) }
	var many []named
	var last []shown
	for s := range 1500 {
		many = append(many, named{"a", "name", at(s)})
		if s >= 1450 {
			last = append(last, shown{at(s), 1})
		}
	}
	wide := []expr.Agg{expr.Count().As("n")}
	for i := range 48 { // texts, which count for 32 bytes each, so that few rows make a MiB
		wide = append(wide, expr.Max("name").As(fmt.Sprint("name_", i)))
	}
	start := expr.Col("window_start")
	dstreamtest.Check(t, func(s dstream.Stream[named]) dstream.Stream[shown] {
		// without the limit the first 50 windows would be shown too
		return s.Frame().EventTime("at", 2000*time.Second, dstream.Ahead(0)).Window(dstream.Tumbling(time.Second), dstream.MaxState(1<<20), dstream.ShedOldest()).
			GroupBy("id").Agg("windows", wide...).
			Where(start.Lt(at(50)).Or(start.Ge(at(1450)))).Select("window_start", "n").As[shown]()
	}, [][]named{many, {{"a", "name", at(20000)}}}, [][]shown{nil, last, {{at(20000), 1}}}, dstreamtest.Finish())
}
