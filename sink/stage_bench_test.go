package sink

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/commitlog"
)

// counts and enrichedRows are the rows of two benchmarks: changed counts by word, and page views with what is known of their viewers.
func counts(t testing.TB, n int) (Schema, arrow.Record) {
	s := Schema{fields("key", str, "value", i64), 1, true, true}
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"key":"word%d","value":%d}`, i*7919%100_000, i*31)
	}
	return s, record(t, s.Arrow, "["+strings.Join(rows, ",")+"]")
}

func enrichedRows(t testing.TB, n int) (Schema, arrow.Record) {
	s := Schema{Arrow: fields("event_time", i64, "viewer_id", i64, "page", str, "referrer", str, "name", str, "industry", str)}
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"event_time":%d,"viewer_id":%d,"page":"/page/%d","referrer":"https://example.com/from/%d","name":"viewer number %d","industry":"industry-%d"}`,
			1_700_000_000_000+i, i*7919%1_000_000, i%500, i%77, i*7919%1_000_000, i%20)
	}
	return s, record(t, s.Arrow, "["+strings.Join(rows, ",")+"]")
}

// BenchmarkStage is what a row costs from columns to the bytes that are sent, by lane.
func BenchmarkStage(b *testing.B) {
	const n = 20_000
	for name, rows := range map[string]func(testing.TB, int) (Schema, arrow.Record){"counts": counts, "enriched": enrichedRows} {
		s, rec := rows(b, n)
		report := func(b *testing.B) {
			b.ReportAllocs()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/row")
		}
		b.Run(name+"/kafka", func(b *testing.B) {
			out := &kafkaOutput{schema: s, partitions: 8}
			enc, err := newEncoder(s, JSON)
			if err != nil {
				b.Fatal(err)
			}
			l := &kafkaLane{out: out, lanes: 1, enc: enc}
			for b.Loop() {
				if err := l.Stage(b.Context(), Batch{Number: 1, Time: 1_700_000_000_000_000}, []arrow.Record{rec}); err != nil {
					b.Fatal(err)
				}
				l.release(&l.staged[0]) // it is published
				l.staged = l.staged[:0]
			}
			report(b)
		})
		b.Run(name+"/route", func(b *testing.B) {
			out, lane := &kafkaOutput{schema: s, partitions: 8}, make([]int32, n)
			for b.Loop() {
				out.Route(0, 0, rec, 2, lane)
			}
			report(b)
		})
		b.Run(name+"/log", func(b *testing.B) {
			enc, err := newEncoder(s, JSON)
			if err != nil {
				b.Fatal(err)
			}
			l := &logLane{enc: enc, keyed: s.Keys > 0, w: new(commitlog.Writer)}
			for b.Loop() {
				if err := l.Stage(b.Context(), Batch{Number: 1, Time: 1_700_000_000_000_000}, []arrow.Record{rec}); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
		})
	}
}
