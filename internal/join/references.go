package join

import (
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// The references to a key of the right table are in buckets, so that a row that comes or goes rewrites a few of them and not all of a frequent key: 2^level buckets, by the hash of the left
// key, of about perBucket. A root says how many references there are and the level; few of them, in one bucket, have none. All are places: of the right key, with the bucket's number for the
// span, rootSpan for the root.
const (
	rootSpan  = -1
	perBucket = 32
)

// refs are the references to one key.
type refs struct {
	count, level int64 // as the root has them
	by           int64 // what the batch adds to count
	all          bool  // the right row has changed: all references are answered
}

// buckets is how many there are.
func (r refs) buckets() int64 { return 1 << r.level }

// levelFor is the level for count references, the present one unless they have become four times as many as it is for, or an eighth.
func levelFor(count, level int64) int64 {
	if fits := int64(perBucket) << level; count <= 2*fits && (count >= fits/8 || level == 0) {
		return level
	}
	return int64(bits.Len64(uint64(count / perBucket)))
}

// NewReferences makes the reducer of one task of the references, which reads the right table.
func (f *Foreign) NewReferences() task.Reducer { return &references{Foreign: f} }

type references struct {
	*Foreign
	ctx  *task.Context
	fks  *row.Dict // right keys that the batch has to do with
	refs []refs    // by number

	pks  *row.Dict // left keys that the batch changed, each with the number of the right key before it
	of   []int32   // by number of pks: of the right key
	net  []int64   // by number of pks: -1 it refers no more, 1 it refers from now on, 0 as before
	hash []uint64  // by number of pks: of the left key
	touched
}

// Reduce brings the references up to date, and answers those whose left or right row has changed.
func (r *references) Reduce(ctx *task.Context, in [][]arrow.Record, emit func(task.Chunk) error) error {
	if len(in[0]) == 0 && len(in[1]) == 0 {
		return nil
	}
	r.ctx, r.fks, r.pks = ctx, row.NewDict(0), row.NewDict(0)
	r.read(gather(r.changes, in[0]), gather(r.Key.Schema(), in[1]))
	roots, err := r.roots()
	if err != nil {
		return err
	}
	answers, err := r.change()
	if err != nil {
		return err
	}
	r.store()
	for k, f := range r.refs {
		roots.data[k], roots.dirty[k] = nil, f.by != 0
		if f.level > 0 {
			roots.data[k] = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(f.count+f.by)), uint64(f.level))
		}
	}
	roots.store()
	return r.answer(answers, emit)
}

// read numbers the keys of what has changed.
func (r *references) read(left, right *col.Batch) {
	n, m := r.Key.Schema().NumFields(), r.Left.Schema().NumFields()
	number := func(b *col.Batch) []int32 {
		var keys row.Keys
		numbers := make([]int32, b.N)
		if b.N > 0 {
			r.Key.AppendVecKeys(b.Cols[:n], numbered(b.N), &keys)
			r.fks.Add(&keys, numbers)
		}
		return numbers
	}
	fks := number(left)
	changed := number(right)
	r.refs = make([]refs, r.fks.Len())
	for _, k := range changed {
		r.refs[k].all = true
	}
	if left.N == 0 {
		return
	}
	var pks, pairs row.Keys
	r.Left.AppendVecKeys(left.Cols[n:n+m], numbered(left.N), &pks)
	var buf []byte
	for i, k := range fks {
		buf = append(binary.LittleEndian.AppendUint32(buf[:0], uint32(k)), pks.Key(i)...)
		pairs.Append(buf)
	}
	numbers := make([]int32, left.N)
	r.pks.Add(&pairs, numbers)
	r.of, r.net, r.hash = make([]int32, r.pks.Len()), make([]int64, r.pks.Len()), make([]uint64, r.pks.Len())
	diff := left.Cols[n+m].Ints
	for i, p := range numbers {
		r.of[p], r.hash[p] = fks[i], pks.Hash[i]
		r.net[p] += diff[i]
		r.refs[fks[i]].by += diff[i]
	}
}

// roots reads how many references there are to each key.
func (r *references) roots() (*touched, error) {
	t, first := r.places(rootSpan), r.places(0)
	for k, d := range t.data {
		if len(d) == 0 {
			few, err := entries(nil, first.data[k])
			if err != nil {
				return nil, err
			}
			r.refs[k].count = int64(len(few))
			continue
		}
		count, n := binary.Uvarint(d)
		if n <= 0 || n == len(d) {
			return nil, errPacked
		}
		level, _ := binary.Uvarint(d[n:])
		r.refs[k].count, r.refs[k].level = int64(count), int64(level)
	}
	return t, nil
}

// places reads one place of each key.
func (r *references) places(span int64) *touched {
	t := &touched{table: r.ctx.State, codec: r.Held, slots: row.NewDict(0)}
	places := row.Keys{Grouped: true}
	var buf []byte
	all := r.fks.Keys()
	for k := range r.refs {
		buf = appendPlace(&places, buf, all.Key(k), all.Hash[k], span)
	}
	t.slots.Add(&places, make([]int32, places.Len()))
	t.load()
	return t
}

// change adds and removes references, and gives those that are to be answered: by right key, left keys.
func (r *references) change() (answers [][][]byte, err error) {
	now := r.slotsFor()
	r.load()
	answers = make([][][]byte, len(r.refs))
	for k := range r.refs {
		f := &r.refs[k]
		level := levelFor(f.count+f.by, f.level)
		if level == f.level {
			continue
		}
		var all [][]byte
		for b := range f.buckets() {
			s := now.of(r, k, b)
			if all, err = entries(all, r.data[s]); err != nil {
				return nil, err
			}
			r.data[s], r.dirty[s] = nil, true
		}
		f.level = level
		var hashed row.Keys
		for _, pk := range all {
			hashed.Reset()
			hashed.Append(pk)
			r.add(now.of(r, k, int64(hashed.Hash[0])&(f.buckets()-1)), pk)
		}
	}
	pairs := r.pks.Keys()
	for p, net := range r.net {
		k, pk := int(r.of[p]), pairs.Key(p)[4:]
		f := &r.refs[k]
		s := now.of(r, k, int64(r.hash[p])&(f.buckets()-1))
		switch {
		case net > 0:
			r.add(s, pk)
		case net < 0:
			if err := r.remove(s, pk); err != nil {
				return nil, err
			}
		}
		if net >= 0 && !f.all {
			answers[k] = append(answers[k], pk)
		}
	}
	for k := range r.refs {
		f := &r.refs[k]
		if !f.all || f.count+f.by == 0 {
			continue
		}
		for b := range f.buckets() {
			if answers[k], err = entries(answers[k], r.data[now.of(r, k, b)]); err != nil {
				return nil, err
			}
		}
	}
	return answers, nil
}

// bucketSlots finds the slots of buckets.
type bucketSlots struct {
	buf  []byte
	keys row.Keys
	slot [1]int32
}

// of is the slot of a bucket of key k, which slotsFor has made.
func (b *bucketSlots) of(r *references, k int, bucket int64) int32 {
	b.keys.Reset()
	b.keys.Grouped = true
	all := r.fks.Keys()
	b.buf = appendPlace(&b.keys, b.buf, all.Key(k), all.Hash[k], bucket)
	r.slots.Find(&b.keys, b.slot[:])
	return b.slot[0]
}

// slotsFor makes slots for the buckets that the batch may read or write.
func (r *references) slotsFor() *bucketSlots {
	r.touched = touched{table: r.ctx.State, codec: r.Held, slots: row.NewDict(0)}
	places := row.Keys{Grouped: true}
	var buf []byte
	all := r.fks.Keys()
	add := func(k int, bucket int64) {
		buf = appendPlace(&places, buf, all.Key(k), all.Hash[k], bucket)
	}
	for k, f := range r.refs {
		level := levelFor(f.count+f.by, f.level)
		if f.all || level != f.level {
			for b := range max(f.buckets(), 1<<level) {
				add(k, b)
			}
		}
	}
	for p, k := range r.of {
		add(int(k), int64(r.hash[p])&(r.refs[k].buckets()-1))
	}
	r.slots.Add(&places, make([]int32, places.Len()))
	return &bucketSlots{}
}

// add puts a reference into a bucket.
func (r *references) add(s int32, pk []byte) {
	r.data[s] = append(binary.AppendUvarint(r.data[s], uint64(len(pk))), pk...)
	r.dirty[s] = true
}

// remove takes a reference out of a bucket.
func (r *references) remove(s int32, pk []byte) error {
	d := r.data[s]
	for at := 0; at < len(d); {
		one, end, err := entry(d, at)
		if err != nil {
			return err
		}
		if string(one) == string(pk) {
			r.data[s] = append(append(make([]byte, 0, len(d)), d[:at]...), d[end:]...)
			r.dirty[s] = true
			return nil
		}
		at = end
	}
	return nil
}

// entry is the reference at a place of a bucket, and where the next begins.
func entry(d []byte, at int) (pk []byte, end int, err error) {
	size, n := binary.Uvarint(d[at:])
	if n <= 0 || size > uint64(len(d)-at-n) {
		return nil, 0, errPacked
	}
	end = at + n + int(size)
	return d[at+n : end], end, nil
}

// entries appends the references of a bucket.
func entries(all [][]byte, d []byte) ([][]byte, error) {
	for at := 0; at < len(d); {
		pk, end, err := entry(d, at)
		if err != nil {
			return nil, err
		}
		all, at = append(all, pk), end
	}
	return all, nil
}

// answer tells left rows what the right table has for them.
func (r *references) answer(answers [][][]byte, emit func(task.Chunk) error) error {
	right, at := r.Views[1].find(r.ctx.Tables[0], r.fks.Keys())
	var pks row.Keys
	var ri []int32
	for k, list := range answers {
		for _, pk := range list {
			if at[k] < 0 && !r.refs[k].all {
				break // there was nothing, and there is nothing
			}
			pks.Append(pk)
			if ri = append(ri, at[k]); len(ri) == task.ChunkRows {
				if err := r.send(&pks, right, ri, emit); err != nil {
					return err
				}
				pks.Reset()
				ri = ri[:0]
			}
		}
	}
	if len(ri) == 0 {
		return nil
	}
	return r.send(&pks, right, ri, emit)
}

// send lets answers out.
func (r *references) send(pks *row.Keys, right *col.Batch, ri []int32, emit func(task.Chunk) error) error {
	n := len(ri)
	cols, err := r.Left.KeyVecs(pks, numbered(n))
	if err != nil {
		return err
	}
	found := col.New(arrow.FixedWidthTypes.Boolean, n)
	for i, at := range ri {
		found.Bools[i] = at >= 0
	}
	out := &col.Batch{Schema: r.Answers, N: n, Cols: append(cols, found)}
	for _, c := range right.Cols {
		out.Cols = append(out.Cols, take(c, ri, hasNone(ri)))
	}
	return emit(task.Chunk{N: n, Vals: out})
}
