package dstream_test

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/internal/goldentest"
	"github.com/millrace/millrace/rdd"
)

// The plan's text of every operator is a promise: a batch that is planned belongs to the program with that text (P1). Whoever changes
// it on purpose says so in the change log.
func TestPlanOfVocabulary(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	job.Describe(func(job *dstream.Job) {
		words := dstream.From(job, in.Source())
		unkeyed(words)
		keyed := words.KeyBy(dstream.Self)
		byKey(keyed, words.KeyBy(func(s string) string { return s[:1] }).MapValues(func(s string) int64 { return int64(len(s)) }))
		states(words, keyed)
		perBatch(words, keyed)
	})
	plan, err := job.Plan()
	if err != nil {
		t.Fatal(err)
	}
	goldentest.Check(t, "vocabulary.txt", plan.Text)
	for _, l := range strings.Split(strings.TrimSpace(plan.Explain()), "\n") {
		if !strings.Contains(l, "=>") && !strings.Contains(l, "see above") && !strings.Contains(l, "(plan_test.go:") {
			t.Errorf("the site is not the user's: %q", l)
		}
	}
}

// perBatch has what is built for each batch: it takes numbers for 64 operators each.
func perBatch(s dstream.Stream[string], k dstream.Keyed[string, string]) {
	s.Transform(func(_ dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[int64] { return r.Count() }).To(dstreamtest.Sink("transform"))
	k.TransformWith(k, func(_ dstream.BatchInfo, r, _ rdd.Keyed[string, string]) rdd.Keyed[string, int64] {
		return r.CountByKey()
	}).
		To(dstreamtest.Sink("transformWith"))
	s.TransformToKeyed(func(_ dstream.BatchInfo, r rdd.RDD[string]) rdd.Keyed[string, int64] { return r.CountByValue() }).To(dstreamtest.Sink("toKeyed"))
	k.TransformWithToStream(s, func(_ dstream.BatchInfo, r rdd.Keyed[string, string], o rdd.RDD[string]) rdd.RDD[string] {
		return o.Union(r.Keys())
	}).
		To(dstreamtest.Sink("toStream"))
}

// unkeyed has each operator on rows once.
func unkeyed(s dstream.Stream[string]) {
	s.Map(func(s string) int64 { return int64(len(s)) }).Reduce(func(a, b int64) int64 { return a + b }).Name("total").To(dstreamtest.Sink("reduce"))
	s.Filter(func(s string) bool { return s != "" }).FlatMap(strings.Fields).Distinct().To(dstreamtest.Sink("distinct"))
	s.MapPartitions(func(rows []string) []string { return rows }).To(dstreamtest.Sink("mapPartitions"))
	s.Glom().To(dstreamtest.Sink("glom"))
	s.Union(s, s.Sample(0.5)).Count().To(dstreamtest.Sink("count"))
	s.CountByValue().To(dstreamtest.Sink("countByValue"))
	s.SortBy(cmp.Compare[string]).To(dstreamtest.Sink("sortBy"))
	s.TopK(3, cmp.Compare[string]).To(dstreamtest.Sink("topK"))
	s.ZipWithIndex().To(dstreamtest.Sink("zipWithIndex"))
	s.Repartition().Name("spread").To(dstreamtest.Sink("repartition"))
}

// byKey has each operator on keyed rows that keeps no state once.
func byKey(s dstream.Keyed[string, string], o dstream.Keyed[string, int64]) {
	s.Map(func(k, v string) string { return k + v }).To(dstreamtest.Sink("map"))
	s.FlatMapValues(strings.Fields).Filter(func(s string) bool { return s != "" }).Keys().To(dstreamtest.Sink("keys"))
	s.Union(s).Name("twice").Values().To(dstreamtest.Sink("values"))
	s.Pairs().To(dstreamtest.Sink("pairs"))
	o.ReduceByKey(func(a, b int64) int64 { return a + b }).To(dstreamtest.Sink("reduceByKey"))
	o.AggregateByKey(0.0, func(a float64, v int64) float64 { return a + float64(v) }, func(a, b float64) float64 { return a + b }).
		To(dstreamtest.Sink("aggregateByKey"))
	o.CombineByKey(func(v int64) []int64 { return []int64{v} }, func(a []int64, v int64) []int64 { return append(a, v) },
		func(a, b []int64) []int64 { return append(a, b...) }).To(dstreamtest.Sink("combineByKey"))
	s.GroupByKey().To(dstreamtest.Sink("groupByKey"))
	s.CountByKey().To(dstreamtest.Sink("countByKey"))
	s.CoGroup(o, func(vs []string, ws []int64) int64 { return int64(len(vs) + len(ws)) }).To(dstreamtest.Sink("coGroup"))
	s.Join(o, func(v string, w int64) string { return v }).To(dstreamtest.Sink("join"))
	s.LeftOuterJoin(o, func(v string, w *int64) string { return v }).To(dstreamtest.Sink("leftOuterJoin"))
	s.RightOuterJoin(o, func(v *string, w int64) int64 { return w }).To(dstreamtest.Sink("rightOuterJoin"))
	s.FullOuterJoin(o, func(v *string, w *int64) int64 { return 0 }).To(dstreamtest.Sink("fullOuterJoin"))
	s.SubtractByKey(o).To(dstreamtest.Sink("subtractByKey"))
	s.PartitionByKey().PartitionBy(func(k string) int { return len(k) }).To(dstreamtest.Sink("partitionBy"))
}

// states has each operator that keeps state once.
func states(words dstream.Stream[string], s dstream.Keyed[string, string]) {
	counts := s.RunningCount("counts", dstream.Expire(time.Minute))
	counts.Snapshots[int64]().To(dstreamtest.Sink("snapshots"))
	s.RunningReduce("last", func(_, b string) string { return b }, dstream.InitialState(s)).To(dstreamtest.Sink("runningReduce"))
	s.Stateful("seen", func(k string, _ []string, st *dstream.State[int64]) []string { return []string{k} }).To(dstreamtest.Sink("stateful"))
	s.MapWithState("mapped", func(k string, _ *string, st *dstream.State[int64]) string { return k }).To(dstreamtest.Sink("mapWithState"))
	s.UpdateStateByKey("sum", func(_ string, _ []string, st *int64) *int64 { return st }, dstream.InitialState(counts)).To(dstreamtest.Sink("update"))
	table := words.LatestBy("by", func(s string) (string, int64, bool) { return s, 1, true })
	s.JoinTable(table, func(v string, w int64) string { return v }).To(dstreamtest.Sink("joinTable"))
	s.LeftJoinTable(s.Latest("latest"), func(v string, w *string) string { return v }).To(dstreamtest.Sink("leftJoinTable"))
	table.Changes().To(dstreamtest.Sink("changes"))
	table.All().To(dstreamtest.Sink("all"))
}
