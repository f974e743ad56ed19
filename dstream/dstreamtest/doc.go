// Package dstreamtest answers: does a job, or an operator, do what it should, whatever happens?
//
// Run is for jobs. It takes the function that driver.Main is given, feeds its sources with records and reads what reaches its sinks, batch by batch, in one
// goroutine and under a clock that only the test moves; no source or sink is opened. Timers fire when the clock reaches them, and what operators remember
// can be looked at.
//
//	func wordCount(job *dstream.Job) {
//		dstream.From(job, source.KafkaText("lines")).FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words").To(sink.KafkaJSON("counts"))
//	}
//
//	func TestWordCount(t *testing.T) {
//		job := dstreamtest.Run(t, wordCount)
//		batch := job.Batch(dstreamtest.Records("kafka:lines", 0, "a b", "a"))
//		counts := dstreamtest.Pairs[string, int64](batch, "kafka:counts") // {a 2} {b 1}, in some order
//		…
//		job.Advance(10 * time.Minute)                                  // timers that are due fire, in batches of their own
//		words := dstreamtest.State[string, int64](job, "words")        // what RunningCount remembers
//	}
//
// Check is for operators: those of users that are functions from streams to streams, and all of our own. It runs a case of a few small batches in some
// thirty ways, on the real engine too, with executors and drivers that die, and wants the same rows each time.
//
//	func TestFirstVisits(t *testing.T) {
//		dstreamtest.Check(t, firstVisits, [][]Visit{{ann, bob}, {}, {ann}}, [][]string{{"ann", "bob"}, {}, {}})
//	}
//
// A failure names the way, the batch, and who died where, and ends in the command that repeats just that:
//
//	simulated, 2 source partitions and 2 reduce partitions, blocks of 2 records, a restart into another layout behind each batch: batch 3:
//	  too many: "ann"
//	  got:  "ann"
//	  want: nothing
//	  repeat: go test -run '^TestFirstVisits$' -millrace.way=simulated/2/restart
//
// Flags of the test binary: -millrace.way=NAME runs the ways whose name begins so; -millrace.exhaustive tries every way to die, in all layouts; -millrace.log
// shows the engine's log.
//
// New makes what both stand on: a Runner, which executes tasks in order under a layout, for tests of layouts, blocks and errors.
package dstreamtest
