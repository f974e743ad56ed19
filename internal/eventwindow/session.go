package eventwindow

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// sessions keeps the windows that rows make themselves. The sessions of a key are rows of state (key, 0), (key, 1), … without gaps, in no order: nearly always there is one.
// A session's due time is when it closes, or earlier: a row that makes it longer leaves it as it is, and it is set when it has come.
type sessions struct {
	*Aggregation
	mark task.Mark
	s    *ops.Scratch // numbers of the keys that this batch is about

	pieces []piece
	parts  [][]*col.Vec // of pieces, by source: 0 is the state
	old    []slot       // the sessions that the keys have, by key number and then slot
	runs   []run
}

// slot is a row of state.
type slot struct {
	key int32
	row int32
	due bool // its due time has come, and is cleared
}

// piece is a part of a session: one of the state, or what a task sent.
type piece struct {
	key        int32
	from       int32 // 0 is the state, then blocks
	at         int32 // in old or in the block
	start, end int64
	rows       int64
}

// run is a session: pieces that touch.
type run struct {
	key        int32
	slot       int32 // of the first piece that was in the state, -1
	start, end int64
	rows       int64 // that came now, 0 for one that has not changed
	lasting    bool  // stays in the state
	moved      bool
	due        bool // the due time is to be set
}

// Reduce joins what came with the sessions that are there (a session is late if the watermark of the batch before has passed it and it touches none that is kept), then
// closes those that the watermark of this batch has passed (P29).
func (r *sessions) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	r.mark = r.Aggregation.mark(ctx)
	err := ops.WithScratch(func(s *ops.Scratch) error {
		r.s = s
		late, err := r.reduce(ctx, in[0], r.emitting(emit))
		for _, n := range late {
			ctx.Counters.Late += n.rows
		}
		if err != nil || r.Both == nil {
			return err
		}
		return r.lateRows(in[1], emit, r.lateOf(late))
	})
	if err != nil {
		return err
	}
	return r.Emit.limit(ctx, r.Name, ctx.State)
}

// reduce gives the sessions that are late.
func (r *sessions) reduce(ctx *task.Context, in []arrow.Record, emit func(task.Chunk) error) (late []run, err error) {
	r.parts = [][]*col.Vec{nil}
	for i, rec := range in {
		if err := r.read(rec, int32(i+1)); err != nil {
			return nil, err
		}
	}
	early, err := r.early(ctx, r.s.Dict.Len())
	if err != nil {
		return nil, err
	}
	alone, err := r.load(ctx, ctx.State.Due(r.mark.After))
	if err != nil {
		return nil, err
	}
	g, late := r.settle()
	show := r.judge(early)
	if err := r.store(ctx, g); err != nil {
		return nil, err
	}
	if err := r.emit(g, show, emit); err != nil {
		return nil, err
	}
	return late, r.close(ctx, alone, emit)
}

// settle makes sessions of the pieces; those that are late are left out.
func (r *sessions) settle() (g *agg.Groups, late []run) {
	runs := r.join()
	kept := make([]int32, len(runs)) // by run: its number among those that are not late
	r.runs = make([]run, 0, len(runs))
	for i, n := range runs {
		kept[i] = -1
		if n.slot < 0 && passed(n.end, r.Emit.Lateness, r.mark.Before) {
			late = append(late, n)
			continue
		}
		kept[i] = int32(len(r.runs))
		r.runs = append(r.runs, n)
	}
	return r.merge(kept), late
}

// read takes the pieces of a block.
func (r *sessions) read(rec arrow.Record, from int32) error {
	b, at := col.FromRecord(rec), len(r.owner.Schema().Fields())
	idx, err := r.number(b.Cols[:at], b.N)
	if err != nil {
		return err
	}
	starts, ends, counts := b.Cols[at].Ints, b.Cols[at+1].Ints, b.Cols[at+2].Ints
	for i, k := range idx {
		r.pieces = append(r.pieces, piece{key: k, from: from, at: int32(i), start: starts[i], end: ends[i], rows: counts[i]})
	}
	r.parts = append(r.parts, b.Cols[at+3:])
	return nil
}

// number gives the keys in columns their numbers.
func (r *sessions) number(cols []*col.Vec, n int) ([]int32, error) {
	r.s.Keys.Reset()
	r.owner.AppendVecKeys(cols, nil, &r.s.Keys)
	idx := make([]int32, n)
	r.s.Dict.Add(&r.s.Keys, idx)
	return idx, nil
}

// load finds the sessions of the keys in hand, and of those that have sessions that are due. The rest of these are the only sessions of keys that are not in hand:
// alone, they need not be joined with anything.
func (r *sessions) load(ctx *task.Context, due []int32) (alone loners, err error) {
	r.find(ctx, upTo(r.s.Dict.Len()))
	alone, rest := r.split(ctx, due)
	if len(rest) > 0 {
		before := r.s.Dict.Len()
		cols := ctx.State.KeyCols(rest)
		if _, err := r.number(cols[1:len(cols)-1], len(rest)); err != nil {
			return alone, err
		}
		r.find(ctx, upTo(r.s.Dict.Len())[before:])
	}
	slices.SortStableFunc(r.old, func(a, b slot) int { return cmp.Compare(a.key, b.key) })
	if len(r.old) == 0 {
		return alone, nil
	}
	rows := make([]int32, len(r.old))
	for i, o := range r.old {
		rows[i] = o.row
	}
	cols := ctx.State.GetCols(rows).Cols
	for i, o := range r.old {
		r.pieces = append(r.pieces, piece{key: o.key, at: int32(i), start: cols[0].Ints[i], end: cols[1].Ints[i]})
	}
	r.parts[0] = cols[2:]
	return alone, nil
}

// find adds the sessions that keys have to old. All sessions have a due time, but for those whose time has come.
func (r *sessions) find(ctx *task.Context, keys []int32) {
	for n := int32(0); len(keys) > 0; n++ {
		rows := make([]int32, len(keys))
		ctx.State.Find(r.places(keys, n), rows)
		found := keys[:0]
		for i, row := range rows {
			if row >= 0 {
				r.old = append(r.old, slot{keys[i], row, !ctx.State.Waits(row)})
				found = append(found, keys[i])
			}
		}
		keys = found
	}
}

// loners are sessions that are the only ones of their keys: rows, and their places in keys, whose last four bytes are another number than that of the session.
type loners struct {
	rows, at []int32
	keys     *row.Keys
}

// split are the rows that are due and not in old yet: those that are the only sessions of their keys, and others.
func (r *sessions) split(ctx *task.Context, due []int32) (alone loners, rest []int32) {
	if len(due) == 0 {
		return alone, nil
	}
	had := make([]int32, len(r.old))
	for i, o := range r.old {
		had[i] = o.row
	}
	slices.Sort(had)
	if len(had) > 0 {
		due = slices.DeleteFunc(slices.Clone(due), func(row int32) bool {
			_, is := slices.BinarySearch(had, row)
			return is
		})
	}
	k := ctx.State.KeyBytes(due) // they end in the number of the session
	k.Hash = make([]uint64, len(due))
	first, second := make([]bool, len(due)), make([]int32, len(due))
	for i := range due {
		key := k.Key(i)
		number := key[len(key)-4:]
		first[i] = binary.LittleEndian.Uint32(number) == 0
		binary.LittleEndian.PutUint32(number, 1)
		k.Hash[i] = r.Key.KeyHash(key)
	}
	ctx.State.Find(k, second)
	alone = loners{rows: make([]int32, 0, len(due)), at: make([]int32, 0, len(due)), keys: k}
	for i, row := range due {
		if first[i] && second[i] < 0 {
			alone.rows, alone.at = append(alone.rows, row), append(alone.at, int32(i))
		} else {
			rest = append(rest, row)
		}
	}
	return alone, rest
}

// places are the keys of the state for the n-th session of each of the keys.
func (r *sessions) places(keys []int32, n int32) *row.Keys {
	slots := make([]int64, len(keys))
	for i := range slots {
		slots[i] = int64(n)
	}
	return r.placesAt(keys, slots)
}

// placesAt are the keys of the state for session slots[i] of keys[i]: bytes as r.Key makes them of (group, keys, slot).
func (r *sessions) placesAt(keys []int32, slots []int64) *row.Keys {
	all, k := r.s.Dict.Keys(), &row.Keys{Grouped: true, Ends: make([]uint32, 0, len(keys)), Hash: make([]uint64, 0, len(keys))}
	for i, n := range keys {
		start := len(k.Data)
		k.Data = append(k.Data, byte(row.Group(all.Hash[n])))
		k.Data = r.owner.AppendPart(k.Data, all.Key(int(n)))
		k.Data = binary.LittleEndian.AppendUint32(k.Data, uint32(slots[i]))
		k.Ends = append(k.Ends, uint32(len(k.Data)))
		k.Hash = append(k.Hash, r.Key.KeyHash(k.Data[start:]))
	}
	assert.True(len(k.Data) <= math.MaxUint32, "keys of %d bytes pass the limit of 4 GiB of one set", len(k.Data))
	return k
}

// join makes sessions of the pieces: those of a key that touch or overlap are one. Pieces are sorted, and pieces[i].start becomes the number of its session.
func (r *sessions) join() []run {
	r.sort()
	var runs []run
	for i := range r.pieces {
		p := &r.pieces[i]
		if n := len(runs); n == 0 || runs[n-1].key != p.key || p.start > runs[n-1].end || p.from > 0 && fault.Planted("P29-joined") {
			runs = append(runs, run{key: p.key, slot: -1, start: p.start, end: p.end})
		}
		n := &runs[len(runs)-1]
		n.end, n.rows = max(n.end, p.end), n.rows+p.rows
		if p.from == 0 {
			n.due = n.due || r.old[p.at].due
			if n.slot < 0 {
				n.slot = p.at
			}
		}
		p.start = int64(len(runs) - 1)
	}
	return runs
}

// sort orders pieces by (key, start, source, place). Keys have numbers without gaps, so pieces are counted into their keys, of which most have a few.
func (r *sessions) sort() {
	ends := make([]int32, r.s.Dict.Len()+1)
	for i := range r.pieces {
		ends[r.pieces[i].key+1]++
	}
	for k := 1; k < len(ends); k++ {
		ends[k] += ends[k-1]
	}
	sorted := make([]piece, len(r.pieces))
	for i := range r.pieces {
		k := r.pieces[i].key
		sorted[ends[k]] = r.pieces[i]
		ends[k]++
	}
	lo := int32(0)
	for _, hi := range ends[:len(ends)-1] {
		if hi-lo > 1 {
			slices.SortFunc(sorted[lo:hi], func(a, b piece) int {
				return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.from, b.from), cmp.Compare(a.at, b.at))
			})
		}
		lo = hi
	}
	r.pieces = sorted
}

// merge puts the pieces' aggregates together: the state's before what came.
func (r *sessions) merge(kept []int32) *agg.Groups {
	g := r.Set.NewGroups()
	g.Grow(len(r.runs))
	idx, at := make([][]int32, len(r.parts)), make([][]int32, len(r.parts))
	for _, p := range r.pieces {
		if n := kept[p.start]; n >= 0 {
			idx[p.from], at[p.from] = append(idx[p.from], n), append(at[p.from], p.at)
		}
	}
	for i, parts := range r.parts {
		if len(idx[i]) > 0 {
			g.Merge(taken(parts, at[i]), idx[i])
		}
	}
	return g
}

// judge says which sessions stay, and gives those that are shown: those that changed behind their end and those that close now, by (key's first appearance, start).
func (r *sessions) judge(early []bool) (show []int32) {
	for i := range r.runs {
		n := &r.runs[i]
		before, after := passed(n.end, 0, r.mark.Before), passed(n.end, 0, r.mark.After)
		n.lasting = !passed(n.end, r.Emit.Lateness, r.mark.After)
		changed := n.rows > 0
		switch {
		case changed && (before || r.Emit.OnChange), !before && after && !r.Emit.OnChange, !after && early != nil && early[n.key]:
			show = append(show, int32(i))
		}
	}
	return show
}

// emit sends sessions on.
func (r *sessions) emit(g *agg.Groups, show []int32, emit func(task.Chunk) error) error {
	for lo := 0; lo < len(show); lo += task.ChunkRows {
		part := show[lo:min(lo+task.ChunkRows, len(show))]
		keys, starts, ends := make([]int32, len(part)), make([]int64, len(part)), make([]int64, len(part))
		for i, n := range part {
			keys[i], starts[i], ends[i] = r.runs[n].key, r.runs[n].start, r.runs[n].end
		}
		cols, err := r.owner.KeyVecs(r.s.Dict.Keys(), keys)
		if err != nil {
			return err
		}
		cols = append(cols[:len(r.names)], intVec(timeType, starts), intVec(timeType, ends))
		cols = append(cols, g.Results(part)...)
		if err := emit(task.Chunk{N: len(part), Vals: col.Of(r.Out, len(part), cols...)}); err != nil {
			return err
		}
	}
	return nil
}
