package workloads

import (
	"fmt"
	"strconv"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/source"
)

// visits counts how often each key was touched, in a function of the user's: changed counts out in each batch.
func (s *Settings) visits(j *dstream.Job) {
	dstream.From(j, s.text("touches")).
		KeyBy(func(line string) int64 {
			n, err := strconv.ParseInt(line, 10, 64)
			if err != nil {
				panic(err)
			}
			return n
		}).
		Stateful("visits", func(_ int64, lines []string, st *dstream.State[int64]) []int64 {
			st.Set(st.Get() + int64(len(lines)))
			return []int64{st.Get()}
		}).
		To(s.output("out-state"))
}

// Sale is a typed row of four fields.
type Sale struct {
	Shop   string
	Item   int64
	Price  float64
	Amount int32
}

// SaleOf is sale n: a function of n alone.
func SaleOf(n int64) Sale {
	h := uint64(n) * 0x9e3779b97f4a7c15
	return Sale{shops[h>>54], int64(h >> 44 & 1023), float64(h>>20&1023) / 10, int32(h >> 10 & 3)}
}

// shops are 1,024 names.
var shops = func() (names [1024]string) {
	for i := range names {
		names[i] = fmt.Sprintf("shop-%04d", i)
	}
	return names
}()

// sales sends typed rows through functions of the user's: Map (which makes the rows), Map, Filter, KeyBy and ReduceByKey. What is left
// of a batch, at most 1,024 rows, is added up in a state.
func (s *Settings) sales(j *dstream.Job) {
	dstream.From(j, source.Rate(100_000_000, source.Partitions(1))).
		Map(func(t source.Tick) Sale { return SaleOf(t.Value) }).
		Map(func(s Sale) Sale { s.Price *= 0.9; return s }).
		Filter(func(s Sale) bool { return s.Amount > 0 }).
		KeyBy(func(s Sale) string { return s.Shop }).
		ReduceByKey(func(a, b Sale) Sale { a.Price += b.Price; a.Amount += b.Amount; return a }).
		MapValues(func(s Sale) int64 { return int64(s.Amount) }).
		RunningReduce("amounts", func(a, b int64) int64 { return a + b }).
		To(s.output("out-closures"))
}
