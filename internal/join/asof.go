package join

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// AsOf joins rows of the left side with the version of their key that was valid when they happened: of the right side's rows of that key, the last that happened at that time or
// before; of several at one time, the one that came last.
//
// Let W be the lower of the two watermarks. A left row waits until W has passed it: then all versions up to it are there. A version is kept until its successor is not
// behind W: no row to come can want it then. With AtOnce rows do not wait, and get the version that is known.
type AsOf struct {
	Limit
	Spec   // inner, left, semi or anti
	Time   [2]Time
	AtOnce bool
	Held   [2]*row.Codec // of the tables' values: rows that wait, versions

	packers [2]*packer
}

// waitSpan is how many µs of a key's rows wait together.
const waitSpan = 1 << 26

// Prepare fills what follows from the schemas. Those of Spec must be prepared.
func (a *AsOf) Prepare() error {
	for i := range a.Sides {
		p, err := newPacker(a.Sides[i].Schema, a.Time[i].Column)
		if err != nil {
			return err
		}
		a.packers[i] = p
		a.Held[i] = heldCodec(fmt.Sprintf("as of %d, %d of %s", i, a.Time[i], row.FieldsText(a.Sides[i].Schema.Fields())))
	}
	return nil
}

// Inputs are both sides as inputs of a shuffle.
func (a *AsOf) Inputs() []task.Input {
	return []task.Input{a.Sides[0].Input(a.Key, a.Kind.Lonely(0)), a.Sides[1].Input(a.Key, false)}
}

// New makes the reducer of one task. Its first table holds rows that wait, the first of the others versions.
func (a *AsOf) New() task.Reducer { return &asOf{AsOf: a} }

type asOf struct {
	*AsOf
	ctx  *task.Context
	mark task.Mark
	late func(task.Chunk) error
	keys *row.Dict // of rows that are answered, or bring versions

	b       *col.Batch // rows to be answered
	times   []int64
	numbers []int32
}

// Reduce takes versions in, answers what can be answered, and forgets versions that nobody can want.
func (r *asOf) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	r.ctx, r.mark, r.keys, r.late = ctx, Mark(ctx), row.NewDict(0), emit
	emit = r.results(emit)
	if err := r.remember(in[1]); err != nil {
		return err
	}
	r.b = emptyBatch(r.Sides[0].Schema)
	if err := r.due(); err != nil {
		return err
	}
	if err := r.arrive(in[0]); err != nil {
		return err
	}
	if err := r.answer(emit); err != nil {
		return err
	}
	if err := r.forget(); err != nil {
		return err
	}
	return r.check(ctx)
}

// remember stores the versions that arrive. None goes yet: rows that have waited may want it.
func (r *asOf) remember(in []arrow.Record) error {
	if len(in) == 0 {
		return nil
	}
	b, times, null, err := r.arrivals(r.ctx, 1, r.Time[1], in, r.mark.Before, r.late)
	if err != nil {
		return err
	}
	dict := row.NewDict(0)
	numbers := numberKeys(dict, NewKeys(r.Key, r.Sides[1].Keys), b, null)
	t := touched{table: r.ctx.More[0], codec: r.Held[1], slots: row.NewDict(0)}
	t.slots.Add(versionPlaces(dict.Keys()), make([]int32, dict.Len()))
	t.load()
	pack, err := r.packers[1].of(b)
	if err != nil {
		return err
	}
	byKey := indexOf(numbers, dict.Len())
	for s := range t.data {
		rows := byKey.of(int32(s))
		if len(rows) == 0 {
			continue
		}
		for _, i := range rows {
			t.data[s] = pack.append(t.data[s], int(i), 0, zigzag(times[i]))
		}
		t.dirty[s] = true
		if t.data[s], t.due[s], err = sorted(t.data[s], task.NoTime); err != nil {
			return err
		}
	}
	t.store()
	return nil
}

// zigzag is a time as packed rows hold it where there is no base.
func zigzag(t int64) uint64   { return uint64(t)<<1 ^ uint64(t>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// versionPlaces are the places of keys' versions.
func versionPlaces(k *row.Keys) *row.Keys {
	places := &row.Keys{Grouped: true}
	var buf []byte
	for i := range k.Len() {
		buf = appendPlace(places, buf, k.Key(i), k.Hash[i], 0)
	}
	return places
}

// version is one of a key's, in packed form.
type version struct {
	packed
	at int64
}

// versions are those in data, by time, those of one time by arrival.
func versions(data []byte) (list []version, err error) {
	for at := 0; at < len(data); {
		rec, end, err := next(data, at)
		if err != nil {
			return nil, err
		}
		list = append(list, version{rec, unzigzag(rec.since)})
		at = end
	}
	slices.SortStableFunc(list, func(a, b version) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	return list, nil
}

// sorted is data with its versions in order, without those that no row from the watermark on can want, and when it is to be looked at again.
func sorted(data []byte, mark int64) (out []byte, due int64, err error) {
	list, err := versions(data)
	if err != nil {
		return nil, 0, err
	}
	first := 0
	for first+1 < len(list) && (list[first+1].at <= mark || list[first+1].at == list[first].at) && !fault.Planted("P29-versions-stay") {
		first++
	}
	if fault.Planted("P29-version-early") {
		first = len(list) - 1
	}
	for _, v := range list[first:] {
		out = append(out, v.all...)
	}
	if first+1 < len(list) {
		due = dueAt(list[first+1].at)
	}
	return out, due, nil
}

// forget looks at the versions that have a successor which the watermark has reached.
func (r *asOf) forget() error {
	table := r.ctx.More[0]
	rows := table.Due(r.mark.After)
	data, due := heldData(table, rows), make([]int64, len(rows))
	for i := range data {
		var err error
		if data[i], due[i], err = sorted(data[i], r.mark.After); err != nil {
			return err
		}
	}
	putData(table, r.Held[1], rows, data, due)
	return nil
}

// answers tells whether a row can be answered: all versions up to it are there.
func (r *asOf) answers(t int64) bool { return r.AtOnce || t < r.mark.After }

// due takes the rows that have waited long enough.
func (r *asOf) due() error {
	table := r.ctx.State
	rows := table.Due(r.mark.After)
	if len(rows) == 0 {
		return nil
	}
	places := table.KeyRows(rows, nil).([]place)
	var keys row.Keys
	var packed [][]byte
	var values []int64
	var gone, left []int32
	var data [][]byte
	var dues []int64
	for i, d := range heldData(table, rows) {
		base, end := places[i].Span*waitSpan, int64(task.EndOfTime)
		var kept []byte
		for at := 0; at < len(d); {
			rec, behind, err := next(d, at)
			if err != nil {
				return err
			}
			at = behind
			if t := base + int64(rec.since); !r.answers(t) {
				kept, end = append(kept, rec.all...), min(end, later(t, 1))
				continue
			}
			keys.Append(places[i].Key)
			packed, r.times = append(packed, rec.rest), append(r.times, base+int64(rec.since))
			values = append(values, base+int64(rec.since)-r.Time[0].Offset)
		}
		if len(kept) == 0 {
			gone = append(gone, rows[i])
			continue
		}
		left, data, dues = append(left, rows[i]), append(data, kept), append(dues, dueAt(end))
	}
	if len(gone) > 0 {
		table.Delete(gone)
	}
	putData(table, r.Held[0], left, data, dues)
	r.numbers = make([]int32, keys.Len())
	r.keys.Add(&keys, r.numbers)
	var err error
	r.b, err = r.packers[0].unpack(r.Sides[0].Schema, packed, values)
	return err
}

// arrive takes the rows of the batch: some are answered, the others wait.
func (r *asOf) arrive(in []arrow.Record) error {
	if len(in) == 0 {
		return nil
	}
	b, times, null, err := r.arrivals(r.ctx, 0, r.Time[0], in, r.mark.Before, r.late)
	if err != nil {
		return err
	}
	numbers := numberKeys(r.keys, NewKeys(r.Key, r.Sides[0].Keys), b, null)
	var now, wait []int32
	for i, n := range numbers {
		switch {
		case n < 0 && !r.Kind.Lonely(0):
		case n < 0 || r.answers(times[i]):
			now = append(now, int32(i))
		default:
			wait = append(wait, int32(i))
		}
	}
	if err := r.wait(b, times, numbers, wait); err != nil {
		return err
	}
	r.b = behind(r.b, chosen(b, now))
	for _, i := range now {
		r.times, r.numbers = append(r.times, times[i]), append(r.numbers, numbers[i])
	}
	return nil
}

// wait stores rows until the watermark has passed them.
func (r *asOf) wait(b *col.Batch, times []int64, numbers, wait []int32) error {
	if len(wait) == 0 {
		return nil
	}
	t := touched{table: r.ctx.State, codec: r.Held[0], slots: row.NewDict(len(wait))}
	places, slots := row.Keys{Grouped: true}, make([]int32, len(wait))
	all := r.keys.Keys()
	var buf []byte
	for _, i := range wait {
		s, _ := spanOf(times[i], waitSpan)
		buf = appendPlace(&places, buf, all.Key(int(numbers[i])), all.Hash[numbers[i]], s)
	}
	t.slots.Add(&places, slots)
	t.load()
	pack, err := r.packers[0].of(b)
	if err != nil {
		return err
	}
	bySlot := indexOf(slots, t.slots.Len())
	for s := range t.data {
		for _, at := range bySlot.of(int32(s)) {
			i := wait[at]
			_, since := spanOf(times[i], waitSpan)
			t.data[s] = pack.append(t.data[s], int(i), 0, since)
		}
		t.dirty[s] = true
		if t.due[s], err = firstDue(t.slots.Keys().Key(s), t.data[s]); err != nil {
			return err
		}
	}
	t.store()
	return nil
}

// firstDue is the watermark at which the first of the rows that wait at a place is answered.
func firstDue(place, data []byte) (int64, error) {
	base, due := int64(binary.LittleEndian.Uint64(place[len(place)-8:]))*waitSpan, int64(task.EndOfTime)
	for at := 0; at < len(data); {
		rec, end, err := next(data, at)
		if err != nil {
			return 0, err
		}
		due = min(due, later(base+int64(rec.since), 1))
		at = end
	}
	return dueAt(due), nil
}

// answer lets the rows out that can be answered, each with its version: those that have waited first.
func (r *asOf) answer(emit func(task.Chunk) error) error {
	if r.b.N == 0 {
		return nil
	}
	known := make([]int32, r.keys.Len())
	r.ctx.More[0].Find(versionPlaces(r.keys.Keys()), known)
	rows, keys := ops.Present(known)
	lists := make([][]version, r.keys.Len())
	for i, d := range heldData(r.ctx.More[0], rows) {
		var err error
		if lists[keys[i]], err = versions(d); err != nil {
			return err
		}
	}
	for lo := 0; lo < r.b.N; lo += task.ChunkRows {
		idx := numbered(min(task.ChunkRows, r.b.N-lo))
		for i := range idx {
			idx[i] += int32(lo)
		}
		out, err := r.chunk(idx, lists)
		if err != nil {
			return err
		}
		if out.N > 0 {
			if err := emit(task.Chunk{N: out.N, Vals: out}); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunk joins some rows with versions of their keys.
func (r *asOf) chunk(idx []int32, lists [][]version) (*col.Batch, error) {
	at := make([]int32, len(idx))
	var packed [][]byte
	var values []int64
	for i, j := range idx {
		at[i] = -1
		if r.numbers[j] < 0 {
			continue
		}
		list := lists[r.numbers[j]]
		n, _ := slices.BinarySearchFunc(list, r.times[j], func(v version, t int64) int {
			if v.at <= t {
				return -1
			}
			return 1
		})
		if n > 0 {
			at[i] = int32(len(packed))
			packed, values = append(packed, list[n-1].rest), append(values, list[n-1].at-r.Time[1].Offset)
		}
	}
	right, err := r.packers[1].unpack(r.Sides[1].Schema, packed, values)
	if err != nil {
		return nil, err
	}
	return r.join(chosen(r.b, idx), right, at), nil
}
