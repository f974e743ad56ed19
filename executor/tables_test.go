package executor

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/rdd"
)

// tick is the key of a row for each key group and batch.
type tick struct {
	Group row.GroupID
	Batch int64
}

// ticking is a reducer with two more tables. In the first it keeps, for each of its key groups, a row for each of the last three batches; in the second
// how many batches it has seen. It fails if they are not at the version before this batch.
type ticking struct{ rdd.Reducer }

func ticked(key, val, count *row.Codec) func(p *rdd.Plan) {
	return func(p *rdd.Plan) {
		w := p.Node("counts").Wide
		w.OnEmpty = true
		w.More = []rdd.Store{{Name: "ticks", Key: key, Val: val}, {Name: "seen", Key: key, Val: count}}
		under := w.New
		w.New = func() rdd.Reducer { return ticking{under()} }
	}
}

func (r ticking) Reduce(ctx *rdd.Context, in [][]rdd.Record, emit func(rdd.Chunk) error) error {
	from, until := ctx.Layout.GroupsOf(ctx.Partition)
	for g := from; g < until; g++ {
		if err := r.group(ctx, row.GroupID(g)); err != nil {
			return err
		}
	}
	return r.Reducer.Reduce(ctx, in, emit)
}

func (r ticking) group(ctx *rdd.Context, g row.GroupID) error {
	idx := make([]int32, 1)
	ticks, seen := ctx.More[0], ctx.More[1]
	for _, b := range []int64{ctx.Batch - 3, ctx.Batch - 2, ctx.Batch - 1} {
		ticks.Find(ticksOf(tick{g, b}), idx)
		if (idx[0] >= 0) != (b > 0) {
			return fmt.Errorf("before batch %d group %d has row %d for batch %d", ctx.Batch, g, idx[0], b)
		}
		if b == ctx.Batch-3 && b > 0 {
			ticks.Delete(idx)
		}
	}
	ticks.Upsert(ticksOf(tick{g, ctx.Batch}), idx)
	ticks.Set(idx, []string{fmt.Sprint(g)})
	seen.Upsert(ticksOf(tick{g, 0}), idx)
	if n := seen.Int64(idx, nil); n[0] != ctx.Batch-1 {
		return fmt.Errorf("before batch %d group %d has seen %d", ctx.Batch, g, n[0])
	}
	seen.AddInt64(idx, []int64{1})
	return nil
}

var tickCodec = func() *row.Codec {
	c, err := row.For[tick]()
	if err != nil {
		panic(err)
	}
	return c
}()

func ticksOf(k tick) *row.Keys {
	var keys row.Keys
	tickCodec.AppendKeys([]tick{k}, &keys)
	return &keys
}

// TestMoreTables runs a node with three tables through loss, takeover, failures, restores and delta files of several batches: they are at the
// same version always.
func TestMoreTables(t *testing.T) {
	val, _ := row.For[string]()
	count, _ := row.For[int64]()
	build := func(t *testing.T) (*world, *fleet) {
		w := newWorld(t)
		pushed(w)
		w.alter = ticked(tickCodec, val, count)
		return w, newFleet(w)
	}
	w, f := build(t)
	f.local("only")
	f.assign(true, nil)
	sizes := []int64{20, 0, 30, 1, 5, 0, 7}
	for _, n := range sizes {
		f.batch(n)
	}
	want := w.store.text()
	for _, every := range []int{1, 3} {
		t.Run(fmt.Sprint(every), func(t *testing.T) {
			w, f := build(t)
			f.every, f.settings.CheckpointEvery = every, every
			f.process("a")
			f.process("b")
			f.assign(true, nil)
			for _, n := range sizes[:3] {
				f.batch(n)
			}
			p := f.cut(sizes[3])
			f.launch(p)
			if every == 1 {
				f.staged(p.Batch)
				f.lose("a")
				f.assign(false, nil)
			}
			f.finish(p)
			f.batch(sizes[4])
			f.batch(sizes[5])
			f.lose("b")
			f.process("c")
			f.assign(false, nil)
			f.batch(sizes[6])
			sameText(t, w.store.text(), want)
			checkRestored(t, f)
		})
	}
}

// calls counts the batches in which a node's partition 0 was called.
type calls struct {
	rdd.Reducer
	mu   *sync.Mutex // guards seen
	seen map[int64]bool
}

func (r calls) Reduce(ctx *rdd.Context, in [][]rdd.Record, emit func(rdd.Chunk) error) error {
	if ctx.Partition == 0 {
		r.mu.Lock()
		r.seen[ctx.Batch] = true
		r.mu.Unlock()
	}
	return r.Reducer.Reduce(ctx, in, emit)
}

// TestEvery runs a node that acts at each even second, rows or not, and on the final batch: others without rows pass it by (P31).
func TestEvery(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	seen := calls{mu: &sync.Mutex{}, seen: map[int64]bool{}}
	w.alter = func(p *rdd.Plan) {
		spec := p.Node("counts").Wide
		spec.Every = 2_000_000
		under := spec.New
		spec.New = func() rdd.Reducer { return calls{under(), seen.mu, seen.seen} }
	}
	f := newFleet(w)
	f.local("a")
	f.assign(true, nil)
	for _, n := range []int64{20, 0, 0, 0, 20, 0} {
		f.batch(n)
	}
	p := f.cut(0)
	p.Final = true
	f.launch(p)
	f.finish(p)
	if diff := cmp.Diff(map[int64]bool{1: true, 2: true, 4: true, 5: true, 6: true, 7: true}, seen.seen); diff != "" {
		t.Error(diff)
	}
}

// checkRestored loads the tables from the state files.
func checkRestored(t *testing.T, f *fleet) {
	t.Helper()
	at := f.base
	dir, err := checkpoint.OpenState(f.w.dir)
	if err != nil {
		t.Fatal(err)
	}
	at = at / int64(max(f.settings.CheckpointEvery, 1)) * int64(max(f.settings.CheckpointEvery, 1))
	for _, s := range f.w.plan().Node("counts").Stores()[1:] {
		chain, ok := checkpoint.Chain(f.deltas, s.Name, 0, row.Groups, at)
		if !ok || len(chain) == 0 {
			t.Fatalf("no state of %s", s.Name)
		}
		table := state.New(s.Key, s.Val, 0)
		for _, ref := range chain {
			for _, sec := range ref.Sections {
				if sec.Operator != s.Name {
					continue
				}
				rec, err := dir.Load(ref, sec)
				if err == nil {
					err = table.Load(rec, sec.From, sec.Until, sec.Full)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		want := map[string]int{"counts/ticks": 3 * row.Groups, "counts/seen": row.Groups}[s.Name]
		if table.Len() != want {
			t.Errorf("%s has %d rows at batch %d, want %d", s.Name, table.Len(), at, want)
		}
	}
}
