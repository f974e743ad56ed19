// Command wordcount keeps a running count of every word, of lines that come over a socket or from files: what everyone tries first.
//
//	nc -lk 9999                                               # in one terminal: type lines
//	go run ./examples/wordcount --socket 127.0.0.1:9999       # in another
//	go run ./examples/wordcount --files ./some/folder --until-caught-up
package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

var (
	socket = pflag.String("socket", "127.0.0.1:9999", "address of a server that sends lines of text")
	files  = pflag.String("files", "", "folder of text files to read instead of a socket")
	out    = pflag.String("out", "", "folder for the counts as JSON lines; needs --checkpoint (default: the terminal)")
)

func main() { driver.Main(wordCount) }

func wordCount(job *dstream.Job) {
	lines := dstream.From(job, input())
	counts := lines.FlatMap(strings.Fields).
		KeyBy(dstream.Self).
		RunningCount("words") // kept as state under that name; CountByKey() would be this batch's count
	counts.To(output())
}

func input() source.Source[string] {
	if *files != "" {
		return source.FilesText(*files)
	}
	return source.TCPText(*socket)
}

func output() sink.Sink {
	if *out != "" {
		return sink.FilesJSON(*out)
	}
	return sink.Console()
}
