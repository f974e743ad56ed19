// Command bench measures the engine on the workloads of WORKLOADS.md; go run ./bench --help. RESULTS.md is made by go run ./bench suite.
//
//	command/    the command line, shared with millrace bench
//	run/        one measurement: load, run the job in a process of its own, check its output
//	suite/      the list of all measurements
//	report/     results as tables and plots
//	windows/    long windows, and windows that close, in this process
//	gen/        the data; check/ what the output must be; store/ where topics are
//	floor/      the machine's state; stage/ CPU by stage from profiles; stats/, machine/ tools
//	compare/    two commits in turns
//	peers/      the same workloads in other engines
//
// The jobs are those of examples/workloads, as anyone would run them.
package main
