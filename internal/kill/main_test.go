package kill

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// What a process of a world is told.
const (
	envJob   = "MILLRACE_KILL_JOB"   // words or enrich: this binary is that job
	envSink  = "MILLRACE_KILL_SINK"  // files, log, plugin or kafka
	envWorld = "MILLRACE_KILL_WORLD" // directory; also how processes of a world are found
	envTopic = "MILLRACE_KILL_TOPIC" // of the Kafka sink
	envTrace = "MILLRACE_KILL_TRACE" // directory for notes of what each process computes
	envLanes = "MILLRACE_KILL_LANES" // of the files sink, and of the Kafka sink; 4 where it is missing
)

// TestMain makes this binary the job's driver, and that driver's executors, where the environment says so.
func TestMain(m *testing.M) {
	if plugins.Started() {
		servePlugin()
	}
	if name := os.Getenv(envJob); name != "" {
		driver.Main(jobs[name])
	}
	os.Exit(m.Run())
}

var jobs = map[string]func(*dstream.Job){"words": words, "enrich": enrich, "plugin": viaPlugin}

// words counts words; every count goes out in the batch that changed it.
func words(job *dstream.Job) {
	dstream.From(job, source.LogText("lines")).
		FlatMap(traced(strings.Fields)).
		KeyBy(dstream.Self).
		RunningCount("words").
		To(output())
}

// traced notes each line that is computed in a file of the process, if a test wants that.
func traced(f func(string) []string) func(string) []string {
	dir := os.Getenv(envTrace)
	if dir == "" {
		return f
	}
	open := sync.OnceValue(func() *os.File {
		file, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(os.Getpid())), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		return file
	})
	return func(line string) []string {
		if _, err := open().WriteString(line + "\n"); err != nil {
			panic(err)
		}
		return f(line)
	}
}

// view is a record of the topic "views".
type view struct {
	Seq    int64  `json:"seq"` // unique
	Viewer int64  `json:"viewer"`
	Page   string `json:"page"`
}

// profile is the value of a record of the topic "profiles".
type profile struct {
	Name string `json:"name"`
}

type enriched struct {
	Seq  int64
	Page string
	Name *string
}

// enrich joins views with a table kept from a changelog.
func enrich(job *dstream.Job) {
	table := dstream.Latest("table", dstream.From(job, source.LogChangelog[profile]("profiles")))
	dstream.From(job, source.LogJSON[view]("views")).
		KeyBy(func(v view) string { return fmt.Sprint(v.Viewer) }).
		LeftJoinTable(table, func(v view, p *profile) enriched {
			e := enriched{Seq: v.Seq, Page: v.Page}
			if p != nil {
				e.Name = &p.Name
			}
			return e
		}).
		Values().
		To(output())
}

// output is a sink with more lanes than there are executors, so that kills land between two of them, in two processes and in one.
func output() sink.Sink {
	lanes := 4
	if n := os.Getenv(envLanes); n != "" {
		_, _ = fmt.Sscan(n, &lanes)
	}
	switch os.Getenv(envSink) {
	case "files":
		dir := filepath.Join(os.Getenv(envWorld), outDir)
		return sink.FilesJSON(dir, sink.FileLanes(lanes), sink.RollEvery(30*time.Millisecond), sink.MergeFiles(0))
	case "log":
		return sink.LogJSON(outTopic, sink.LogPartitions(outLanes))
	case "plugin":
		return dstream.SinkVia(thisPlugin().Op("rows"))
	default:
		return sink.KafkaJSON(os.Getenv(envTopic), sink.KafkaPartitions(4), sink.KafkaLanes(lanes))
	}
}

const (
	outDir   = "out"
	outTopic = "counts"
	outLanes = 4
)
