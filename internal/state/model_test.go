package state

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/row"
)

func codec[T any](t testing.TB) *row.Codec {
	t.Helper()
	c, err := row.For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func keysOf[K any](c *row.Codec, ks ...K) *row.Keys {
	var k row.Keys
	c.AppendKeys(ks, &k)
	return &k
}

type value struct {
	N     int64
	Name  string
	At    time.Time
	Score *float64
	Tags  []string
	Deep  struct {
		Flag bool
		P    *string
	}
}

// held is what the model knows of a key.
type held[S any] struct {
	val S
	due int64
}

// model is a table as a map, with its versions as copies.
type model[K comparable, S any] struct {
	now      map[K]held[S]
	versions map[int64]map[K]held[S] // versions that Rollback may go back to
}

// world drives a table and its model with the same random operations.
type world[K comparable, S any] struct {
	t       *testing.T
	r       *rand.Rand
	kc, vc  *row.Codec
	table   *Table
	model   model[K, S]
	key     func(*rand.Rand) K
	val     func(*rand.Rand) S
	touched map[K]bool // in the open batch
	deltas  []arrow.Record
	oldest  int64
}

func newWorld[K comparable, S any](t *testing.T, seed uint64, key func(*rand.Rand) K, val func(*rand.Rand) S) *world[K, S] {
	w := &world[K, S]{t: t, r: rand.New(rand.NewPCG(seed, 2)), kc: codec[K](t), vc: codec[S](t), key: key, val: val}
	w.table = New(w.kc, w.vc, 0)
	w.model = model[K, S]{map[K]held[S]{}, map[int64]map[K]held[S]{0: {}}}
	return w
}

// some are distinct random keys, as they are and encoded.
func (w *world[K, S]) some() ([]K, *row.Keys) {
	seen := map[K]bool{}
	var ks []K
	for range w.r.IntN(20) {
		if k := w.key(w.r); !seen[k] {
			seen[k] = true
			ks = append(ks, k)
		}
	}
	return ks, keysOf(w.kc, ks...)
}

func (w *world[K, S]) upsert() {
	ks, enc := w.some()
	idx := make([]int32, len(ks))
	w.table.Upsert(enc, idx)
	vals := make([]S, len(ks))
	for i, k := range ks {
		if _, ok := w.model.now[k]; !ok {
			w.model.now[k] = held[S]{}
			w.touched[k] = true
		}
		vals[i] = w.val(w.r)
	}
	w.vc.Normalize(vals)
	if w.r.IntN(4) > 0 {
		w.table.Set(idx, vals)
		for i, k := range ks {
			w.model.now[k] = held[S]{vals[i], w.model.now[k].due}
			w.touched[k] = true
		}
	}
	if w.r.IntN(3) == 0 {
		due := make([]int64, len(ks))
		for i, k := range ks {
			due[i] = int64(w.r.IntN(50))
			w.model.now[k] = held[S]{w.model.now[k].val, due[i]}
			w.touched[k] = true
		}
		w.table.SetDue(idx, due)
	}
}

func (w *world[K, S]) delete() {
	ks, enc := w.some()
	idx := make([]int32, len(ks))
	w.table.Find(enc, idx)
	for i, k := range ks {
		if _, ok := w.model.now[k]; ok != (idx[i] >= 0) {
			w.t.Fatalf("find %v: row %d, in the model: %v", k, idx[i], ok)
		} else if ok {
			w.touched[k] = true
			delete(w.model.now, k)
		}
	}
	w.table.Delete(slices.DeleteFunc(idx, func(r int32) bool { return r < 0 }))
}

func (w *world[K, S]) expire() {
	until := int64(w.r.IntN(50))
	var want []K
	for k, h := range w.model.now {
		if h.due != 0 && h.due <= until {
			want = append(want, k)
			w.touched[k] = true
		}
	}
	slices.SortFunc(want, func(a, b K) int {
		return cmp.Or(cmp.Compare(w.model.now[a].due, w.model.now[b].due), bytes.Compare(keysOf(w.kc, a).Key(0), keysOf(w.kc, b).Key(0)))
	})
	rows := w.table.Due(until)
	got := w.table.KeyRows(append([]int32{}, rows...), nil).([]K)
	if d := gocmp.Diff(want, got); len(want)+len(got) > 0 && d != "" {
		w.t.Fatalf("due until %d: %s", until, d)
	}
	for _, k := range want {
		w.model.now[k] = held[S]{w.model.now[k].val, 0}
	}
}

// check compares the whole table with the model.
func (w *world[K, S]) check(table *Table, now map[K]held[S]) {
	w.t.Helper()
	rows := table.All()
	keys := table.KeyRows(nil, nil).([]K)
	vals := table.Get(rows, nil).([]S)
	if table.Len() != len(now) || len(keys) != len(now) {
		w.t.Fatalf("%d rows, %d keys; want %d", table.Len(), len(keys), len(now))
	}
	next := int64(0)
	for i, k := range keys {
		h, ok := now[k]
		if d := gocmp.Diff(h.val, vals[i]); !ok || d != "" {
			w.t.Fatalf("key %v (in the model: %v): %s", k, ok, d)
		}
		if h.due != 0 && (next == 0 || h.due < next) {
			next = h.due
		}
	}
	if table.NextDue() != next {
		w.t.Fatalf("next due %d, want %d", table.NextDue(), next)
	}
	sum := 0
	for g := range row.Groups {
		sum += table.GroupLen(g)
	}
	if sum != len(now) {
		w.t.Fatalf("groups hold %d rows, want %d", sum, len(now))
	}
}

func (w *world[K, S]) batch() {
	b := w.table.Version() + 1
	w.table.Begin(b)
	w.touched = map[K]bool{}
	before := maps.Clone(w.model.now)
	for range w.r.IntN(6) {
		switch w.r.IntN(4) {
		case 0, 1:
			w.upsert()
		case 2:
			w.delete()
		case 3:
			w.expire()
		}
	}
	if w.r.IntN(6) == 0 {
		w.table.Abort()
		w.model.now = before
		w.check(w.table, before)
		return
	}
	w.table.Seal()
	w.model.versions[b] = maps.Clone(w.model.now)
	w.delta(b, before)
}

// delta checks the batch's delta against what the model touched.
func (w *world[K, S]) delta(b int64, before map[K]held[S]) {
	rec := w.table.Delta(b)
	w.deltas = append(w.deltas, rec)
	want := map[K]bool{} // deleted
	for k := range w.touched {
		_, is := w.model.now[k]
		if _, was := before[k]; is || was {
			want[k] = !is
		}
	}
	got := map[K]bool{}
	if rec != nil {
		n := w.kc.Schema().NumFields()
		ks, err := w.kc.Rows(rec.Columns()[3:3+n], nil)
		if err != nil {
			w.t.Fatal(err)
		}
		hs, _ := headCodec.Rows(rec.Columns()[:3], nil)
		for i, k := range ks.([]K) {
			if _, twice := got[k]; twice {
				w.t.Fatalf("key %v is twice in the delta of %d", k, b)
			}
			got[k] = hs.([]head)[i].Deleted
		}
	}
	if d := gocmp.Diff(want, got); d != "" {
		w.t.Fatalf("delta of %d: %s", b, d)
	}
}

// ipc is rec after a way through a file.
func (w *world[K, S]) ipc(rec arrow.Record) arrow.Record {
	var b bytes.Buffer
	out := ipc.NewWriter(&b, ipc.WithSchema(rec.Schema()))
	if err := cmp.Or(out.Write(rec), out.Close()); err != nil {
		w.t.Fatal(err)
	}
	in, err := ipc.NewReader(&b)
	if err != nil {
		w.t.Fatal(err)
	}
	back, err := in.Read()
	if err != nil || batch.Sum(rec) != batch.Sum(back) {
		w.t.Fatalf("another record comes back from a file: %v", err)
	}
	return back
}

// restore loads the deltas, or dumps, into another table.
func (w *world[K, S]) restore() {
	other := New(w.kc, w.vc, 0)
	for i, d := range w.deltas {
		if d == nil {
			continue
		}
		back := w.ipc(d)
		if err := other.Load(back, 0, row.Groups, false); err != nil {
			w.t.Fatalf("delta %d: %v", i, err)
		}
	}
	other.LoadedTo(w.table.Version())
	w.check(other, w.model.now)
	dumped := New(w.kc, w.vc, 0)
	for g := range row.Groups {
		a, b := w.table.Dump(g), other.Dump(g)
		if batch.Sum(a) != batch.Sum(b) {
			w.t.Fatalf("dumps of group %d differ: %v\n%v", g, a, b)
		}
		if err := dumped.Load(a, g, g+1, true); err != nil {
			w.t.Fatal(err)
		}
	}
	dumped.LoadedTo(w.table.Version())
	w.check(dumped, w.model.now)
	if w.r.IntN(3) == 0 { // go on with a restored table: its row numbers differ
		w.table, w.oldest = dumped, dumped.Version()
		w.model.versions = map[int64]map[K]held[S]{w.oldest: maps.Clone(w.model.now)}
	}
}

func (w *world[K, S]) run(steps int) {
	for range steps {
		switch w.r.IntN(8) {
		case 0:
			if v := w.table.Version(); v > w.oldest {
				to := v - w.r.Int64N(v-w.oldest+1)
				w.table.Rollback(to)
				w.model.now = maps.Clone(w.model.versions[to])
				w.deltas = w.deltas[:len(w.deltas)-int(v-to)]
				w.check(w.table, w.model.now)
			}
		case 1:
			w.oldest += w.r.Int64N(w.table.Version() - w.oldest + 1)
			w.table.Forget(w.oldest)
		case 2:
			w.restore()
		default:
			if w.table.Version()-w.oldest < 5 {
				w.batch()
			}
		}
		if w.r.IntN(4) == 0 {
			w.check(w.table, w.model.now)
		}
	}
	w.check(w.table, w.model.now)
}

func randomValue(r *rand.Rand) value {
	v := value{N: r.Int64(), Name: fmt.Sprint("name", r.IntN(1000)), At: time.Unix(r.Int64N(1e9), 0)}
	if r.IntN(2) == 0 {
		f := float64(r.IntN(9))
		v.Score = &f
		v.Tags = []string{"a", "b"}[:r.IntN(3)]
		v.Deep.P = &v.Name
	}
	v.Deep.Flag = r.IntN(2) == 0
	return v
}

func TestTableAgainstAModel(t *testing.T) {
	for seed := range uint64(10) {
		newWorld(t, seed, func(r *rand.Rand) int64 { return r.Int64N(60) }, (*rand.Rand).Int64).run(120)
		newWorld(t, seed, func(r *rand.Rand) string { return fmt.Sprint("k", r.IntN(60)) }, randomValue).run(120)
		type pair struct {
			A int16
			B string
		}
		newWorld(t, seed, func(r *rand.Rand) pair { return pair{int16(r.IntN(8)), fmt.Sprint(r.IntN(8))} }, func(r *rand.Rand) []value {
			return []value{randomValue(r)}
		}).run(60)
		type grouping struct {
			Group row.GroupID
			At    int64
		}
		newWorld(t, seed, func(r *rand.Rand) grouping { return grouping{row.GroupID(r.IntN(3) * 50), r.Int64N(20)} }, func(r *rand.Rand) []byte {
			return make([]byte, r.IntN(5))
		}).run(60)
		newWorld(t, seed, func(r *rand.Rand) uint32 { return r.Uint32N(60) }, func(r *rand.Rand) string { return fmt.Sprint(r.IntN(1e6)) }).run(120)
	}
}

func arrayRecord(s *arrow.Schema, cols []arrow.Array) arrow.Record {
	return array.NewRecord(s, cols, int64(cols[0].Len()))
}
