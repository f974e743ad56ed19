// Command job runs one of the workloads.
package main

import (
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/examples/workloads"
	"github.com/millrace/millrace/plugins"
)

func main() {
	if plugins.Started() { // by this job: see the flag filter
		plugins.ServePlugin(workloads.Plugin)
	}
	driver.Main(workloads.Register(pflag.CommandLine).Job)
}
