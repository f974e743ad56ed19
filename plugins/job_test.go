package plugins_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
)

// bought is an order of a user.
type bought struct {
	User  string
	Cents int64
}

var purchases = [][]bought{{{"ada", 100}, {"bob", 5}, {"ada", 30}}, {}, {{"bob", 7}, {"ada", 1}}}

// Operators on Go values in jobs, in all ways in which operators are proved.

func TestJobAggregated(t *testing.T) {
	type out struct {
		User  string
		Range int64
	}
	spread := plugins.Aggregated("spread", Spread{1 << 62, -1 << 62},
		func(s Spread, b struct{ Cents int64 }) Spread {
			return Spread{min(s.Low, b.Cents), max(s.High, b.Cents)}
		},
		func(a, b Spread) Spread { return Spread{min(a.Low, b.Low), max(a.High, b.High)} },
		func(s Spread) Range { return Range{s.High - s.Low} })
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[out] {
		return s.Frame().GroupBy("user").Apply(spread).As[out]()
	}, purchases, [][]out{{{"ada", 70}, {"bob", 0}}, {}, {{"bob", 0}, {"ada", 0}}})
}

func TestJobStateful(t *testing.T) {
	type out struct {
		User string
		Sum  int64
	}
	type sum struct{ Sum int64 }
	type key struct{ User string }
	op := plugins.Stateful("sums", func(k key, rows []bought, st *plugins.State[sum]) []sum {
		if st.Expired() {
			return []sum{{-st.Get().Sum}}
		}
		s := st.Get()
		for _, r := range rows {
			if r.User != k.User {
				panic("a row of another key")
			}
			s.Sum += r.Cents
		}
		st.Set(s)
		st.ExpireAfter(10 * time.Second)
		return []sum{s}
	})
	at := dstreamtest.Times(dstreamtest.At(time.Second), dstreamtest.At(2*time.Second), dstreamtest.At(5*time.Second), dstreamtest.At(30*time.Second))
	in := append(purchases[:3:3], nil)
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[out] {
		return s.Frame().GroupBy("user").Running("sums").Apply(op).As[out]()
	}, in, [][]out{{{"ada", 130}, {"bob", 5}}, {}, {{"bob", 12}, {"ada", 131}}, {{"ada", -131}, {"bob", -12}}}, at)
}

func TestJobScalar(t *testing.T) {
	type out struct{ Initial string }
	initial := dstream.Func(plugins.Func2("initial", func(s string, n int64) string { return s[:n] }))
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[out] {
		return s.Frame().Select(initial(expr.Col("user"), 1).As("initial")).As[out]()
	}, purchases, [][]out{{{"a"}, {"b"}, {"a"}}, {}, {{"b"}, {"a"}}})
}
