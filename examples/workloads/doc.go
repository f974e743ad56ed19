// Package workloads is the jobs that bench/WORKLOADS.md defines, as anyone would write them: word count, grep, the ten most frequent words, counts of
// the Yahoo Streaming Benchmark, a stream–table join, and the queries of Nexmark. W1 to W5 come in two forms with equal results: functions of Go over
// rows, and expressions over columns (Frame). Command job runs them; bench runs and measures the same ones.
//
//	go run ./examples/workloads/job --work w1 --checkpoint ./state
//	go run ./examples/workloads/job --work q5 --source kafka --checkpoint ./state --explain
package workloads
