package window

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
)

// place is the key of a pane: what a batch brought for the keys of one key group.
type place struct {
	Group row.GroupID
	Time  int64 // of the batch, or of the last of several that became one pane; µs
}

// held is the value of a pane. Its row in the table is due at the boundary at which it enters, then at the one at which it leaves.
type held struct {
	Entered bool
	Data    []byte
}

// Store is the table that panes are kept in.
func Store() (name string, key, val *row.Codec) { return "panes", placeCodec, heldCodec }

var placeCodec, heldCodec = row.Must[place](), row.Must[held]()

// panes are those of one partition.
type panes struct{ table *state.Table }

// pane is one of them, read.
type pane struct {
	place
	held
	row int32
}

// put keeps blobs, by key group (nil: none), as panes of batch time t that are due then.
func (p panes) put(t, due int64, entered bool, blobs *[row.Groups][]byte) {
	var places []place
	var vals []held
	for g, b := range blobs {
		if b != nil {
			places = append(places, place{row.GroupID(g), t})
			vals = append(vals, held{entered, b})
		}
	}
	if len(places) == 0 {
		return
	}
	var keys row.Keys
	placeCodec.AppendKeys(places, &keys)
	rows, dues := make([]int32, len(places)), make([]int64, len(places))
	for i := range dues {
		dues[i] = due
	}
	p.table.Upsert(&keys, rows)
	p.table.Set(rows, vals)
	p.table.SetDue(rows, dues)
}

// due takes the panes that are due at a boundary, ordered by time, then group. They stay where they are and are not due any more.
func (p panes) due(at int64) []pane { return p.read(p.table.Due(at)) }

// all are the panes that are there and wanted, ordered by time, then group.
func (p panes) all(wanted func(place) bool) []pane {
	rows := p.table.All()
	if len(rows) == 0 {
		return nil
	}
	kept := rows[:0]
	for i, at := range p.table.KeyRows(rows, nil).([]place) {
		if wanted(at) {
			kept = append(kept, rows[i])
		}
	}
	return p.read(kept)
}

// byGroup are the rows of all panes, group by group.
func (p panes) byGroup() (groups [row.Groups][]int32) {
	rows := p.table.All()
	if len(rows) == 0 {
		return groups
	}
	for i, at := range p.table.KeyRows(rows, nil).([]place) {
		groups[at.Group] = append(groups[at.Group], rows[i])
	}
	return groups
}

func (p panes) read(rows []int32) []pane {
	if len(rows) == 0 {
		return nil
	}
	places, vals := p.table.KeyRows(rows, nil).([]place), p.table.Get(rows, nil).([]held)
	list := make([]pane, len(rows))
	for i := range list {
		list[i] = pane{places[i], vals[i], rows[i]}
	}
	slices.SortFunc(list, func(a, b pane) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Group, b.Group)) })
	return list
}

// remove forgets panes.
func (p panes) remove(list []pane) {
	if len(list) == 0 {
		return
	}
	rows := make([]int32, len(list))
	for i := range list {
		rows[i] = list[i].row
	}
	p.table.Delete(rows)
}

// byTime cuts a list of panes into runs of one time.
func byTime(list []pane) [][]pane {
	var runs [][]pane
	for from := 0; from < len(list); {
		until := from + 1
		for until < len(list) && list[until].Time == list[from].Time {
			until++
		}
		runs = append(runs, list[from:until])
		from = until
	}
	return runs
}

// packVersion is the first byte of what pack writes.
const packVersion = 1

// pack is keys and values, as rows of codec val, in the form of a pane's data, group by group:
//
//	version 1, number of keys, keys as row.Codec.PackKeys packs them, values as Pack does
func pack(key, val *row.Codec, k *row.Keys, vals any) *[row.Groups][]byte {
	idx, ends := byGroup(k)
	blobs := &[row.Groups][]byte{}
	all := make([]byte, 0, 3*len(ends)+len(k.Data)+4*k.Len())
	from := int32(0)
	for g, until := range ends {
		if until == from {
			continue
		}
		start, some := len(all), idx[from:until]
		all = binary.AppendUvarint(append(all, packVersion), uint64(len(some)))
		all = key.PackKeys(all, k, some)
		all = val.Pack(all, vals, some)
		blobs[g] = all[start:len(all):len(all)]
		from = until
	}
	return blobs
}

// byGroup are the numbers of keys ordered by key group, and where each group ends.
func byGroup(k *row.Keys) (idx []int32, ends [row.Groups]int32) {
	for _, h := range k.Hash {
		ends[row.Group(h)]++
	}
	sum := int32(0)
	for g, n := range ends {
		ends[g] = sum // for now: where the group's next key goes
		sum += n
	}
	idx = make([]int32, k.Len())
	for i, h := range k.Hash {
		g := row.Group(h)
		idx[ends[g]] = int32(i)
		ends[g]++
	}
	return idx, ends
}

// unpack appends a pane's keys to k and its values to vals, a []V or nil, and returns these.
func unpack(key, val *row.Codec, data []byte, k *row.Keys, vals any) (any, error) {
	n, rest, err := header(data)
	if err == nil {
		rest, err = key.UnpackKeys(rest, n, k)
	}
	if err == nil {
		vals, rest, err = val.Unpack(rest, n, vals)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("a pane of %d bytes: %w", len(data), err)
	case len(rest) > 0:
		return nil, fmt.Errorf("a pane of %d bytes has %d too many", len(data), len(rest))
	}
	return vals, nil
}

func header(data []byte) (n int, rest []byte, err error) {
	if len(data) == 0 || data[0] != packVersion {
		return 0, nil, errors.New("not of this version")
	}
	u, w := binary.Uvarint(data[1:])
	if w <= 0 || u > uint64(len(data)) {
		return 0, nil, errors.New("a number of keys that cannot be")
	}
	return int(u), data[1+w:], nil
}
