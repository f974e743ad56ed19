package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/source"
)

// jobKeys is how many keys the state of "state" holds.
var jobKeys = pflag.Int("keys", 1_000_000, "state: keys that have a state before the measurement begins")

// touch names the key of record i: every key once, then every key once more, in an order that jumps about.
func touch(i, keys int) int64 { return int64(i) * 7919 % int64(keys) }

// visits counts how often each key was touched, in a function of the user's: changed counts out in each batch.
func visits(j *dstream.Job) {
	dstream.From(j, text("touches")).
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
		To(output("out-state"))
}

// touched fills a state with keys, and then measures batches that touch few of them: what they cost must not depend on how many there are.
func (s *settings) touched(ctx context.Context, st store) (*result, error) {
	if s.rate == 0 {
		s.rate = 10_000
	}
	keys := *jobKeys
	if err := s.load(ctx, st); err != nil {
		return nil, err
	}
	line := func(i int, _ int64) (key, val []byte) { return nil, strconv.AppendInt(nil, touch(i, keys), 10) }
	if err := st.load(ctx, "touches", line, keys, nil); err != nil {
		return nil, err
	}
	fill, err := s.start(s.jobArgs("--until-caught-up"))
	if err != nil {
		return nil, err
	}
	if err := fill.Wait(); err != nil {
		return nil, fmt.Errorf("the job that fills the state: %w", err)
	}
	began := time.Now()
	cmd, err := s.start(s.jobArgs())
	if err != nil {
		return nil, err
	}
	n := int(s.rate * s.seconds)
	pace, _ := pacer(ctx, s.rate)
	err = st.load(ctx, "touches", func(i int, ms int64) (key, val []byte) { return line(keys+i, ms) }, n, pace)
	time.Sleep(time.Second)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	r, err := s.finish(cmd, began, n)
	if err != nil {
		return nil, err
	}
	r.Keys = keys
	c := newTouches(keys+n, keys)
	if err := st.follow(ctx, "out-state", time.Second, func(key, val []byte) bool { c.take(key, val); return true }); err != nil {
		return nil, err
	}
	r.verdict(c.done())
	return r, nil
}

// newTouches wants the last count of each key; counts of a key never fall.
func newTouches(n, keys int) *words {
	c := &words{want: map[string]int64{}, got: map[string]int64{}}
	for i := range n {
		c.want[strconv.FormatInt(touch(i, keys), 10)]++
	}
	return c
}

// sale is a typed row of four fields.
type sale struct {
	Shop   string
	Item   int64
	Price  float64
	Amount int32
}

// saleOf is row n: a function of its offset.
func saleOf(n int64) sale {
	h := uint64(n) * 0x9e3779b97f4a7c15
	return sale{shops[h>>54], int64(h >> 44 & 1023), float64(h>>20&1023) / 10, int32(h >> 10 & 3)}
}

// shops are 1,024 names.
var shops = func() (names [1024]string) {
	for i := range names {
		names[i] = fmt.Sprintf("shop-%04d", i)
	}
	return names
}()

// closures sends typed rows through functions of the user's: Map (which makes the rows), Map, Filter, KeyBy and ReduceByKey. What is left
// of a batch, at most 1,024 rows, is added up in a state, so that the output can be checked.
func closures(j *dstream.Job) {
	dstream.From(j, source.Rate(100_000_000, source.Partitions(1))).
		Map(func(t source.Tick) sale { return saleOf(t.Value) }).
		Map(func(s sale) sale { s.Price *= 0.9; return s }).
		Filter(func(s sale) bool { return s.Amount > 0 }).
		KeyBy(func(s sale) string { return s.Shop }).
		ReduceByKey(func(a, b sale) sale { a.Price += b.Price; a.Amount += b.Amount; return a }).
		MapValues(func(s sale) int64 { return int64(s.Amount) }).
		RunningReduce("amounts", func(a, b int64) int64 { return a + b }).
		To(output("out-closures"))
}

// typed runs "closures" for a while: rows are made as fast as they are read, so one core is busy with them all the time.
func (s *settings) typed(ctx context.Context, st store) (*result, error) {
	r, err := s.runAwhile(ctx, st)
	if err != nil {
		return nil, err
	}
	r.CPU = r.cpuSeconds / float64(max(r.Records, 1)) * 1e6
	c := newAmounts(int64(r.Records))
	if err := st.follow(ctx, "out-closures", time.Second, func(key, val []byte) bool { c.take(key, val); return true }); err != nil {
		return nil, err
	}
	r.verdict(c.done())
	return r, nil
}

// newAmounts wants the last sum of each shop.
func newAmounts(n int64) *words {
	c := &words{want: map[string]int64{}, got: map[string]int64{}}
	for i := range n {
		if r := saleOf(i); r.Amount > 0 {
			c.want[r.Shop] += int64(r.Amount)
		}
	}
	return c
}
