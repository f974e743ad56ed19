// Command bench measures the engine on the workloads of WORKLOADS.md and prints one JSON object a run.
//
//	go run ./bench --work w4 --source log -n 5000000                                   drain: as fast as it goes
//	go run ./bench --work w1 --form frame                                              the same work in expressions over columns
//	go run ./bench --work w4 --source log --rate 50000 --seconds 30 --interval 5ms     paced: latency end to end
//	go run ./bench --work state --keys 1000000                                         batches that touch few of many keys
//	go run ./bench --work closures --seconds 10                                          typed rows through functions of the user's
//	go run ./bench --work window                                                       a long window that slides by a batch, beside a plain ReduceByKey
//	go run ./bench --work sessions --keys 1000000                                      memory of open sessions, and batches that close a tenth of them
//	go run ./bench --work close --keys 1000000                                         the same with windows of an hour
//	go run ./bench --work empty --master procs[2,1] --seconds 5                        batches without data
//
// The job under test runs in a process of its own, this binary again, through driver.Main with default settings plus --checkpoint;
// the loader, the checker and the latency probe stay out of its figures. Every run checks the job's whole output.
package main
