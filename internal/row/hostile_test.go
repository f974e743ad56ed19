package row

import (
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// foreign is an array that Arrow's own constructors would refuse: only its data can be had.
type foreign struct {
	arrow.Array
	data *array.Data
}

func (f foreign) Data() arrow.ArrayData    { return f.data }
func (f foreign) Len() int                 { return f.data.Len() }
func (f foreign) DataType() arrow.DataType { return f.data.DataType() }

// wreck is a copy of an array's data with random damage to its numbers and buffers.
func wreck(r *rand.Rand, d arrow.ArrayData) *array.Data {
	bufs := make([]*memory.Buffer, len(d.Buffers()))
	for i, b := range d.Buffers() {
		if b == nil {
			continue
		}
		raw := append(make([]byte, 0, b.Len()+8), b.Bytes()...)
		switch r.IntN(8) {
		case 0:
			raw = raw[:r.IntN(len(raw)+1)]
		case 1:
			if len(raw) > 0 {
				raw[r.IntN(len(raw))] ^= 1 << r.IntN(8)
			}
		}
		bufs[i] = memory.NewBufferBytes(raw)
	}
	if r.IntN(16) == 0 {
		bufs = bufs[:len(bufs)-1]
	}
	kids := make([]arrow.ArrayData, len(d.Children()))
	for i, k := range d.Children() {
		kids[i] = wreck(r, k)
	}
	n, off := d.Len(), d.Offset()
	switch r.IntN(10) {
	case 0:
		n += r.IntN(5) - 2
	case 1:
		off += r.IntN(5) - 2
	}
	return array.NewData(d.DataType(), n, bufs, kids, r.IntN(3)-1, off)
}

// Columns from outside may be wrong in any way: Rows and AppendKeyColumns answer with an error or with rows.
func TestRowsOfWreckedColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	c, kc := codecOf[wide](t), codecOf[place](t)
	rows, keys := randomRows[wide](r, 9), randomRows[place](r, 9)
	good, failed := 0, 0
	for range 1000 {
		cols, kcols := c.Columns(rows, nil), kc.Columns(keys, nil)
		i, j := r.IntN(len(cols)), r.IntN(len(kcols))
		cols[i] = foreign{data: wreck(r, cols[i].Data())}
		kcols[j] = foreign{data: wreck(r, kcols[j].Data())}
		if _, err := c.Rows(cols, nil); err == nil {
			good++
		} else {
			failed++
		}
		_ = kc.AppendKeyColumns(kcols, new(Keys))
	}
	if good == 0 || failed == 0 {
		t.Fatalf("%d good and %d bad: the damage is not of both kinds", good, failed)
	}
}

func TestRowsOfOtherColumns(t *testing.T) {
	c := codecOf[inner](t)
	for _, cols := range [][]arrow.Array{
		nil,
		codecOf[place](t).Columns([]place{{}}, nil),
		codecOf[struct {
			A *int32
			B *string
			T int64
		}](t).Columns(make([]struct {
			A *int32
			B *string
			T int64
		}, 1), nil),
	} {
		if _, err := c.Rows(cols, nil); err == nil {
			t.Errorf("%d foreign columns are rows", len(cols))
		}
	}
}
