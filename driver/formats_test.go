package driver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// drained runs a job over the records of topic "in" of an embedded log, and gives those of topics "out" and "dead", sorted.
func drained(t *testing.T, values [][]byte, job func(job *dstream.Job)) (out, dead []string) {
	t.Helper()
	dir := t.TempDir()
	log, err := commitlog.Create(filepath.Join(dir, "log"), commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	topic, err := log.Create("in", commitlog.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := topic.Writer(0)
	if err != nil {
		t.Fatal(err)
	}
	var b commitlog.Batch
	for _, v := range values {
		if err := b.Add(nil, v, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(context.Background(), &b, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := driver.Config{Name: "formats", Master: "local[2]", LogDir: filepath.Join(dir, "log"), Checkpoint: filepath.Join(dir, "checkpoint"), UntilCaughtUp: true, Log: quiet()}
	if err := driver.Run(soon(t), job, cfg); err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string]*[]string{"out": &out, "dead": &dead} {
		topic, err := log.Topic(name)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := topic.Partitions()
		if err != nil {
			t.Fatal(err)
		}
		for p := range parts {
			*list = append(*list, readAll(t, topic, p)...)
		}
		slices.Sort(*list)
	}
	return out, dead
}

// reasons are what dead letters say, by offset.
func reasons(t *testing.T, dead []string) map[int64]string {
	t.Helper()
	by := map[int64]string{}
	for _, text := range dead {
		var d struct {
			Offset int64
			Reason string
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		by[d.Offset] = d.Reason
	}
	return by
}

// Messages of Protocol Buffers come out of the log into a Frame, and what is none goes to the dead letters.
func TestProtobufToFrame(t *testing.T) {
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto), protodesc.ToFileDescriptorProto(dto.File_io_prometheus_client_metrics_proto),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var values [][]byte
	for i := range 1000 {
		v, err := proto.Marshal(&dto.MetricFamily{Name: proto.String(fmt.Sprint("metric ", i%3)), Type: dto.MetricType(i % 2).Enum(), Help: proto.String("unread")})
		if err != nil {
			t.Fatal(err)
		}
		if i%250 == 7 {
			v = v[:len(v)-1]
		}
		values = append(values, v)
	}
	type family struct{ Name, Type string }
	out, dead := drained(t, values, func(job *dstream.Job) {
		dstream.From(job, source.LogProtobuf[family]("in", set, "io.prometheus.client.MetricFamily")).DeadLetter(sink.LogJSON("dead")).Frame().
			Where(expr.Col("type").Eq("GAUGE")).GroupBy("name").Agg(expr.Count().As("n")).To(sink.LogJSON("out"))
	})
	n := map[string]int{}
	for _, text := range out { // a row for each batch and name
		var row struct {
			Name string
			N    int
		}
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			t.Fatal(err)
		}
		n[row.Name] += row.N
	}
	want := map[string]int{}
	for i := range 1000 {
		if dto.MetricType(i%2) == dto.MetricType_GAUGE && i%250 != 7 {
			want[fmt.Sprint("metric ", i%3)]++
		}
	}
	if fmt.Sprint(n) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", n, want)
	}
	bad := "no message io.prometheus.client.MetricFamily: unexpected EOF"
	if got, want := reasons(t, dead), map[int64]string{7: bad, 257: bad, 507: bad, 757: bad}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Decimals go from JSON through sums to JSON without losing a digit.
func TestDecimalsOfJSON(t *testing.T) {
	type payment struct {
		From   string
		Amount expr.Dec  `decimal:"30,2"`
		Fee    *expr.Dec `decimal:"9,4"`
	}
	values := [][]byte{
		[]byte(`{"from":"a","amount":90071992547409930.01}`), []byte(`{"from":"a","amount":"0.02","fee":0.0001}`), []byte(`{"from":"a","amount":1e3,"fee":"12.5"}`),
		[]byte(`{"from":"a","amount":0.001}`), []byte(`{"from":"a","amount":1e28}`), []byte(`{"from":"a","amount":"much"}`),
	}
	out, dead := drained(t, values, func(job *dstream.Job) {
		dstream.From(job, source.LogJSON[payment]("in")).DeadLetter(sink.LogJSON("dead")).Frame().
			GroupBy("from").Running("sums").Agg(expr.Sum("amount").As("amount"), expr.Sum("fee").As("fee")).To(sink.LogJSON("out"))
	})
	// a record without a key
	if want := ` {"from":"a","amount":90071992547410930.03,"fee":12.5001}`; !slices.Contains(out, want) {
		t.Errorf("%s, want %s", out, want)
	}
	want := map[int64]string{
		3: `column "amount": more than 2 digits behind the point (byte 21)`, 4: `column "amount": more than 28 digits before the point (byte 21)`,
		5: `column "amount": want a number, within a string or not, found a string (byte 21)`,
	}
	got := reasons(t, dead)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}
