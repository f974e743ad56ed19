package dstream_test

import (
	_ "embed"
	"math"
	"strings"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
)

//go:embed vocabulary_test.go
var vocabularySource string

// A panic in an operator's function names the operator and its line, and the source record or the key where one of them is known.
func TestPanicsOfTheVocabulary(t *testing.T) {
	type stream = dstream.Stream[string]
	type keyed = dstream.Keyed[string, string]
	order := func(a, b string) int { return strings.Compare(bomb(a), bomb(b)) }
	both := func(a, b string) string { return bomb(a) }
	const nowhere, record, atKey = 0, 1, 2
	for op, c := range map[string]struct {
		build func(stream, keyed)
		where int
	}{
		"mapPartitions": {func(s stream, _ keyed) {
			s.MapPartitions(func(rows []string) []string { return []string{bomb(rows[max(0, len(rows)-2)])} }).To(out) // panic mapPartitions
		}, nowhere},
		"flatMapValues": {func(_ stream, k keyed) {
			k.FlatMapValues(func(v string) []string { return []string{bomb(v)} }).To(out) // panic flatMapValues
		}, record},
		"partitionBy": {func(_ stream, k keyed) {
			k.PartitionBy(func(k string) int { return len(bomb(k)) }).To(out) // panic partitionBy
		}, record},
		"reduce": {func(s stream, _ keyed) {
			s.Reduce(func(a, b string) string { bomb(b); return b }).To(out) // panic reduce
		}, nowhere},
		"sortBy": {func(s stream, _ keyed) {
			s.SortBy(order).To(out) // panic sortBy
		}, nowhere},
		"topK": {func(s stream, _ keyed) {
			s.TopK(2, order).To(out) // panic topK
		}, nowhere},
		"combineByKey": {func(_ stream, k keyed) {
			k.CombineByKey(bomb, both, both).To(out) // panic combineByKey
		}, record},
		"aggregateByKey": {func(_ stream, k keyed) {
			k.AggregateByKey("", func(a, v string) string { return v }, both).To(out) // panic aggregateByKey
		}, atKey},
		"coGroup": {func(_ stream, k keyed) {
			k.CoGroup(k, func(a, b []string) string { return bomb(b[0]) }).To(out) // panic coGroup
		}, atKey},
		"join": {func(_ stream, k keyed) {
			k.Join(k, both).To(out) // panic join
		}, atKey},
		"leftOuterJoin": {func(_ stream, k keyed) {
			k.LeftOuterJoin(k, func(a string, b *string) string { return bomb(*b) }).To(out) // panic leftOuterJoin
		}, atKey},
		"rightOuterJoin": {func(_ stream, k keyed) {
			k.RightOuterJoin(k, func(a *string, b string) string { return bomb(*a) }).To(out) // panic rightOuterJoin
		}, atKey},
		"fullOuterJoin": {func(_ stream, k keyed) {
			k.FullOuterJoin(k, func(a, b *string) string { return bomb(*a) }).To(out) // panic fullOuterJoin
		}, atKey},
		"updateStateByKey": {func(_ stream, k keyed) {
			k.UpdateStateByKey("u", func(k string, _ []string, _ *int64) *int64 { bomb(k); return nil }).To(out) // panic updateStateByKey
		}, atKey},
	} {
		t.Run(op, func(t *testing.T) {
			r := runnerOf(t, func(j *dstream.Job) {
				s := dstream.From(j, in.Source())
				c.build(s, s.KeyBy(dstream.Self))
			})
			_, err := r.Run(dstreamtest.At(0), in.Part(2, "a", "boom", "e"), in.Part(3, "boom"))
			if err == nil {
				t.Fatal("no error")
			}
			text := err.Error()
			wants := []string{op, "vocabulary_test.go:" + itoa(lineIn(t, vocabularySource, "panic "+op)), "a bomb went off", "dstream_test.bomb"}
			switch c.where {
			case record:
				wants = append(wants, "offset 1")
			case atKey:
				wants = append(wants, "key boom")
			}
			for _, want := range wants {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in: %s", want, text)
				}
			}
			if _, err := r.Run(dstreamtest.At(0), in.Part(2, "fine")); err != nil {
				t.Errorf("after the failed batch: %v", err)
			}
		})
	}
}

// Mistakes in the use of operators are reported together, each with its line.
func TestMistakesOfTheVocabulary(t *testing.T) {
	other := dstream.NewJob(dstream.JobOptions{})
	stranger := dstream.From(other, in.Source()).KeyBy(dstream.Self)
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		s := dstream.From(job, dstreamtest.Input[pageView]("pages").Source())
		k := s.KeyBy(func(p pageView) string { return p.Page })
		f := dstream.From(job, dstreamtest.Input[float64]("floats").Source())
		s.MapPartitions[int64](nil)                                                            // want: MapPartitions needs a function
		s.Reduce(nil)                                                                          // want: Reduce needs a function
		s.SortBy(nil)                                                                          // want: SortBy needs a function
		s.TopK(0, func(a, b pageView) int { return 0 })                                        // want: TopK(0): at least 1
		s.Sample(1.5)                                                                          // want: Sample(1.5): a fraction of the rows is between 0 and 1
		s.Sample(math.NaN())                                                                   // want: Sample(NaN)
		f.Distinct()                                                                           // want: float
		k.PartitionBy(nil)                                                                     // want: PartitionBy needs a function
		k.CombineByKey[int64](nil, nil, nil)                                                   // want: CombineByKey needs a function
		k.AggregateByKey(int64(0), nil, nil)                                                   // want: AggregateByKey needs a function
		k.CoGroup[pageView, int64](k, nil)                                                     // want: CoGroup needs a function
		k.Join[pageView, int64](k, nil)                                                        // want: Join needs a function
		k.FullOuterJoin[pageView, int64](k, nil)                                               // want: FullOuterJoin needs a function
		k.SubtractByKey(stranger)                                                              // want: subtractByKey mixes streams of two jobs
		k.JoinTable(stranger.Latest("t"), func(p pageView, s string) int64 { return 1 })       // want: joinTable mixes streams of two jobs
		k.LeftJoinTable(stranger.Latest("tt"), func(p pageView, s *string) int64 { return 1 }) // want: leftJoinTable mixes streams of two jobs
		k.RunningCount("o", dstream.InitialState(stranger.CountByKey()))                       // want: runningCount mixes streams of two jobs
		k.Union(stranger.MapValues(func(string) pageView { return pageView{} }))               // want: union mixes streams of two jobs
		k.CoGroup(stranger, func(a []pageView, b []string) int64 { return 1 })                 // want: coGroup mixes streams of two jobs
		k.UpdateStateByKey[int64]("u", nil)                                                    // want: UpdateStateByKey needs a function
		k.UpdateStateByKey("", keepPage)                                                       // want: needs a name
		k.UpdateStateByKey("v", keepPage, dstream.Expire(1e9))                                 // want: return nil for a key that is to go
		k.RunningCount("n", dstream.InitialState(k))                                           // want: InitialState has keys of type string and values of type dstream_test.pageView; the operator's keys are string, its states int64
		k.MapValues(func(p pageView) int64 { return 1 }).Snapshots[int64]()                    // want: Snapshots belongs directly behind an operator that keeps state
		k.RunningCount("m").Snapshots[string]()                                                // want: the states of runningCount "m" are int64
		k.FlatMapValues[int64](nil).To(out)                                                    // want: FlatMapValues needs a function
	})
	wantMistakes(t, "vocabulary_test.go", vocabularySource, err)
}

// Keys that are or hold floats are refused wherever keys are made: NaN is not equal to itself, and 0 is equal to -0 (P25).
func TestFloatKeysAreRefused(t *testing.T) {
	type point struct {
		Name string
		At   struct{ X, Y float64 }
	}
	for name, build := range map[string]func(dstream.Stream[float64], dstream.Stream[point]){
		"keyBy": func(f dstream.Stream[float64], _ dstream.Stream[point]) {
			f.KeyBy(dstream.Self).RunningCount("n").To(out)
		},
		"keyBy a struct": func(_ dstream.Stream[float64], p dstream.Stream[point]) {
			p.KeyBy(dstream.Self).RunningCount("n").To(out)
		},
		"keyBy float32": func(f dstream.Stream[float64], _ dstream.Stream[point]) {
			f.KeyBy(func(v float64) float32 { return float32(v) }).CountByKey().To(out)
		},
		"countByValue": func(f dstream.Stream[float64], _ dstream.Stream[point]) { f.CountByValue().To(out) },
		"distinct":     func(_ dstream.Stream[float64], p dstream.Stream[point]) { p.Distinct().To(out) },
		"countByValueAndWindow": func(f dstream.Stream[float64], _ dstream.Stream[point]) {
			f.CountByValueAndWindow("w", 1e9, 1e9).All().To(out)
		},
		"latestBy": func(f dstream.Stream[float64], _ dstream.Stream[point]) {
			f.LatestBy("t", func(v float64) (float64, int64, bool) { return v, 1, true }).All().To(out)
		},
		"transform": func(f dstream.Stream[float64], _ dstream.Stream[point]) {
			f.KeyBy(func(float64) int64 { return 1 }).Transform(func(_ dstream.BatchInfo, r rdd.Keyed[int64, float64]) rdd.Keyed[float64, float64] {
				return r.Values().KeyBy(rdd.Self)
			}).To(out)
		},
	} {
		_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
			build(dstream.From(job, dstreamtest.Input[float64]("floats").Source()), dstream.From(job, dstreamtest.Input[point]("points").Source()))
		})
		if err == nil || !strings.Contains(err.Error(), "vocabulary_test.go:") || !strings.Contains(err.Error(), "float") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func keepPage(_ string, _ []pageView, s *int64) *int64 { return s }
