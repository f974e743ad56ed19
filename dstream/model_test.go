package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// model is what modelJob computes, on maps.
type model struct {
	total, last map[int64]int64
}

func (m *model) batch(rows []int64) []string {
	count, touched := map[int64]int64{}, map[int64]bool{}
	for _, v := range rows {
		k := v % 700
		count[k]++
		m.total[k] += v
		m.last[k] = v
		touched[k] = true
	}
	var out []string
	for k := range touched {
		out = append(out, fmt.Sprintf("%d: count %d total %d last %d", k, count[k], m.total[k], m.last[k]))
	}
	slices.Sort(out)
	return out
}

// tally is what the branches of modelJob know of a key.
type tally struct{ Count, Total, Last int64 }

func modelJob(job *dstream.Job) {
	rows := dstream.From(job, dstreamtest.Input[int64]("rows").Source()).KeyBy(func(v int64) int64 { return v % 700 })
	counts := rows.CountByKey().MapValues(func(n int64) tally { return tally{Count: n} })
	totals := rows.Stateful("totals", func(_ int64, vs []int64, st *dstream.State[int64]) []tally {
		sum := st.Get()
		for _, v := range vs {
			sum += v
		}
		st.Set(sum)
		return []tally{{Total: sum}}
	})
	last := counts.JoinTable(rows.Latest("last"), func(t tally, last int64) tally { return tally{Last: last} })
	counts.Union(totals, last).
		ReduceByKey(func(a, b tally) tally { return tally{a.Count + b.Count, a.Total + b.Total, a.Last + b.Last} }).
		Map(func(k int64, t tally) string {
			return fmt.Sprintf("%d: count %d total %d last %d", k, t.Count, t.Total, t.Last)
		}).
		To(dstreamtest.Sink("out"))
}

// Random batches, some larger than what a writer turns into columns at once, give what the model says, under every layout,
// with restarts between (P27).
func TestModel(t *testing.T) {
	input := dstreamtest.Input[int64]("rows")
	for seed, o := range layouts {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		o.Block = max(o.Block, 1000)
		r := runner(t, o, modelJob)
		m := &model{map[int64]int64{}, map[int64]int64{}}
		for i, n := range []int{10, 40_000, 0, 3000} {
			rows := make([]int64, n)
			for i := range rows {
				rows[i] = rng.Int64N(1 << 20)
			}
			b, err := r.Run(dstreamtest.At(time.Duration(i+1)*time.Second), input.Part(0, rows[:n*3/4]...), input.Part(1, rows[n*3/4:]...))
			if err != nil {
				t.Fatal(err)
			}
			got := values[string](b)
			slices.Sort(got)
			if diff := cmp.Diff(m.batch(rows), got); diff != "" {
				t.Fatalf("%+v: batch %d: %s", o, i+1, diff)
			}
			if err := r.Restart(rng.IntN(6) + 1); err != nil {
				t.Fatal(err)
			}
		}
	}
}
