package eventwindow

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
)

// Keys of sessions that are put together from those of their owners are the bytes and hashes that columns give, whatever the columns are.
func TestPlacesAreThoseOfColumns(t *testing.T) {
	for _, names := range [][]string{{"key"}, {"at"}, {"v"}, {"key", "v"}, {"v", "key", "at"}, {}} {
		a := &Aggregation{Name: "w", Spec: Spec{Kind: Session, Size: 1000}, Time: bound(t, "at"), Set: countSum(t), Rows: eventSchema}
		for _, n := range names {
			a.Keys = append(a.Keys, bound(t, n))
		}
		if err := a.Prepare(); err != nil {
			t.Fatal(err)
		}
		events := []event{{"", 0, -1}, {"a", -1, 1 << 40}, {"a longer key, with a zero \x00 in it", 77, 0}}
		var evals []*expr.Eval
		for _, k := range a.Keys {
			evals = append(evals, k.Eval())
		}
		cols := ownerCols(evals, eventBatch(events))
		r := &sessions{Aggregation: a, s: ops.NewScratch()}
		idx, err := r.number(cols, len(events))
		if err != nil {
			t.Fatal(err)
		}
		slots := []int64{0, 1, 70_000}
		groups := col.New(arrow.PrimitiveTypes.Uint8, len(idx))
		for i, n := range idx {
			groups.Uints[i] = uint64(row.Group(r.s.Dict.Keys().Hash[n]))
		}
		want, got := &row.Keys{}, r.placesAt(idx, slots)
		a.Key.AppendVecKeys(append(append([]*col.Vec{groups}, cols...), intVec(arrow.PrimitiveTypes.Int32, slots)), nil, want)
		for i := range idx {
			if string(got.Key(i)) != string(want.Key(i)) || got.Hash[i] != want.Hash[i] || got.Grouped != want.Grouped {
				t.Errorf("%q: place %d is %x (%x), want %x (%x)", names, i, got.Key(i), got.Hash[i], want.Key(i), want.Hash[i])
			}
		}
	}
}
