// Package kill proves that killing any process at any moment changes nothing in the output.
//
// Everything is in its tests. A world is a directory with an input log, a checkpoint and an output; jobs run in it as processes, driver and
// executors (procs), that are this test binary started again, and are killed with SIGKILL: at random moments (seeded), or at a crash
// point (package fault, build tag "faults"). What was published is then read back with its markers and compared with a model, a few lines that
// compute from the batches' recorded ranges what each batch has to publish:
//
//	input log ─▶ processes of millrace, killed ─▶ files | log | Kafka ─┐
//	    │                    │                                         ├─▶ equal, batch by batch
//	    └── rows ──▶ model ◀─┴── ranges of the batch log ──────────────┘
//
// With scripted cuts the output of a disturbed world also equals that of an undisturbed one, row for row in each lane. The proof counts only because
// it can fail: planted_test.go switches a violation of each rule on and demands that these tests, or a named one, go red. docs/proofs.md
// lists them.
//
// MILLRACE_KILLS=n sets how many kills a test makes, MILLRACE_LONG=1 makes it 30 for each sink, MILLRACE_SEED repeats a run.
package kill
