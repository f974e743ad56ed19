// Package dstreamtest runs whole jobs in tests, in one goroutine, without driver, executors, files or network.
//
// A Runner executes a job's plan batch by batch for given rows, batch times and layout, keeps state as an executor would, and
// hands out what reached each sink. It can be restarted in the middle, under another layout, from the deltas of its state.
//
//	words := dstreamtest.Input[string]("words")
//	r := dstreamtest.New(dstreamtest.Options{Reduce: 3}, func(job *dstream.Job) {
//		dstream.From(job, words.Source()).KeyBy(dstream.Self).RunningCount("counts").To(dstreamtest.Sink("out"))
//	})
//	b, err := r.Run(dstreamtest.At(time.Second), words.Part(0, "a", "b"), words.Part(1, "a"))
//	pairs := dstreamtest.Pairs[string, int64](b, "out")
package dstreamtest
