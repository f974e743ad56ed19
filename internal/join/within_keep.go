package join

import (
	"encoding/binary"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// baseOf is the beginning of the span of a place.
func baseOf(place []byte, width int64) int64 {
	return int64(binary.LittleEndian.Uint64(place[len(place)-8:])) * width
}

// keep writes down which stored rows of a side matched, lets rows that arrived for nothing go, and puts the others where they wait.
func (r *within) keep(side int, ps *pairs) error {
	p, hit := &r.sides[side], ps.hit[side]
	once := side == 0 && !r.Kind.Pairs() // a row is done when it has matched
	for i, h := range p.from {
		switch {
		case !hit[i]:
		case once:
			p.data[h.slot][h.flags] |= removed
			p.dirty[h.slot] = true
		case r.Kind.Lonely(side) && p.data[h.slot][h.flags]&matched == 0:
			p.data[h.slot][h.flags] |= matched
			p.dirty[h.slot] = true
		}
	}
	var alone, wait []int32
	for i := p.stored; i < p.b.N; i++ {
		switch {
		case once && hit[i]:
		case p.numbers[i] >= 0 && r.waits(side, p.times[i]):
			wait = append(wait, int32(i))
		case !hit[i] && r.Kind.Lonely(side):
			alone = append(alone, int32(i))
		}
	}
	if err := r.alone(side, r.sides[0].b, r.sides[1].b, alone, r.emit); err != nil {
		return err
	}
	return r.put(side, wait, hit)
}

// put adds rows to what waits at their places, and stores all places that changed.
func (r *within) put(side int, wait []int32, hit []bool) error {
	p := &r.sides[side]
	slots := r.slotsOf(side, wait)
	for _, s := range slots {
		p.dirty[s] = true
	}
	pack, err := r.packers[side].of(p.b)
	if err != nil {
		return err
	}
	byNumber := indexOf(slots, p.slots.Len())
	out := make([]byte, 0, 32*len(wait))
	ends := make([]int, p.slots.Len())
	for s, dirty := range p.dirty {
		if dirty {
			if out, err = withoutRemoved(out, p.data[s]); err != nil {
				return err
			}
			for _, at := range byNumber.of(int32(s)) {
				i := wait[at]
				flags := byte(0)
				if hit[i] && r.Kind.Lonely(side) {
					flags = matched
				}
				_, since := spanOf(p.times[i], r.width)
				out = pack.append(out, int(i), flags, since)
			}
		}
		ends[s] = len(out)
	}
	from := 0
	for s, end := range ends {
		if p.dirty[s] {
			p.data[s] = out[from:end]
			if p.due[s], err = r.due(side, p.slots.Keys().Key(s), p.data[s]); err != nil {
				return err
			}
		}
		from = end
	}
	p.store()
	return nil
}

// slotsOf are the slots of the places of rows.
func (r *within) slotsOf(side int, rows []int32) []int32 {
	p := &r.sides[side]
	places := row.Keys{Grouped: true}
	var buf []byte
	all := r.keys.Keys()
	for _, i := range rows {
		k := int(p.numbers[i])
		s, _ := spanOf(p.times[i], r.width)
		buf = appendPlace(&places, buf, all.Key(k), all.Hash[k], s)
	}
	slots := make([]int32, len(rows))
	p.slots.Find(&places, slots)
	return slots
}

// withoutRemoved appends data's rows to out, but for those that are on their way out.
func withoutRemoved(out, data []byte) ([]byte, error) {
	for at := 0; at < len(data); {
		rec, end, err := next(data, at)
		if err != nil {
			return nil, err
		}
		if data[rec.flags]&removed == 0 {
			out = append(out, rec.all...)
		}
		at = end
	}
	return out, nil
}

// due is the watermark at which a place is to be looked at: when a row that had no partner must be shown, or else when all of its rows can go.
func (r *within) due(side int, place, data []byte) (int64, error) {
	base := baseOf(place, r.width)
	end := r.deadline(side, later(base, r.width-1))
	if !r.Kind.Lonely(side) {
		return dueAt(end), nil
	}
	for at := 0; at < len(data); {
		rec, next, err := next(data, at)
		if err != nil {
			return 0, err
		}
		if data[rec.flags]&matched == 0 {
			end = min(end, r.deadline(side, base+int64(rec.since)))
		}
		at = next
	}
	return dueAt(end), nil
}

// expire lets rows of a side go that nothing can match any more.
func (r *within) expire(side int) error {
	table := r.table(side)
	rows := table.Due(r.mark.After)
	if len(rows) == 0 {
		return nil
	}
	keys := placeKeys(table.KeyRows(rows, nil).([]place))
	var alone [][]byte
	var times []int64
	var gone, left []int32
	var data [][]byte
	var due []int64
	for i, d := range heldData(table, rows) {
		base := baseOf(keys.Key(i), r.width)
		var kept []byte
		for at := 0; at < len(d); {
			rec, end, err := next(d, at)
			if err != nil {
				return err
			}
			at = end
			t := base + int64(rec.since)
			switch {
			case r.waits(side, t):
				kept = append(kept, rec.all...)
			case r.Kind.Lonely(side) && d[rec.flags]&matched == 0:
				alone, times = append(alone, rec.rest), append(times, t-r.Time[side].Offset)
			}
		}
		if len(kept) == 0 {
			gone = append(gone, rows[i])
			continue
		}
		at, err := r.due(side, keys.Key(i), kept)
		if err != nil {
			return err
		}
		left, data, due = append(left, rows[i]), append(data, kept), append(due, at)
	}
	if len(gone) > 0 {
		table.Delete(gone)
	}
	putData(table, r.Held[side], left, data, due)
	return r.show(side, alone, times)
}

func placeKeys(places []place) *row.Keys {
	k := &row.Keys{}
	placeCodec.AppendKeys(places, k)
	return k
}

// show lets packed rows out that had no partner.
func (r *within) show(side int, rows [][]byte, times []int64) error {
	for len(rows) > 0 {
		n := min(len(rows), task.ChunkRows)
		b, err := r.packers[side].unpack(r.Sides[side].Schema, rows[:n], times[:n])
		if err != nil {
			return err
		}
		l, right := b, emptyBatch(r.Sides[1].Schema)
		if side == 1 {
			l, right = emptyBatch(r.Sides[0].Schema), b
		}
		if err := r.alone(side, l, right, numbered(n), r.emit); err != nil {
			return err
		}
		rows, times = rows[n:], times[n:]
	}
	return nil
}

func numbered(n int) []int32 {
	idx := ops.Sized[int32](nil, n)
	for i := range idx {
		idx[i] = int32(i)
	}
	return idx
}
