// Command visits counts visits by country. Which country an address is in, the operator of examples/plugins/country knows: compiled into this job, or in a process of its own.
//
//	go build -o country ./examples/plugins/country
//	go run ./examples/plugins/visits --until-caught-up                     # compiled in
//	go run ./examples/plugins/visits --until-caught-up --plugin ./country  # in a process
package main

import (
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/examples/plugins/country/geo"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

var (
	in     = pflag.String("in", "examples/plugins/visits/logs", "folder of visits as JSON lines")
	plugin = pflag.String("plugin", "", "executable of examples/plugins/country (default: the operator is compiled in)")
)

func main() { driver.Main(count) }

// Visit is a line of the input.
type Visit struct {
	User string
	IP   string `arrow:"ip"`
}

func count(job *dstream.Job) {
	byCountry(dstream.From(job, source.FilesJSON[Visit](*in))).To(sink.Console())
}

// byCountry is how many visits each country has had, of those whose number has changed.
func byCountry(visits dstream.Stream[Visit]) dstream.Frame {
	return placed(visits.Frame()).GroupBy("country").Running("countries").Agg(expr.Count().As("visits"))
}

// placed adds the column "country".
func placed(visits dstream.Frame) dstream.Frame {
	if *plugin != "" {
		return visits.Via(plugins.Command(*plugin).Op("country"))
	}
	return visits.Apply(geo.Country)
}
