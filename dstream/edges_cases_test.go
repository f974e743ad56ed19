package dstream_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/dstream"
)

// stateCases are the operators that keep state for a key.
func stateCases() []edgeCase {
	return []edgeCase{
		{"runningCount", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return edgeKeyed(s).RunningCount("n", dstream.Expire(3*time.Second)).Map(shown)
		}, func() expect {
			n, due := map[string]int64{}, map[string]int{}
			return func(at int, rows []edge) []string {
				touched := countsOf(rows)
				for k, c := range touched {
					if due[k] <= at {
						n[k] = 0
					}
					n[k], due[k] = n[k]+c, at+3
					touched[k] = n[k]
				}
				return shownAll(touched)
			}
		}},
		{"runningReduce", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return edgeKeyed(s).RunningReduce("sum", add, dstream.CheckpointEvery(3)).Map(shown)
		}, func() expect {
			all := map[string]int64{}
			return func(_ int, rows []edge) []string {
				touched := sumsOf(rows)
				for k, n := range touched {
					all[k] += n
					touched[k] = all[k]
				}
				return shownAll(touched)
			}
		}},
		{"stateful", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return edgeKeyed(s).Stateful("st", func(k string, ns []int64, st *dstream.State[int64]) []string {
				if st.Expired() {
					return []string{fmt.Sprint("gone ", st.Get())}
				}
				for _, n := range ns {
					st.Set(st.Get() + n)
				}
				st.ExpireAfter(seconds(2))
				return []string{fmt.Sprint(st.Get())}
			}).Map(shown)
		}, func() expect {
			return timed(2, sumsOf, func(n, before int64) []string { return []string{fmt.Sprint(before + n)} })
		}},
		{"mapWithState", func(s dstream.Stream[edge]) dstream.Stream[string] { return counting(s).Map(shown) },
			func() expect {
				return timed(2, countsOf, func(n, before int64) (list []string) {
					for i := range n {
						list = append(list, fmt.Sprint(before+i+1))
					}
					return list
				})
			}},
		{"snapshots", func(s dstream.Stream[edge]) dstream.Stream[string] { return counting(s).Snapshots[int64]().Map(shown) },
			func() expect {
				n, due := map[string]int64{}, map[string]int{}
				return func(at int, rows []edge) []string {
					for k := range n {
						if due[k] <= at {
							delete(n, k)
						}
					}
					for k, c := range countsOf(rows) {
						n[k], due[k] = n[k]+c, at+2
					}
					return shownAll(n)
				}
			}},
		{"updateStateByKey", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return edgeKeyed(s).UpdateStateByKey("u", func(_ string, ns []int64, sum *int64) *int64 {
				if len(ns) == 0 && *sum <= 4 {
					return nil // small sums go when nothing came
				}
				if sum == nil {
					sum = new(int64)
				}
				for _, n := range ns {
					*sum += n
				}
				return sum
			}).Map(shown)
		}, func() expect {
			all := map[string]int64{}
			return func(_ int, rows []edge) []string {
				sums := sumsOf(rows)
				for k, n := range all {
					if sums[k] == 0 && n <= 4 {
						delete(all, k)
					}
				}
				for k, n := range sums {
					all[k] += n
				}
				return shownAll(all)
			}
		}},
		{"latest", func(s dstream.Stream[edge]) dstream.Stream[string] { return edgeKeyed(s).Latest("t").All().Map(shown) },
			func() expect { return table(func(edge) bool { return true }) }},
		{"latestBy", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return s.LatestBy("t", func(e edge) (string, int64, bool) { return e.Key, e.N, e.N%4 != 0 }).All().Map(shown)
		}, func() expect { return table(func(e edge) bool { return e.N%4 != 0 }) }},
	}
}

// counting numbers the rows of a key, until none came for two seconds.
func counting(s dstream.Stream[edge]) dstream.Keyed[string, string] {
	return edgeKeyed(s).MapWithState("st", func(_ string, n *int64, st *dstream.State[int64]) string {
		if n == nil {
			return fmt.Sprint("gone ", st.Get())
		}
		st.Set(st.Get() + 1)
		st.ExpireAfter(seconds(2))
		return fmt.Sprint(st.Get())
	})
}

// timed is a state that is idle for some seconds at most, and says when it goes.
func timed(idle int, amount func([]edge) map[string]int64, show func(n, before int64) []string) expect {
	all, due := map[string]int64{}, map[string]int{}
	return func(at int, rows []edge) (list []string) {
		for k, n := range all {
			if due[k] <= at {
				list = append(list, shown(k, fmt.Sprint("gone ", n)))
				delete(all, k)
			}
		}
		for k, n := range amount(rows) {
			for _, v := range show(n, all[k]) {
				list = append(list, shown(k, v))
			}
			all[k], due[k] = all[k]+n, at+idle
		}
		return list
	}
}

// table is the last row of each key, if it says that the key exists.
func table(exists func(edge) bool) expect {
	all := map[string]int64{}
	return func(_ int, rows []edge) []string {
		for _, r := range rows {
			if delete(all, r.Key); exists(r) {
				all[r.Key] = r.N
			}
		}
		return shownAll(all)
	}
}

// windowCases are the windows, of w seconds by slide.
func windowCases(w, slide int) []edgeCase {
	length, step := seconds(w), seconds(slide)
	at := func(f func(rows []edge) []string) func() expect {
		return func() expect { return windowed(w, slide, f) }
	}
	reduced := func(opts ...dstream.WindowOption) func(s dstream.Stream[edge]) dstream.Table[string, int64] {
		return func(s dstream.Stream[edge]) dstream.Table[string, int64] {
			return edgeKeyed(s).ReduceByKeyAndWindow("w", add, length, step, opts...)
		}
	}
	large := func(_ string, n int64) bool { return n > 4 }
	return []edgeCase{
		{"reduceByKeyAndWindow", func(s dstream.Stream[edge]) dstream.Stream[string] { return reduced()(s).All().Map(shown) },
			at(func(rows []edge) []string { return shownAll(sumsOf(rows)) })},
		{"inverse", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return reduced(dstream.Inverse(take))(s).Changes().Map(shown)
		},
			func() expect {
				var last map[string]int64
				return windowed(w, slide, func(rows []edge) (list []string) {
					now := sumsOf(rows)
					for k, n := range now {
						if was, ok := last[k]; !ok || was != n {
							list = append(list, shown(k, n))
						}
					}
					last = now
					return list
				})
			}},
		{"keepIf", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return reduced(dstream.KeepIf(large))(s).All().Map(shown)
		},
			at(func(rows []edge) (list []string) {
				for k, n := range sumsOf(rows) {
					if large(k, n) {
						list = append(list, shown(k, n))
					}
				}
				return list
			})},
		{"joinTable", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return edgeKeyed(s).JoinTable(reduced(dstream.Inverse(take))(s), add).Map(shown)
		}, func() expect {
			last := map[string]int64{}
			m := windowed(w, slide, func(rows []edge) []string { last = sumsOf(rows); return nil })
			return func(at int, rows []edge) (list []string) {
				m(at, rows)
				for _, r := range rows {
					if n, ok := last[r.Key]; ok {
						list = append(list, shown(r.Key, n+r.N))
					}
				}
				return list
			}
		}},
		{"countByValueAndWindow", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return edgeKeyed(s).Keys().CountByValueAndWindow("w", length, step).All().Map(shown)
		}, at(func(rows []edge) []string { return shownAll(countsOf(rows)) })},
		{"countByWindow", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return s.CountByWindow("w", length, step).Map(func(n int64) string { return fmt.Sprint(n) })
		}, at(func(rows []edge) []string { return []string{fmt.Sprint(len(rows))} })},
		{"reduceByWindow", func(s dstream.Stream[edge]) dstream.Stream[string] {
			ns := edgeKeyed(s).Values()
			inverse := ns.ReduceByWindow("inverse", add, length, step, dstream.Inverse(take))
			return ns.ReduceByWindow("w", add, length, step).Union(inverse).Map(func(n int64) string { return fmt.Sprint(n) })
		}, at(func(rows []edge) (list []string) {
			sum := int64(0)
			for _, r := range rows {
				sum += r.N
			}
			if len(rows) > 0 {
				list = []string{fmt.Sprint(sum), fmt.Sprint(sum)}
			}
			return list
		})},
		{"window", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return s.Window("w", length, step).Map(func(e edge) string { return shown(e.Key, e.N) })
		}, at(each)},
		{"keyed window", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return edgeKeyed(s).Window("w", length, step).Map(shown)
		}, at(each)},
		{"groupByKeyAndWindow", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return edgeKeyed(s).GroupByKeyAndWindow("w", length, step).Map(shown)
		}, at(func(rows []edge) []string {
			groups := map[string][]int64{}
			for _, r := range rows {
				groups[r.Key] = append(groups[r.Key], r.N)
			}
			return shownAll(groups)
		})},
		{"slice", func(s dstream.Stream[edge]) dstream.Stream[string] {
			return s.Remember("m", length+step).Slice(func(at time.Time) (from, until time.Time) {
				return ago(at, w+1), ago(at, 1)
			}).Map(func(e edge) string { return shown(e.Key, e.N) })
		}, func() expect {
			var past [][]edge
			return func(at int, rows []edge) []string {
				list := each(slices.Concat(past[max(0, at-1-w):]...))
				past = append(past, rows)
				return list
			}
		}},
	}
}

func each(rows []edge) (list []string) {
	for _, r := range rows {
		list = append(list, shown(r.Key, r.N))
	}
	return list
}

// windowed calls f with all rows of the window at each multiple of the slide. There is a batch at each second.
func windowed(w, slide int, f func(rows []edge) []string) expect {
	var past [][]edge
	return func(at int, rows []edge) []string {
		past = append(past, rows)
		if at%slide != 0 {
			return nil
		}
		return f(slices.Concat(past[max(0, at-w):]...))
	}
}
