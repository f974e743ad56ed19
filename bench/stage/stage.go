// Package stage divides the CPU of a job among the stages of its work, by a sampled profile: a sample belongs to the innermost function on its stack that has
// a stage. It is an estimate: 100 samples a second of CPU, and code that serves several stages counts for the one that called it.
package stage

import (
	"slices"
	"strings"
)

// Stages, in the order of a row's way.
const (
	Read    = "read"    // from the log or the broker into memory
	Decode  = "decode"  // records to rows and columns
	Map     = "map"     // user functions and expressions, and the map side of shuffles
	Shuffle = "shuffle" // blocks between tasks and processes
	Reduce  = "reduce"  // reducers, windows and joins
	State   = "state"   // state tables, deltas and state files
	Sink    = "sink"    // encoding and writing output
	Sync    = "fsync"   // of all logs
	Engine  = "engine"  // driver, executor, batch log
	Start   = "start"   // of the process: package initialisation, the hash of the executable
	GC      = "gc"      // the collector's own goroutines; what allocation costs is with the stage that allocates
	Other   = "other"   // scheduling, and what no rule knows
)

// All are the stages in order.
var All = []string{Read, Decode, Map, Shuffle, Reduce, State, Sink, Sync, Engine, Start, GC, Other}

const module = "github.com/millrace/millrace/"

// task stands for code that several stages run: whose task it is decides, see Of.
const task = "task"

// rule gives a stage to functions whose name begins with a prefix. The first that fits counts.
type rule struct{ prefix, stage string }

var rules = []rule{
	{"golang.org/x/sys/unix.Fdatasync", Sync}, {"golang.org/x/sys/unix.Fsync", Sync}, {"os.(*File).Sync", Sync}, {"syscall.Fdatasync", Sync}, {"syscall.Fsync", Sync},
	{"runtime.gcBgMarkWorker", GC}, {"runtime.bgsweep", GC}, {"runtime.bgscavenge", GC},
	{module + "driver.executableHash", Start}, {module + "driver.prepare", Start}, {module + "driver.init", Start}, {"runtime.doInit", Start},
	{module + "internal/decode.", Decode},
	{module + "source.(*decoder", Decode}, {module + "source.(*direct", Decode}, {module + "source.(*columns", Decode}, {module + "source.readText", Decode}, {module + "source.Format", Decode},
	{module + "commitlog.(*Writer)", Sink}, {module + "commitlog.(*committer)", Sink}, {module + "commitlog.(*Producer)", Sink}, {module + "commitlog.", Read},
	{module + "source.", Read}, {module + "internal/records.", Read},
	{module + "sink.", Sink}, {module + "internal/kafkatx.", Sink},
	// Of franz-go's connections: nearly all bytes of responses are records that are read, and of requests records that are written.
	{"github.com/twmb/franz-go/pkg/kgo.(*source)", Read}, {"github.com/twmb/franz-go/pkg/kgo.(*brokerCxn).handleResps", Read}, {"github.com/twmb/franz-go/pkg/kgo.(*fetchManager)", Read},
	{"github.com/twmb/franz-go/pkg/kgo.(*sink)", Sink}, {"github.com/twmb/franz-go/pkg/kgo.(*producer)", Sink}, {"github.com/twmb/franz-go/pkg/kgo.(*broker).handleReqs", Sink},
	{module + "internal/state.", State}, {module + "checkpoint.(*StateDir)", State}, {module + "executor.(*keyed)", State}, {module + "executor.(*deltaWork)", State}, {module + "executor.folder", State},
	{module + "internal/eventwindow.", Reduce}, {module + "internal/window.", Reduce}, {module + "internal/join.(*Within", Reduce}, {module + "dstream.", task},
	{module + "internal/batch.", Shuffle}, {module + "internal/transport.", Shuffle}, {module + "executor.(*peer", Shuffle},
	{module + "internal/ops.", task}, {module + "internal/join.", task}, {module + "internal/col.", task}, {module + "internal/agg.", task},
	{module + "expr.", task}, {module + "rdd.", task}, {module + "examples/", task},
	{module + "executor.(*reader)", Read}, {module + "executor.(*lane", Sink}, {module + "executor.(*sourceWork)", Map}, {module + "executor.(*wideWork)", Reduce},
	{module + "checkpoint.", Engine}, {module + "driver.", Engine}, {module + "executor.", Engine}, {"go.etcd.io/bbolt.", Engine},
}

// Of is the stage of a stack: that of the innermost function that has one. What all kinds of tasks call is reducing in a task with a reduce side, and mapping otherwise.
func Of(stack []string) string {
	for _, f := range stack {
		switch s := ruled(f); s {
		case "":
		case task:
			if slices.ContainsFunc(stack, func(f string) bool { return strings.HasPrefix(f, module+"executor.(*wideWork)") }) {
				return Reduce
			}
			return Map
		default:
			return s
		}
	}
	return Other
}

func ruled(function string) string {
	for _, r := range rules {
		if strings.HasPrefix(function, r.prefix) {
			return r.stage
		}
	}
	return ""
}

// Shares is the share of each stage that has any of a profile's time.
func Shares(p Profile) map[string]float64 {
	sum, of := int64(0), map[string]int64{}
	for _, s := range p {
		of[Of(s.Stack)] += s.Nanos
		sum += s.Nanos
	}
	shares := map[string]float64{}
	for name, n := range of {
		shares[name] = float64(n) / float64(max(sum, 1))
	}
	return shares
}
