package clumsy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
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
	"words": words, "events": events, "csv": csvRows, "mistakes": mistakes, "types": types, "stateful": stateful, "callback": callback,
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

// wide is a row with a column of every form.
type wide struct {
	B     bool                 `json:"b"`
	I8    int8                 `json:"i8"`
	U16   uint16               `json:"u16"`
	I32   int32                `json:"i32"`
	I64   int64                `json:"i64"`
	U64   uint64               `json:"u64"`
	F32   float32              `json:"f32"`
	F64   float64              `json:"f64"`
	S     string               `json:"s"`
	Bytes []byte               `json:"bytes"`
	T     time.Time            `json:"t"`
	P     *string              `json:"p"`
	PI    *int64               `json:"pi"`
	L     []int64              `json:"l"`
	LS    []string             `json:"ls"`
	M     map[string]int64     `json:"m"`
	N     struct{ X, Y int64 } `json:"n"`
	NL    []struct{ A string } `json:"nl"`
}

func types(job *dstream.Job) {
	dstream.From(job, jsonFrom[wide](*flagFrom)).To(sinkTo(*flagTo))
}

// stateful counts words in code of the user's own, and panics at one if the environment says so.
func stateful(job *dstream.Job) {
	dstream.From(job, textFrom(*flagFrom)).FlatMap(strings.Fields).KeyBy(dstream.Self).
		Stateful("words", func(key string, values []string, st *dstream.State[int64]) []int64 {
			if key == os.Getenv("CLUMSY_BUG") {
				panic("the key is " + key)
			}
			st.Set(st.Get() + int64(len(values)))
			return []int64{st.Get()}
		}).To(sinkTo(*flagTo))
}

// callback prints words from the driver's process; one of them is an error, and one a panic.
func callback(job *dstream.Job) {
	dstream.From(job, textFrom(*flagFrom)).FlatMap(strings.Fields).
		ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.RDD[string]) error {
			for w, err := range rows.Rows(ctx) {
				if err != nil {
					return err
				}
				switch w {
				case os.Getenv("CLUMSY_BUG"):
					panic("the row is " + w)
				case os.Getenv("CLUMSY_ERROR"):
					return errors.New("no room for " + w)
				}
				fmt.Println("row", b.Number, w)
			}
			return nil
		})
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
