package eventwindow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// newOverlapping has the key, and count(*) and sum(v).
func newOverlapping(t testing.TB, spec Spec, keys ...string) *Overlapping {
	t.Helper()
	set, err := agg.Bind(eventSchema, []expr.Agg{expr.Count().As("n"), expr.Sum("v").As("sum"), expr.Count().As(RowsColumn)})
	if err != nil {
		t.Fatal(err)
	}
	o := &Overlapping{Spec: spec, Name: "o"}
	o.Set, o.Key = set, ops.AllKey()
	var fields []arrow.Field
	for _, k := range keys {
		b := bound(t, k)
		o.Keys, fields = append(o.Keys, b), append(fields, b.Field())
	}
	if len(keys) > 0 {
		if o.Key, err = row.OfSchema(arrow.NewSchema(fields, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if o.Partial, err = row.OfSchema(set.Partial()); err != nil {
		t.Fatal(err)
	}
	o.Out = OverlappingOut(fields, set.Result())
	return o
}

// Windows that are kept as one give what windows give that are kept each by itself, batch by batch, in any layout.
func TestOverlappingIsTheSame(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		spec := Spec{Kind: Sliding, Slide: 1 + r.Int64N(4), Batch: true}
		spec.Size = spec.Slide * (2 + r.Int64N(3))
		keys := []string{"key"}[:r.IntN(2)]
		plain := &Aggregation{Name: "w", Spec: spec, Set: countSum(t), Rows: eventSchema}
		for _, k := range keys {
			plain.Keys = append(plain.Keys, bound(t, k))
		}
		if err := plain.Prepare(); err != nil {
			t.Fatal(err)
		}
		o := newOverlapping(t, spec, keys...)
		parts := 1 + r.IntN(3)
		a, b := worldOf(t, plain, plain.Key, plain.State, parts), worldOf(t, o, o.Key, o.Partial, parts)
		for i := range b.more {
			b.more[i] = []*state.Table{state.New(placeCodec, packedCodec, 0)}
		}
		now := int64(100)
		for step := range 40 {
			sources := make([][]event, 1+r.IntN(2))
			for i := range sources {
				for range max(0, r.IntN(12)-5) {
					sources[i] = append(sources[i], event{key: fmt.Sprint(r.IntN(5)), v: r.Int64N(100) - 50})
				}
			}
			after := now
			if step == 39 {
				after = task.EndOfTime
			}
			got, want := b.attempt(now, after, sources), a.attempt(now, after, sources)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, %v, %d keys, time %d:\n got %q\nwant %q", seed, spec, len(keys), now, got, want)
			}
			now += 1 + r.Int64N(max(1, min(spec.Slide-now%spec.Slide, 2))) // never past the end of a window
		}
	}
}

// A batch that is damaged, or of keys that are not there, is an error.
func TestOverlappingDamage(t *testing.T) {
	o := newOverlapping(t, Spec{Kind: Sliding, Size: 2, Slide: 1, Batch: true}, "key")
	w := worldOf(t, o, o.Key, o.Partial, 1)
	w.more[0] = []*state.Table{state.New(placeCodec, packedCodec, 0)}
	w.attempt(1, 1, [][]event{{{key: "a", v: 1}}})
	for _, t := range []*state.Table{w.tables[0], w.more[0][0]} {
		t.Begin(2)
		if t == w.tables[0] {
			t.Delete(t.All())
		}
		t.Seal()
	}
	w.mayFail = true
	w.batch++
	if w.attempt(3, 3, nil); w.err == nil {
		t.Error("a key is taken out that is not there")
	}
}

// MaxBytes stops the job with figures.
func TestOverlappingLimit(t *testing.T) {
	o := newOverlapping(t, Spec{Kind: Sliding, Size: 2, Slide: 1, Batch: true}, "key")
	o.MaxBytes = 1
	w := worldOf(t, o, o.Key, o.Partial, 1)
	w.more[0] = []*state.Table{state.New(placeCodec, packedCodec, 0)}
	w.mayFail = true
	w.attempt(1, 1, [][]event{{{key: "a", v: 1}}})
	if e, ok := w.err.(*ErrState); !ok || e.Rows != 2 {
		t.Errorf("got %v", w.err)
	}
}
