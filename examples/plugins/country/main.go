// Command country is a plugin with the operator of package geo. A job starts it: see examples/plugins/visits.
//
//	go build -o country ./examples/plugins/country
package main

import (
	"github.com/millrace/millrace/examples/plugins/country/geo"
	"github.com/millrace/millrace/plugins"
)

func main() { plugins.Serve(geo.Country) }
