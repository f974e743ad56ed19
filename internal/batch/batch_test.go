package batch_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zeebo/xxh3"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
)

type deep struct {
	X    *int32
	Name string
	B    bool
}

type event struct {
	ID    int64
	Ok    bool
	Name  string
	Raw   []byte
	At    time.Time
	Score *float64
	Small *uint8
	Flag  *bool
	Text  *string
	Tags  []string
	Deep  deep
	Maybe *deep
	Deeps []*deep
	Map   map[string]int16
}

func ptr[T any](v T) *T { return &v }

func randomDeep(r *rand.Rand) deep {
	d := deep{Name: fmt.Sprint(r.IntN(100)), B: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		d.X = ptr(r.Int32())
	}
	return d
}

func randomEvents(r *rand.Rand, n int) []event {
	rows := make([]event, n)
	for i := range rows {
		e := &rows[i]
		*e = event{ID: r.Int64(), Ok: r.IntN(2) == 0, Name: fmt.Sprint("n", r.IntN(1000)), At: time.UnixMicro(r.Int64N(1e15)).UTC(), Deep: randomDeep(r)}
		if r.IntN(3) > 0 {
			e.Raw, e.Score, e.Small = []byte{byte(i), 2, 3}, ptr(r.Float64()), ptr(uint8(i))
			e.Flag, e.Text = ptr(r.IntN(2) == 0), ptr(fmt.Sprint("t", i))
			e.Tags = []string{"a", fmt.Sprint(i)}
		}
		if r.IntN(3) > 0 {
			e.Maybe = ptr(randomDeep(r))
			e.Deeps = []*deep{nil, ptr(randomDeep(r))}
			e.Map = map[string]int16{"z": 1, "a": int16(i)}
		}
	}
	return rows
}

func codec[T any](t testing.TB) *row.Codec {
	t.Helper()
	c, err := row.For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func record(c *row.Codec, rows any, idx []int32) arrow.Record {
	n := c.Len(rows)
	if idx != nil {
		n = len(idx)
	}
	return array.NewRecord(c.Schema(), c.Columns(rows, idx), int64(n))
}

func events(t testing.TB, rec arrow.Record) []event {
	t.Helper()
	rows, err := codec[event](t).Rows(rec.Columns(), []event{})
	if err != nil {
		t.Fatal(err)
	}
	return rows.([]event)
}

func join(parts [][]byte) []byte { return bytes.Join(parts, nil) }

var sizes = []int{0, 1, 3, 7, 8, 9, 63, 64, 65, 300}

func TestMarshalRoundTrip(t *testing.T) {
	c, r := codec[event](t), rand.New(rand.NewPCG(1, 1))
	for _, n := range sizes {
		rows := randomEvents(r, n)
		rec := record(c, rows, nil)
		data := join(batch.Marshal(rec, nil))
		for shift := range 2 {
			back, err := batch.Unmarshal(c.Schema(), append(make([]byte, shift, shift+len(data)), data...)[shift:])
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rows, events(t, back)); d != "" {
				t.Fatal(d)
			}
			if !bytes.Equal(data, join(batch.Marshal(back, nil))) || batch.Sum(rec) != batch.Sum(back) {
				t.Fatal("marshalled again, the bytes differ")
			}
		}
		if batch.Sum(rec) != xxh3.Hash(data) {
			t.Fatal("Sum is not the checksum of what Marshal writes")
		}
	}
}

// TestMarshalMixedSizes: buffers of any length stand beside each other, those that are parts of their own and those that are copied.
func TestMarshalMixedSizes(t *testing.T) {
	type pair struct {
		Long  string
		Small int8
		Tail  string
	}
	c := codec[pair](t)
	for long := 4090; long < 4106; long++ {
		for rows := 1; rows < 10; rows++ {
			in := make([]pair, rows)
			for i := range in {
				in[i] = pair{strings.Repeat("x", long/rows+i), int8(i), strings.Repeat("y", i*long%7)}
			}
			back, err := batch.Unmarshal(c.Schema(), join(batch.Marshal(record(c, in, nil), nil)))
			if err != nil {
				t.Fatalf("%d rows, %d bytes: %v", rows, long, err)
			}
			out, err := c.Rows(back.Columns(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(in, out); d != "" {
				t.Fatalf("%d rows, %d bytes: %s", rows, long, d)
			}
		}
	}
}

// Equal rows have equal bytes, wherever they lie in memory and however they came there (I2).
func TestEqualRowsHaveEqualBytes(t *testing.T) {
	c, r := codec[event](t), rand.New(rand.NewPCG(2, 2))
	for _, n := range sizes {
		rows := randomEvents(r, n)
		want := join(batch.Marshal(record(c, rows, nil), nil))
		around := append(append(randomEvents(r, 5), rows...), randomEvents(r, 3)...)
		slice := record(c, around, nil).NewSlice(5, int64(5+n))
		idx := make([]int32, n)
		for i := range idx {
			idx[i] = int32(i + 5)
		}
		half := n / 2
		forms := map[string]arrow.Record{
			"slice":           slice,
			"slice of slice":  record(c, around, nil).NewSlice(2, int64(n+7)).NewSlice(3, int64(n+3)),
			"take":            batch.Take(record(c, around, nil), idx),
			"take of a slice": batch.Take(record(c, around, nil).NewSlice(1, int64(n+8)).NewSlice(4, int64(n+4)), seq(n)),
			"concat":          batch.Concat([]arrow.Record{slice.NewSlice(0, int64(half)), slice.NewSlice(0, 0), slice.NewSlice(int64(half), int64(n))}),
			"columns idx":     record(c, around, idx),
			"arrow's concat":  arrowConcat(t, slice.NewSlice(0, int64(half)), slice.NewSlice(int64(half), int64(n))),
		}
		for name, rec := range forms {
			if got := join(batch.Marshal(rec, nil)); !bytes.Equal(got, want) {
				t.Errorf("%d rows: %s has other bytes", n, name)
			}
			if d := cmp.Diff(rows, events(t, rec)); d != "" {
				t.Errorf("%d rows: %s: %s", n, name, d)
			}
		}
	}
}

func seq(n int) []int32 {
	idx := make([]int32, n)
	for i := range idx {
		idx[i] = int32(i)
	}
	return idx
}

func arrowConcat(t *testing.T, recs ...arrow.Record) arrow.Record {
	cols := make([]arrow.Array, recs[0].NumCols())
	for i := range cols {
		var err error
		if cols[i], err = array.Concatenate([]arrow.Array{recs[0].Column(i), recs[1].Column(i)}, memory.DefaultAllocator); err != nil {
			t.Fatal(err)
		}
	}
	return array.NewRecord(recs[0].Schema(), cols, recs[0].NumRows()+recs[1].NumRows())
}

// What lies under a null, or behind the end, is not part of the rows.
func TestBytesUnderNullsDoNotCount(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int8), Nullable: true},
	}, nil)
	make := func(junk byte) arrow.Record {
		valid := memory.NewBufferBytes([]byte{0b101 | junk<<3})
		i := array.NewData(schema.Field(0).Type, 3, []*memory.Buffer{valid, memory.NewBufferBytes([]byte{1, 0, 0, 0, junk, junk, 0, 0, 3, 0, 0, 0, junk})}, nil, 1, 0)
		b := array.NewData(schema.Field(1).Type, 3, []*memory.Buffer{valid, memory.NewBufferBytes([]byte{0b001 | junk&1<<1 | junk<<3})}, nil, 1, 0)
		s := array.NewData(schema.Field(2).Type, 3, []*memory.Buffer{valid, memory.NewBufferBytes([]byte{0, 0, 0, 0, 1, 0, 0, 0, 1 + junk, 0, 0, 0, 2 + junk, 0, 0, 0}),
			memory.NewBufferBytes(append(append([]byte("x"), bytes.Repeat([]byte{junk}, int(junk))...), 'y'))}, nil, 1, 0)
		kid := array.NewData(arrow.PrimitiveTypes.Int8, 2+int(junk), []*memory.Buffer{nil, s.Buffers()[2]}, nil, 0, 0)
		l := array.NewData(schema.Field(3).Type, 3, s.Buffers()[:2], []arrow.ArrayData{kid}, 1, 0)
		var cols []arrow.Array
		for _, d := range []*array.Data{i, b, s, l} {
			cols = append(cols, array.MakeFromData(d))
		}
		return array.NewRecord(schema, cols, 3)
	}
	want := join(batch.Marshal(make(0), nil))
	for junk := byte(1); junk < 4; junk++ {
		if !bytes.Equal(want, join(batch.Marshal(make(junk), nil))) {
			t.Errorf("junk %d shows", junk)
		}
	}
	if _, err := batch.Unmarshal(schema, want); err != nil {
		t.Fatal(err)
	}
}

func TestTakeSplitConcat(t *testing.T) {
	c, r := codec[event](t), rand.New(rand.NewPCG(3, 3))
	for _, n := range sizes {
		rows := randomEvents(r, n+4)
		rec := record(c, rows, nil).NewSlice(3, int64(3+n))
		rows = rows[3 : 3+n]
		var idx []int32
		want := []event{}
		for range n * 2 {
			i := r.IntN(n)
			idx, want = append(idx, int32(i)), append(want, rows[i])
		}
		if d := cmp.Diff(want, events(t, batch.Take(rec, idx))); d != "" {
			t.Fatal(d)
		}
		part, wants := make([]int32, n), make([][]event, 5)
		for i := range part {
			part[i] = int32(r.IntN(4))
			wants[part[i]] = append(wants[part[i]], rows[i])
		}
		var joined []event
		var parts []arrow.Record
		for i, p := range batch.Split(rec, part, 5) {
			if (p == nil) != (wants[i] == nil) {
				t.Fatalf("part %d: %v, want %d rows", i, p, len(wants[i]))
			}
			if p == nil {
				continue
			}
			if d := cmp.Diff(wants[i], events(t, p)); d != "" {
				t.Fatal(d)
			}
			joined, parts = append(joined, wants[i]...), append(parts, p)
		}
		if len(parts) > 0 {
			if d := cmp.Diff(joined, events(t, batch.Concat(parts))); d != "" {
				t.Fatal(d)
			}
		}
	}
	if batch.Concat(nil) != nil || batch.Sum(nil) != 0 || batch.Bytes(nil) != 0 {
		t.Fatal("nothing is something")
	}
}

// A frame with one byte changed is an error, or rows that can be used; never a panic.
func TestDamagedFrames(t *testing.T) {
	c := codec[event](t)
	data := join(batch.Marshal(record(c, randomEvents(rand.New(rand.NewPCG(4, 4)), 9), nil), nil))
	for i := range data {
		for _, x := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(data)
			bad[i] ^= x
			if rec, err := batch.Unmarshal(c.Schema(), bad); err == nil {
				use(t, c, rec)
			}
		}
		if _, err := batch.Unmarshal(c.Schema(), data[:i]); err == nil {
			t.Fatalf("%d of %d bytes are a frame", i, len(data))
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	c, err := row.For[event]()
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range sizes {
		f.Add(join(batch.Marshal(record(c, randomEvents(rand.New(rand.NewPCG(5, 5)), n), nil), nil)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := batch.Unmarshal(c.Schema(), data)
		if err != nil {
			return
		}
		use(t, c, rec)
	})
}

// use does everything with a record that was read from outside.
func use(t *testing.T, c *row.Codec, rec arrow.Record) {
	t.Helper()
	if err := batch.CheckRecord(rec, c.Schema()); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Rows(rec.Columns(), nil)
	if err != nil {
		t.Fatal(err)
	}
	data := join(batch.Marshal(rec, nil))
	again, err := batch.Unmarshal(c.Schema(), data)
	if err != nil {
		t.Fatal(err)
	}
	back, err := c.Rows(again.Columns(), nil)
	if d := cmp.Diff(rows, back, cmpopts.EquateNaNs()); err != nil || d != "" {
		t.Fatal(err, d)
	}
	n := rec.NumRows()
	taken, joined := batch.Take(rec, seq(int(n))), batch.Concat([]arrow.Record{rec, rec})
	if s := batch.Sum(rec); batch.Sum(taken) != s || batch.Sum(joined.NewSlice(n, 2*n)) != s {
		t.Fatal("taking all rows changes them")
	}
}
