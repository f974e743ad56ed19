package source

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/millrace/millrace/expr"
)

// sample is what is read of messages that Prometheus's client library writes.
type sample struct {
	Name   string
	Type   string
	Unit   *string
	Metric []struct {
		TimestampMs *time.Time `layout:"millis"`
		Gauge       *struct{ Value float64 }
	}
}

// metricFiles is the descriptor set of the library's generated code.
func metricFiles(t testing.TB) []byte {
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto), protodesc.ToFileDescriptorProto(dto.File_io_prometheus_client_metrics_proto),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func metric(t testing.TB, f *dto.MetricFamily) string {
	b, err := proto.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Messages of a library become rows and columns, and what is none is bad, with its reason.
func TestProtobuf(t *testing.T) {
	name := "io.prometheus.client.MetricFamily"
	at := time.UnixMilli(1_700_000_000_001).UTC()
	good := metric(t, &dto.MetricFamily{
		Name: proto.String("up"), Help: proto.String("nobody reads this"), Type: dto.MetricType_GAUGE.Enum(), Unit: proto.String("1"),
		Metric: []*dto.Metric{{TimestampMs: proto.Int64(at.UnixMilli()), Gauge: &dto.Gauge{Value: proto.Float64(0.5)}}, {}},
	})
	nameless := metric(t, &dto.MetricFamily{Type: dto.MetricType_COUNTER.Enum()})
	b := block(nil, good, nameless, good[:len(good)-1], absent, good+"\xff", "", metric(t, &dto.MetricFamily{Name: proto.String("up"), Type: dto.MetricType_COUNTER.Enum()}))
	f := Protobuf[sample](metricFiles(t), name)
	rows, from, bad := decodeAll(t, f, b, 0, b.Len())
	want := sample{Name: "up", Type: "GAUGE", Unit: proto.String("1")}
	want.Metric = append(want.Metric, struct {
		TimestampMs *time.Time `layout:"millis"`
		Gauge       *struct{ Value float64 }
	}{&at, &struct{ Value float64 }{0.5}}, struct {
		TimestampMs *time.Time `layout:"millis"`
		Gauge       *struct{ Value float64 }
	}{})
	if diff := cmp.Diff([]sample{want, {Name: "up", Type: "COUNTER"}}, rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int32{0, 6}, from); diff != "" {
		t.Error(diff)
	}
	reasons := map[int]string{1: `column "name": missing`, 2: "no message " + name + ": unexpected EOF", 3: noValue, 4: "no message " + name, 5: `column "name": missing`}
	for _, r := range bad {
		if why := reasons[r.Index]; why == "" || !strings.HasPrefix(r.Reason, why) {
			t.Errorf("record %d: %s, want %s", r.Index, r.Reason, why)
		}
	}
	if len(bad) != len(reasons) {
		t.Errorf("%d bad records: %v", len(bad), bad)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		checkColumns(t, r, f, b, map[string]func(sample) bool{"(type = 'GAUGE')": func(s sample) bool { return s.Type == "GAUGE" }}, expr.Col("type").Eq("GAUGE"))
	}
}

func TestProtobufMistakes(t *testing.T) {
	set := metricFiles(t)
	type row struct{ Nme string }
	for want, s := range map[string]error{
		`has no field "nme"; did you mean "name"?`: Protobuf[row](set, "io.prometheus.client.MetricFamily").err,
		"option Header is not for Protobuf":        Protobuf[sample](set, "io.prometheus.client.MetricFamily", Header()).err,
		"files are read line by line":              Files("dir", Protobuf[sample](set, "io.prometheus.client.MetricFamily")).Spec().Err,
		"has no message":                           LogProtobuf[sample]("t", set, "Metric").Spec().Err,
	} {
		if s == nil || !strings.Contains(s.Error(), want) {
			t.Errorf("%v, want %s", s, want)
		}
	}
}
