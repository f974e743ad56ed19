// Package run does one measurement: it loads the data, runs the job in a process of its own (this binary again, through driver.Main, with default settings
// plus --checkpoint), and checks the job's whole output. Loader, checker and the probe of latency stay out of the job's figures.
package run
