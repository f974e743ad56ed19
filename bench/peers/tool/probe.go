package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/bench/machine"
	"github.com/millrace/millrace/bench/report"
	"github.com/millrace/millrace/bench/stats"
)

func latencyCommand(brokers *string) *cobra.Command {
	var topic, field, name string
	var seconds, skip time.Duration
	c := &cobra.Command{
		Use: "latency", Short: "Tell how long after its newest event each new record of a topic could be read", Args: cobra.NoArgs,
		Long: "Read a topic from its end on, read_committed, and take from the time of each record's newest event until now: of --field of its value, in ms since 1970, or else the record's timestamp.",
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := kgo.NewClient(kgo.SeedBrokers(*brokers), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
				kgo.FetchMaxWait(10*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
			if err != nil {
				return err
			}
			defer cl.Close()
			lat := probe(c.Context(), cl, field, seconds, skip)
			if len(lat) == 0 {
				return errors.New("nothing came")
			}
			q := func(p float64) float64 { return stats.Quantile(lat, p) }
			fmt.Fprintf(c.OutOrStdout(), `{"name":%q,"seen":%d,"p50_ms":%.0f,"p90_ms":%.0f,"p99_ms":%.0f,"max_ms":%.0f}`+"\n", name, len(lat), q(0.5), q(0.9), q(0.99), q(1))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&topic, "topic", "", "topic")
	f.StringVar(&field, "field", "", "field of the JSON value with the newest event's time")
	f.StringVar(&name, "name", "", "label of the result")
	f.DurationVar(&seconds, "for", time.Minute, "how long, with what is left out")
	f.DurationVar(&skip, "skip", 10*time.Second, "left out at the start")
	return c
}

func probe(ctx context.Context, cl *kgo.Client, field string, length, skip time.Duration) (millis []float64) {
	began := time.Now()
	ctx, stop := context.WithTimeout(ctx, length)
	defer stop()
	key := []byte(`"` + field + `":`)
	for ctx.Err() == nil {
		records := cl.PollFetches(ctx)
		now := time.Now()
		if now.Sub(began) < skip {
			continue
		}
		records.EachRecord(func(r *kgo.Record) {
			newest := r.Timestamp
			if field != "" {
				_, rest, ok := bytes.Cut(r.Value, key)
				var ms int64
				if _, err := fmt.Sscan(string(rest[:min(len(rest), 16)]), &ms); !ok || err != nil {
					return
				}
				newest = time.UnixMilli(ms)
			}
			millis = append(millis, float64(now.Sub(newest).Microseconds())/1000)
		})
	}
	return millis
}

func drainCommand(brokers *string) *cobra.Command {
	var topic string
	c := &cobra.Command{
		Use: "drain", Short: "Read a topic once with franz-go and touch each record: what every engine in Go pays", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := kgo.NewClient(kgo.SeedBrokers(*brokers), kgo.ConsumeTopics(topic), kgo.FetchMaxPartitionBytes(4<<20), kgo.FetchMaxBytes(32<<20))
			if err != nil {
				return err
			}
			defer cl.Close()
			ends, err := kadm.NewClient(cl).ListEndOffsets(c.Context(), topic)
			if err != nil {
				return err
			}
			want, n, sum := int64(0), int64(0), uint64(0)
			ends.Each(func(o kadm.ListedOffset) { want += o.Offset })
			began, before := time.Now(), usage()
			for n < want && c.Context().Err() == nil {
				cl.PollFetches(c.Context()).EachRecord(func(r *kgo.Record) {
					n++
					sum += uint64(r.Value[0]) + uint64(r.Value[len(r.Value)-1])
				})
			}
			took, cpu := time.Since(began).Seconds(), usage().cpu-before.cpu
			fmt.Fprintf(c.OutOrStdout(), `{"name":"franz-go","settings":"fetch and touch each record","n":%d,"events_s":%.0f,"cpu_s_per_M":%.3f,"rss_mb":%.0f,"sum":%d}`+"\n",
				n, float64(n)/took, cpu/float64(max(n, 1))*1e6, usage().peakMB, sum)
			return nil
		},
	}
	c.Flags().StringVar(&topic, "topic", "ads", "topic")
	return c
}

type used struct{ cpu, peakMB float64 }

func usage() used {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return used{}
	}
	return used{float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, float64(u.Maxrss) / 1024}
}

func recordCommand() *cobra.Command {
	var engine, work string
	c := &cobra.Command{
		Use: "record", Short: "Turn an engine's JSON line on standard input into a line of measured.jsonl", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			data, err := io.ReadAll(c.InOrStdin())
			if err != nil {
				return err
			}
			p, err := peer(data)
			if err != nil {
				return err
			}
			p.Engine, p.Work, p.Machine, p.Measured = engine, work, machine.Here().Name(), time.Now().UTC().Format("2006-01-02")
			return json.NewEncoder(c.OutOrStdout()).Encode(p)
		},
	}
	c.Flags().StringVar(&engine, "engine", "", "name and version of the engine")
	c.Flags().StringVar(&work, "work", "", "w1, w4, w5 or floor")
	return c
}

// peer reads what the jobs here print: the last line that is JSON.
func peer(data []byte) (p report.Peer, err error) {
	err = errors.New("no line of JSON with cpu_s_per_M on standard input")
	for line := range strings.Lines(string(data)) {
		var r struct {
			Settings string  `json:"settings"`
			CPU      float64 `json:"cpu_s_per_M"`
			Steady   float64 `json:"steady_cpu_s_per_M"`
			Events   float64 `json:"events_s"`
			SteadyE  float64 `json:"steady_events_s"`
			PeakMB   float64 `json:"rss_mb"`
			Startup  float64 `json:"startup_s"`
		}
		if json.Unmarshal([]byte(line), &r) != nil || r.CPU == 0 {
			continue
		}
		p, err = report.Peer{Settings: r.Settings, CPU: r.Steady, Whole: r.CPU, EventsS: r.SteadyE, PeakMB: r.PeakMB}, nil
		if r.SteadyE == 0 {
			p.EventsS = r.Events
		}
		if r.Startup > 0 {
			p.Start = fmt.Sprintf("%.1f", r.Startup)
		}
	}
	return p, err
}
