package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// Config are a job's settings. The zero value works: local executors, 100 ms, no checkpoint. Fields are the flags of the same names.
type Config struct {
	Name            string        // job name; default: the executable's
	Master          string        // local, local[N], procs[E,N] or listen:ADDR; default local[cores]
	Interval        time.Duration // batch interval, 1 ms to 1 h; 0: 100 ms
	Asap            bool          // --interval asap: a batch as soon as there is data
	Checkpoint      string        // directory; "": nothing survives
	CheckpointEvery int           // write state every N batches, 0: every batch
	MaxRate         int64         // records a second over all sources, 0: no limit
	Batches         int64         // stop after so many batches, 0: never
	UntilCaughtUp   bool          // process what is there at the start, then stop
	Finish          bool          // as UntilCaughtUp, and close the job with a last batch (P30)
	HTTP            string        // address of /metrics, /status and /healthz; "": none
	Brokers         []string      // Kafka; default 127.0.0.1:9092
	KafkaTLS        *KafkaTLS     // nil: brokers are reached in the clear
	LogDir          string        // embedded log; default ./millrace-log
	OnBadRecord     string        // keep (default) or stop
	OnOffsetGone    string        // stop (default) or reset
	Drop            []string      // operators and sources that the checkpoint has and that may be given up (P19)
	SinkAdopt       bool          // accept a sink's marker from another timeline (P7)
	Retries         int           // of a failed task, 0: 4, negative: none
	TokenFile       string        // shared secret of driver and executors
	TLSCert         string        // PEM files, for listen, for executors and for --http
	TLSKey          string
	TLSCA           string
	FinishPlanned   bool // finish planned batches and stop (P1)
	AcceptMixed     bool // let a changed program finish a half published batch (P1)
	Executors       int  // listen: how many executors to wait for; 0: 1
	Slots           int  // --executor: tasks at once; 0: one a core
	Partitions      int  // reduce partitions, 0: as many as there are slots

	Depth         int           // batches in flight, 0: 2
	PrefetchBytes int64         // read-ahead of each executor, 0: 32 MiB; what is only named of a backlog in the embedded log counts a third
	Lease         time.Duration // silence after which an executor is lost, 0: 5 s
	Cuts          []Cut         // tests: the ranges of each batch; the job stops behind them
	Debug         bool          // tests: rows go through columns between all operators (P24)
	BlockBytes    int64         // executor.Config.BlockBytes

	// Start, where not nil, starts the executors of procs in place of child processes, and returns the driver's end: for tests that keep executors in
	// their own process and end them as they like. x is complete but for who serves x.Listen. nil: child processes.
	Start func(ctx context.Context, x executor.Config) (executor.Conn, error)

	Args  []string     // for child processes and executors: the job's arguments; nil: os.Args[1:]. They set the job's own flags there
	Env   []string     // more environment for child processes
	Log   *slog.Logger // nil: text on standard error
	Clock clock.Clock  // the time by which the job goes; nil: the machine's. See ManualClock
	Stats *Stats       // filled while the job runs; nil: none
	// Listeners hear what happens, in this process.
	Listeners []Listener
	// ExecutorStats counts what in-process executors do, for tests; nil: none.
	ExecutorStats *executor.Stats
}

// KafkaTLS names the PEM files for brokers that speak TLS; all empty: the system's authorities, no client certificate.
type KafkaTLS struct{ Cert, Key, CA string }

func (t *KafkaTLS) source() *source.TLS {
	if t == nil {
		return nil
	}
	return &source.TLS{Cert: t.Cert, Key: t.Key, CA: t.CA}
}

func (t *KafkaTLS) sink() *sink.TLS {
	if t == nil {
		return nil
	}
	return &sink.TLS{Cert: t.Cert, Key: t.Key, CA: t.CA}
}

// errUsage marks mistakes in flags, settings and jobs: exit status 2.
var errUsage = errors.New("usage")

// usageError is a mistake of the user that is found before anything runs.
type usageError struct{ err error }

func (e usageError) Error() string   { return e.err.Error() }
func (e usageError) Unwrap() error   { return e.err }
func (e usageError) Is(t error) bool { return t == errUsage }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// masterKind is how executors come to be.
type masterKind int

const (
	masterLocal masterKind = iota
	masterProcs
	masterListen
)

// master is --master, read.
type master struct {
	kind      masterKind
	executors int // to wait for
	slots     int // of each, as far as known
	addr      string
}

// parseMaster reads local, local[N], procs[E,N] or listen:ADDR.
func parseMaster(s string) (master, error) {
	bad := usagef("--master %q: want local[N], procs[E,N] (E processes with N slots) or listen:HOST:PORT", s)
	count := func(s string) (int, bool) {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		return n, err == nil && n >= 1 && n <= 1024
	}
	switch {
	case s == "" || s == "local" || s == "local[*]":
		return master{masterLocal, 1, runtime.GOMAXPROCS(0), ""}, nil
	case strings.HasPrefix(s, "local[") && strings.HasSuffix(s, "]"):
		n, ok := count(s[len("local[") : len(s)-1])
		if !ok {
			return master{}, bad
		}
		return master{masterLocal, 1, n, ""}, nil
	case strings.HasPrefix(s, "procs[") && strings.HasSuffix(s, "]"):
		a, b, both := strings.Cut(s[len("procs["):len(s)-1], ",")
		if !both {
			b = "1"
		}
		e, ok1 := count(a)
		n, ok2 := count(b)
		if !ok1 || !ok2 {
			return master{}, bad
		}
		return master{masterProcs, e, n, ""}, nil
	case strings.HasPrefix(s, "listen:"):
		addr := strings.TrimPrefix(s, "listen:")
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return master{}, bad
		}
		return master{masterListen, 1, 4, addr}, nil
	}
	return master{}, bad
}

// fill checks c, and returns it with defaults in place of zeros.
func (c Config) fill() (Config, master, error) {
	m, err := parseMaster(c.Master)
	if err != nil {
		return c, m, err
	}
	if m.kind == masterListen && c.Executors > 0 {
		m.executors = c.Executors
	}
	if c.Name == "" {
		c.Name = strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	}
	if c.Interval == 0 {
		c.Interval = 100 * time.Millisecond
	}
	switch {
	case !c.Asap && (c.Interval < time.Millisecond || c.Interval > time.Hour):
		return c, m, usagef("--interval %v: want 1ms to 1h, or asap", c.Interval)
	case c.MaxRate < 0 || c.MaxRate > 1e9:
		return c, m, usagef("--max-rate %d: want records a second, up to 1000000000; 0 is no limit", c.MaxRate)
	case c.Batches < 0:
		return c, m, usagef("--batches %d: want a number of batches; 0 is no end", c.Batches)
	case c.CheckpointEvery < 0 || c.CheckpointEvery > 10_000:
		return c, m, usagef("--checkpoint-every %d: want 1 to 10000 batches", c.CheckpointEvery)
	case c.Partitions < 0 || c.Partitions > 128:
		return c, m, usagef("--partitions %d: want 1 to 128 (the number of key groups)", c.Partitions)
	case c.Depth < 0 || c.Depth > 8:
		return c, m, usagef("depth %d: want 1 to 8 batches in flight", c.Depth)
	case c.OnBadRecord != "" && c.OnBadRecord != "keep" && c.OnBadRecord != "stop":
		return c, m, usagef("--on-bad-record %q: want keep (set bad records aside and go on) or stop", c.OnBadRecord)
	case c.OnOffsetGone != "" && c.OnOffsetGone != "reset" && c.OnOffsetGone != "stop":
		return c, m, usagef("--on-offset-gone %q: want stop, or reset (go on at the earliest offset)", c.OnOffsetGone)
	case c.Finish && c.Checkpoint == "" && c.FinishPlanned, c.FinishPlanned && c.Checkpoint == "":
		return c, m, usagef("--finish-planned needs --checkpoint: it finishes what a checkpoint has planned")
	}
	c.defaults()
	return c, m, nil
}

func (c *Config) defaults() {
	if len(c.Brokers) == 0 {
		c.Brokers = []string{"127.0.0.1:9092"}
	}
	if c.LogDir == "" {
		c.LogDir = "millrace-log"
	}
	if c.Retries == 0 {
		c.Retries = 4
	}
	c.Retries = max(c.Retries, 0)
	if c.Depth == 0 {
		c.Depth = 2
	}
	if c.PrefetchBytes == 0 {
		c.PrefetchBytes = 32 << 20
	}
	if c.Lease == 0 {
		c.Lease = 5 * time.Second
	}
	if c.CheckpointEvery == 0 {
		c.CheckpointEvery = 1
	}
	if c.Args == nil {
		c.Args = os.Args[1:]
	}
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if c.Clock == nil {
		c.Clock = clock.Fine{}
	}
	if c.Stats == nil {
		c.Stats = &Stats{}
	}
}

// manual tells whether the job does not go by the machine's time.
func (c *Config) manual() bool {
	switch c.Clock.(type) {
	case clock.System, clock.Fine:
		return false
	}
	return true
}

// security reads the token file and names the TLS files.
func (c *Config) security() (transport.Security, error) {
	s := transport.Security{Cert: c.TLSCert, Key: c.TLSKey, CA: c.TLSCA}
	if c.TokenFile == "" {
		return s, nil
	}
	data, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return s, usagef("--token-file: %w", err)
	}
	s.Token = []byte(strings.TrimSpace(string(data)))
	if len(s.Token) < 16 {
		return s, usagef("--token-file %s holds %d characters: want 16 or more random ones, for instance from `head -c 32 /dev/urandom | base64`", c.TokenFile, len(s.Token))
	}
	return s, nil
}
