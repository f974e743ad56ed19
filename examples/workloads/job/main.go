// Command job runs one of the workloads.
package main

import (
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/examples/workloads"
)

func main() { driver.Main(workloads.Register(pflag.CommandLine).Job) }
