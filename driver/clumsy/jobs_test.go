package clumsy

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// envJob names the job as which this test binary runs.
const envJob = "CLUMSY_JOB"

func TestMain(m *testing.M) {
	if name := os.Getenv(envJob); name != "" {
		job := jobs[name]
		if job == nil {
			fmt.Fprintln(os.Stderr, "no job", name)
			os.Exit(99)
		}
		driver.Main(job)
	}
	os.Exit(m.Run())
}

// Flags of the jobs' own.
var (
	flagFrom = pflag.String("from", "log:lines", "log:TOPIC, kafka:TOPIC, files:DIR, tcp:ADDR")
	flagTo   = pflag.String("to", "log:counts", "log:TOPIC, kafka:TOPIC, files:DIR, parquet:DIR, console")
)

// jobs are the jobs that this binary can be.
var jobs = map[string]func(*dstream.Job){
	"words": words, "events": events, "csv": csvRows, "mistakes": mistakes,
}

// words counts words, and panics or hangs at one if the environment says so.
func words(job *dstream.Job) {
	dstream.From(job, textFrom(*flagFrom)).FlatMap(strings.Fields).
		Filter(func(w string) bool {
			switch w {
			case os.Getenv("CLUMSY_BUG"):
				panic("the word is " + w)
			case os.Getenv("CLUMSY_STUCK"):
				select {}
			}
			return true
		}).
		KeyBy(dstream.Self).RunningCount("words").To(sinkTo(*flagTo))
}

// event is a row with columns of several types.
type event struct {
	ID   int64   `json:"id"`
	Name string  `json:"name"`
	Rate float64 `json:"rate"`
}

func events(job *dstream.Job) {
	dstream.From(job, jsonFrom[event](*flagFrom)).To(sinkTo(*flagTo))
}

func csvRows(job *dstream.Job) {
	kind, at, _ := strings.Cut(*flagFrom, ":")
	if kind == "log" {
		dstream.From(job, source.LogCSV[event](at)).To(sinkTo(*flagTo))
		return
	}
	dstream.From(job, source.FilesCSV[event](at, source.Header())).To(sinkTo(*flagTo))
}

// mistakes has one of each kind.
func mistakes(job *dstream.Job) {
	lines := dstream.From(job, source.LogText("lines"))
	lines.KeyBy(dstream.Self).RunningCount("same").To(sink.LogJSON("a"))
	lines.KeyBy(dstream.Self).RunningCount("same").To(sink.LogJSON("a"))
	lines.KeyBy(dstream.Self).RunningCount("").To(sink.Console())
	lines.Map(func(s string) chan int { return nil }).To(sink.LogJSON("b"))
	lines.KeyBy(func(s string) float64 { return 1 }).CountByKey().To(sink.LogJSON("c"))
	var none dstream.Stream[string]
	none.To(sink.LogJSON("d"))
	dstream.From(job, source.LogText("lines"))
}

func textFrom(s string) source.Source[string] {
	kind, at, _ := strings.Cut(s, ":")
	switch kind {
	case "kafka":
		return source.KafkaText(at)
	case "files":
		return source.FilesText(at)
	case "tcp":
		return source.TCPText(at)
	}
	return source.LogText(at)
}

func jsonFrom[T any](s string) source.Source[T] {
	kind, at, _ := strings.Cut(s, ":")
	switch kind {
	case "kafka":
		return source.KafkaJSON[T](at)
	case "files":
		return source.FilesJSON[T](at)
	}
	return source.LogJSON[T](at)
}

func sinkTo(s string) sink.Sink {
	kind, at, _ := strings.Cut(s, ":")
	switch kind {
	case "kafka":
		return sink.KafkaJSON(at)
	case "files":
		return sink.FilesJSON(at)
	case "parquet":
		return sink.FilesParquet(at)
	case "console":
		return sink.Console()
	}
	return sink.LogJSON(at)
}
