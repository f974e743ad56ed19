package geo

import (
	"encoding/csv"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/plugintest"
)

type visit struct {
	User int64
	IP   string `arrow:"ip"`
}

type placed struct {
	User    int64
	IP      string `arrow:"ip"`
	Country string
}

func TestCountry(t *testing.T) {
	table, err := Parse(made)
	if err != nil {
		t.Fatal(err)
	}
	last := len(table.first) - 1
	v4, v6 := table.first[0].String(), table.last[last].String()
	got := plugintest.Apply[visit, placed](t, Country, visit{1, v4}, visit{2, "::ffff:" + v4}, visit{3, v6}, visit{4, "127.0.0.1"}, visit{5, "nonsense"}, visit{6, ""}, visit{7, v6 + "%eth0"})
	first, end := table.countries[0], table.countries[last]
	if d := cmp.Diff([]placed{{1, v4, first}, {2, "::ffff:" + v4, first}, {3, v6, end}, {4, "127.0.0.1", "ZZ"}, {5, "nonsense", "ZZ"}, {6, "", "ZZ"}, {7, v6 + "%eth0", end}}, got); d != "" {
		t.Error(d)
	}
	got = plugintest.Apply[visit, placed](t, plugintest.Configure(Country, `{"unknown": "??"}`), visit{1, "10.0.0.1"})
	if got[0].Country != "??" {
		t.Errorf("country %q of an unknown address, want ??", got[0].Country)
	}
	if _, err := Country.Map([]byte(`{"unknwon": "??"}`)); err == nil || !strings.Contains(err.Error(), `did you mean "unknown"?`) {
		t.Errorf("a field that does not exist: error %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"h,h,h\n1.1.1.1,1.1.1.2,A\n1.1.1.2,1.1.1.3,B": "overlap", "h,h,h\n1.1.1.2,1.1.1.1,A": "no range", "h,h,h\n1.1.1.1,::1,A": "no range",
		"h,h,h\nx,1.1.1.1,A": "line 2", "h,h\n1.1.1.1,1.1.1.2": "2 fields", "h,h,h\n\"": "quote",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

// plain walks over the file.
func plain(t testing.TB, text string) string {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return "ZZ"
	}
	ip = ip.Unmap().WithZone("")
	rows, err := csv.NewReader(strings.NewReader(string(made))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		lo, hi := netip.MustParseAddr(r[0]), netip.MustParseAddr(r[1])
		if lo.BitLen() == ip.BitLen() && !ip.Less(lo) && !hi.Less(ip) {
			return r[2]
		}
	}
	return "ZZ"
}

func FuzzLookup(f *testing.F) {
	table, err := Parse(made)
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range []netip.Addr{table.first[0], table.last[0], table.last[0].Next(), table.first[len(table.first)-1].Prev()} {
		b := r.As16()
		f.Add(b[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		got, ok := table.Lookup(ip.String())
		if !ok {
			got = "ZZ"
		}
		if want := plain(t, ip.String()); got != want {
			t.Errorf("%s is in %s, want %s", ip, got, want)
		}
	})
}

func BenchmarkCountry(b *testing.B) {
	rows := make([]visit, 8192)
	ip := netip.MustParseAddr("198.18.0.0")
	for i := range rows {
		rows[i] = visit{int64(i), ip.String()}
		for range 7 {
			ip = ip.Next()
		}
	}
	rec, err := plugins.RecordOf(rows)
	if err != nil {
		b.Fatal(err)
	}
	m, err := Country.Map(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.Process(b.Context(), plugins.Batch{}, rec); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/row")
}
