package driver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// flags are the flags of every job's binary. Each can also stand in the file of --config and in MILLRACE_*: flag before environment before file.
type flags struct {
	cfg      Config
	interval string
	explain  bool
	executor string
	file     string
	cuts     string
	verbose  bool
	summary  string
	kafka    KafkaTLS
	kafkaTLS bool
	retries  int
}

func (f *flags) register(s *pflag.FlagSet) {
	c := &f.cfg
	s.SortFlags = false
	s.StringVar(&c.Master, "master", "local", "where executors run: local[N] (N slots in this process; all cores without a number), procs[E,N] (E child processes), listen:HOST:PORT (started elsewhere with --executor)")
	s.StringVar(&f.interval, "interval", "100ms", "batch interval, 1ms to 1h, or asap: a batch as soon as there is data")
	s.StringVar(&c.Checkpoint, "checkpoint", "", "folder for batch log and state; without it nothing survives")
	s.IntVar(&c.CheckpointEvery, "checkpoint-every", 1, "write state every N batches; batches between are computed again after a crash")
	s.BoolVar(&f.explain, "explain", false, "print the plan and stop")
	s.Int64Var(&c.MaxRate, "max-rate", 0, "read at most so many records a second, of files so many bytes; 0 is no limit")
	s.Int64Var(&c.Batches, "batches", 0, "stop after so many batches; 0 is no end")
	s.BoolVar(&c.UntilCaughtUp, "until-caught-up", false, "process what is there now, then stop")
	s.BoolVar(&c.Finish, "finish", false, "process what is there now, close all windows, and close the checkpoint")
	s.StringVar(&c.HTTP, "http", "", "serve /metrics, /status and /healthz on HOST:PORT (loopback without HOST)")
	s.StringSliceVar(&c.Brokers, "brokers", []string{"127.0.0.1:9092"}, "Kafka brokers")
	s.BoolVar(&f.kafkaTLS, "kafka-tls", false, "reach the brokers by TLS; implied by the files that follow")
	s.StringVar(&f.kafka.CA, "kafka-tls-ca", "", "PEM file with the authority that signed the brokers' certificates (default: the system's)")
	s.StringVar(&f.kafka.Cert, "kafka-tls-cert", "", "PEM file with a client certificate for the brokers")
	s.StringVar(&f.kafka.Key, "kafka-tls-key", "", "PEM file with its key")
	s.StringVar(&c.LogDir, "log", "./millrace-log", "folder of the embedded log")
	s.StringVar(&c.Name, "name", "", "job name (default: the executable's)")
	s.StringVar(&f.executor, "executor", "", "run as an executor for the driver at HOST:PORT")
	s.IntVar(&c.Slots, "slots", 0, "with --executor: tasks at once (default: one a core)")
	s.IntVar(&c.Executors, "executors", 1, "with --master listen: how many executors to wait for")
	s.IntVar(&c.Partitions, "partitions", 0, "reduce partitions (default: the number of slots)")
	s.StringVar(&c.OnBadRecord, "on-bad-record", "keep", "keep: set records aside that cannot be decoded; stop: end the job at the first one")
	s.StringVar(&c.OnOffsetGone, "on-offset-gone", "stop", "when retention has removed what is to be read next: stop, or reset to the earliest that is there")
	s.StringArrayVar(&c.Drop, "drop", nil, "give up the state of operator (or position of source) NAME, which the program no longer has; may be repeated")
	s.BoolVar(&c.SinkAdopt, "sink-adopt", false, "go on behind what a sink says was published under another timeline of this checkpoint")
	s.IntVar(&f.retries, "retries", 4, "how often a failed task is tried again before the job stops")
	s.BoolVar(&c.FinishPlanned, "finish-planned", false, "finish the batches that are planned, and stop (with the old binary, before a new one starts)")
	s.BoolVar(&c.AcceptMixed, "accept-mixed", false, "let a changed program finish a batch that the old one has published in part")
	s.StringVar(&c.TokenFile, "token-file", "", "file with the secret that driver and executors share")
	s.StringVar(&c.TLSCert, "tls-cert", "", "PEM file with this process's certificate")
	s.StringVar(&c.TLSKey, "tls-key", "", "PEM file with its key")
	s.StringVar(&c.TLSCA, "tls-ca", "", "PEM file with the authority that signed the others' certificates")
	s.StringVar(&f.file, "config", "", "YAML file with these settings, under the flags' names")
	s.BoolVar(&f.verbose, "verbose", false, "log every batch")
	s.StringVar(&f.summary, "summary", "", "at the end, write the run's figures as JSON to this file")
	s.StringVar(&f.cuts, "cuts", "", "file with the ranges of each batch, as JSON lines (for tests)")
	_ = s.MarkHidden("cuts")
}

// config is the settings after file and environment.
func (f *flags) config(set *pflag.FlagSet, errOut io.Writer) (Config, error) {
	if err := f.fromOutside(set); err != nil {
		return Config{}, err
	}
	c := f.cfg
	if f.interval == "asap" {
		c.Asap = true
	} else {
		d, err := time.ParseDuration(f.interval)
		if err != nil || d < time.Millisecond || d > time.Hour {
			return c, usagef("--interval %q: want 1ms to 1h, or asap", f.interval)
		}
		c.Interval = d
	}
	switch {
	case f.retries < 0:
		return c, usagef("--retries %d: want 0 or more", f.retries)
	case f.retries == 0:
		c.Retries = -1
	default:
		c.Retries = f.retries
	}
	if (f.kafka.Cert == "") != (f.kafka.Key == "") {
		return c, usagef("--kafka-tls-cert and --kafka-tls-key go together")
	}
	if f.kafkaTLS || f.kafka != (KafkaTLS{}) {
		c.KafkaTLS = &f.kafka
	}
	if set.Changed("executors") && c.Executors < 1 {
		return c, usagef("--executors %d: want 1 or more", c.Executors)
	}
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	c.Log = newLog(errOut, level)
	if f.cuts != "" {
		cuts, err := readCuts(f.cuts)
		if err != nil {
			return c, err
		}
		c.Cuts = cuts
	}
	return c, nil
}

// readCuts reads a script of cuts: a JSON object a line.
func readCuts(path string) ([]Cut, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("--cuts: %w", err)
	}
	cuts := []Cut{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var c Cut
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, usagef("--cuts %s line %d: %w", path, n, err)
		}
		cuts = append(cuts, c)
	}
	return cuts, lines.Err()
}
