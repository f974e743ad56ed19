package kill

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/kafkatx"
	"github.com/millrace/millrace/sink"
)

// published is an output as a reader finds it: the rows of each lane (Kafka: partition) in order. The batch of a row comes from the sink's own
// markers: the file manifest, the marker of the log's commit, the transaction's record times.
type published map[int][]row

// read reads the world's output. It fails the test if the sink itself is damaged, or a lane's batches do not ascend.
func (w *world) read(t testing.TB) published {
	t.Helper()
	var out published
	var err error
	switch w.sink {
	case "files":
		out, err = w.readFiles()
	case "log":
		out, err = w.readLog()
	case "plugin":
		out, err = w.readPlugin()
	default:
		out, err = w.readKafka(t.Context())
	}
	if err != nil {
		w.failf(t, "output: %v", err)
	}
	return out
}

func (w *world) readFiles() (published, error) {
	if err := sink.VerifyFiles(w.path(outDir)); err != nil {
		return nil, err
	}
	files, err := sink.ReadManifest(w.path(outDir))
	if err != nil {
		return nil, err
	}
	out := published{}
	for _, f := range files {
		data, err := os.Open(f.Path)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(data)
		for _, b := range f.Batches {
			for range b.Rows {
				if !lines.Scan() {
					return nil, fmt.Errorf("%s ends within batch %d", f.Path, b.Batch)
				}
				out[f.Lane] = append(out[f.Lane], w.fileRow(b.Batch, lines.Text()))
			}
		}
		if lines.Scan() {
			return nil, fmt.Errorf("%s goes on behind its last batch: %s", f.Path, lines.Text())
		}
		_ = data.Close()
	}
	return out, nil
}

func (w *world) fileRow(batch int64, line string) row {
	r := row{}
	if w.job == "words" {
		var kv struct {
			Key   string      `json:"key"`
			Value json.Number `json:"value"`
		}
		mustDecode(line, &kv)
		r = canonical(w.job, kv.Key, kv.Value.String())
	} else {
		r = canonical(w.job, "", line)
	}
	r.batch = batch
	return r
}

func (w *world) readLog() (published, error) {
	l, err := commitlog.Open(w.logDir(), commitlog.Options{})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	tp, err := l.Topic(outTopic)
	if err != nil {
		return nil, err
	}
	out := published{}
	for p := range outLanes {
		if out[p], err = w.readLane(tp, p); err != nil {
			return nil, fmt.Errorf("partition %d: %w", p, err)
		}
	}
	return out, nil
}

// readLane reads the rows of each commit, whose marker says which batch it is.
func (w *world) readLane(tp *commitlog.Topic, p int) ([]row, error) {
	commits, err := tp.Commits(p)
	if err != nil {
		return nil, err
	}
	r, err := tp.Reader(p, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var rows []row
	for {
		b, err := r.Poll()
		if err != nil || b == nil {
			if err == nil && len(commits) > 0 {
				err = fmt.Errorf("%d commits without records", len(commits))
			}
			return rows, err
		}
		for i := range b.Len() {
			for b.Offset(i) >= commits[0].Next {
				commits = commits[1:]
			}
			var m sink.Marker
			if err := cbor.Unmarshal(commits[0].Marker, &m); err != nil {
				return nil, fmt.Errorf("marker at offset %d: %w", commits[0].First, err)
			}
			x := canonical(w.job, string(b.Key(i)), string(b.Value(i)))
			x.batch = m.Batch
			rows = append(rows, x)
		}
		if b.Next == commits[len(commits)-1].Next {
			commits = nil
		}
	}
}

// readKafka reads what a consumer with isolation.level=read_committed sees.
func (w *world) readKafka(ctx context.Context) (published, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.brokers), kgo.ConsumeTopics(w.topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ends, err := kafkatx.Settled(ctx, clock.System{}, kadm.NewClient(cl), w.topic, 5*time.Second)
	if err != nil {
		return nil, err
	}
	batchAt := map[int64]int64{}
	for b, p := range w.plans {
		batchAt[p.micros/1000] = b
	}
	out, at := published{}, map[int32]int64{}
	behind := func() bool {
		for p, end := range ends {
			if at[p] < end {
				return true
			}
		}
		return false
	}
	for behind() {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("read up to %v of %v: %w", at, ends, err)
		}
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			for _, r := range f.Records {
				at[r.Partition] = r.Offset + 1
				if r.Attrs.IsControl() {
					continue
				}
				x := canonical(w.job, string(r.Key), string(r.Value))
				x.batch = batchAt[r.Timestamp.UnixMilli()]
				out[int(r.Partition)] = append(out[int(r.Partition)], x)
			}
		})
	}
	return out, nil
}
