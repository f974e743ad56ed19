package sink_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// readLog reads every partition of a topic, one after the other.
func readLog(dir, topic string) ([]sinktest.Row, error) {
	l, err := commitlog.Open(dir, commitlog.Options{})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	t, err := l.Topic(topic)
	if err != nil {
		return nil, err
	}
	n, err := t.Partitions()
	if err != nil {
		return nil, err
	}
	var rows []sinktest.Row
	for part := range n {
		r, err := t.Reader(part, 0)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		for {
			b, err := r.Poll()
			if err != nil {
				return nil, err
			}
			if b == nil {
				break
			}
			for i := range b.Len() {
				v, err := strconv.ParseInt(string(b.Value(i)), 10, 64)
				if err != nil {
					return nil, err
				}
				rows = append(rows, sinktest.Row{Key: string(b.Key(i)), Value: v})
			}
		}
	}
	return rows, nil
}

func logSubject(_ testing.TB, dir string) sinktest.Subject {
	return sinktest.Subject{
		Spec:          sink.LogJSON("out").Spec(),
		Env:           sink.Env{LogDir: filepath.Join(dir, "log")},
		Read:          func() ([]sinktest.Row, error) { return readLog(filepath.Join(dir, "log"), "out") },
		EpochsRefused: true,
	}
}

func TestLog(t *testing.T) { sinktest.Run(t, logSubject) }

// A topic is made with the partitions that the option says, and one that exists keeps its own.
func TestLogPartitions(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		opts []sink.LogOption
		want int
	}{
		{[]sink.LogOption{sink.LogPartitions(3)}, 3},
		{nil, 3},
		{[]sink.LogOption{sink.LogPartitions(9)}, 3},
	} {
		out, err := sink.LogJSON("t", c.opts...).Spec().Open(context.Background(), sink.Env{LogDir: dir}, sinktest.Schema)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := out.Lanes(context.Background(), 2); n != c.want || err != nil {
			t.Errorf("%d lanes, %v; want %d", n, err, c.want)
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, s := range map[string]sink.Sink{"no topic": sink.LogText(""), "no partitions": sink.LogJSON("t", sink.LogPartitions(0))} {
		if s.Spec().Err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Nothing can be written where the log cannot be made; the error names the place.
func TestLogReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.LogJSON("t").Spec().Open(context.Background(), sink.Env{LogDir: dir}, sinktest.Schema); err == nil {
		t.Error("a log was made in a file")
	}
}
