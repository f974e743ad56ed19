package row

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// rowsPerSecond reports b's speed where one round handles n rows.
func rowsPerSecond(b *testing.B, n int) {
	b.ReportAllocs()
	b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(n), "ns/row")
}

type click struct {
	User  int64
	Page  string
	At    time.Time
	Score *float64
	Ok    bool
}

func clicks(n int) []click {
	r := rand.New(rand.NewPCG(1, 1))
	rows := make([]click, n)
	for i := range rows {
		f := r.Float64()
		rows[i] = click{r.Int64(), fmt.Sprint("/page/", r.IntN(1e6)), time.UnixMicro(r.Int64N(1e15)).UTC(), &f, i%3 == 0}
	}
	return rows
}

func BenchmarkColumns(b *testing.B) {
	c, rows := codecOf[click](b), clicks(8192)
	for b.Loop() {
		c.Columns(rows, nil)
	}
	rowsPerSecond(b, len(rows))
}

func BenchmarkRows(b *testing.B) {
	c := codecOf[click](b)
	cols := c.Columns(clicks(8192), nil)
	dst := c.Make(8192)
	for b.Loop() {
		if _, err := c.Rows(cols, dst); err != nil {
			b.Fatal(err)
		}
	}
	rowsPerSecond(b, 8192)
}

func BenchmarkColumnsOfTenRows(b *testing.B) {
	c, rows := codecOf[click](b), clicks(10)
	for b.Loop() {
		c.Columns(rows, nil)
	}
	rowsPerSecond(b, len(rows))
}

func BenchmarkScalarColumns(b *testing.B) {
	c, rows := codecOf[int64](b), make([]int64, 8192)
	for b.Loop() {
		c.Columns(rows, nil)
	}
	rowsPerSecond(b, len(rows))
}

func BenchmarkNormalize(b *testing.B) {
	c, rows := codecOf[click](b), clicks(8192)
	for b.Loop() {
		c.Normalize(rows)
	}
	rowsPerSecond(b, len(rows))
}

func words(n, distinct int, zipf bool) []string {
	r := rand.New(rand.NewPCG(1, 1))
	z := rand.NewZipf(r, 1.1, 1, uint64(distinct-1))
	rows := make([]string, n)
	for i := range rows {
		k := uint64(r.IntN(distinct))
		if zipf {
			k = z.Uint64()
		}
		rows[i] = fmt.Sprint("campaign", k)
	}
	return rows
}

func benchmarkDict(b *testing.B, rows []string) {
	c := codecOf[string](b)
	var k Keys
	c.AppendKeys(rows, &k)
	d := NewDict(0)
	idx := make([]int32, len(rows))
	for b.Loop() {
		d.Add(&k, idx)
	}
	rowsPerSecond(b, len(rows))
}

func BenchmarkDictOf100(b *testing.B)      { benchmarkDict(b, words(8192, 100, false)) }
func BenchmarkDictZipf100000(b *testing.B) { benchmarkDict(b, words(1<<20, 100_000, true)) }

func BenchmarkAppendKeysString(b *testing.B) {
	c, rows := codecOf[string](b), words(8192, 100, false)
	var k Keys
	for b.Loop() {
		k.Reset()
		c.AppendKeys(rows, &k)
	}
	rowsPerSecond(b, len(rows))
}

func BenchmarkAppendKeysInt64(b *testing.B) {
	c, rows := codecOf[int64](b), make([]int64, 8192)
	var k Keys
	for b.Loop() {
		k.Reset()
		c.AppendKeys(rows, &k)
	}
	rowsPerSecond(b, len(rows))
}

func BenchmarkAppendKeysPair(b *testing.B) {
	type pair struct {
		Campaign string
		Window   time.Time
	}
	rows := make([]pair, 8192)
	for i, w := range words(8192, 100, false) {
		rows[i] = pair{w, time.UnixMicro(int64(i)).UTC()}
	}
	c := codecOf[pair](b)
	var k Keys
	for b.Loop() {
		k.Reset()
		c.AppendKeys(rows, &k)
	}
	rowsPerSecond(b, len(rows))
}
