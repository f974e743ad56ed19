package dstream_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

type rankedRow struct {
	Item        string
	Price       int64
	Note        *string
	WindowStart time.Time
	WindowEnd   time.Time
	Rank        int64
}

// The dearest of each item in two seconds of batch time.
func TestTopNByBatchTime(t *testing.T) {
	at := dstreamtest.At
	first, second := [2]time.Time{at(0), at(2 * time.Second)}, [2]time.Time{at(2 * time.Second), at(4 * time.Second)}
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[rankedRow] {
		return s.Frame().Window(dstream.Tumbling(2*time.Second).ByBatchTime()).GroupBy("item").TopN("dearest", 1, dstream.Desc("price")).As[rankedRow]()
	}, [][]bought{
		{{"a", 1, nil}, {"b", 3, nil}, {"a", 4, nil}},
		{{"a", 3, nil}, {"b", 5, nil}},
		{{"a", 2, nil}},
		{},
	}, [][]rankedRow{{}, {{"a", 4, nil, first[0], first[1], 1}, {"b", 5, nil, first[0], first[1], 1}}, {}, {{"a", 2, nil, second[0], second[1], 1}}})
}
