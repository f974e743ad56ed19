package eventwindow

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

// ErrState says that an operator's state has reached its limit.
type ErrState struct {
	Name        string
	Bytes, Rows int64 // of this partition
	Limit       int64 // bytes over all partitions
	Partitions  int
}

// Error has the operator's name, the figures and what can be done.
func (e *ErrState) Error() string {
	return fmt.Sprintf("the state of %q holds %d rows in %d bytes in one of %d partitions, which passes MaxState(%d): give it more, let the watermark pass rows sooner, or choose ShedOldest",
		e.Name, e.Rows, e.Bytes, e.Partitions, e.Limit)
}

// limit holds a table to the operator's limit.
func (e *Emit) limit(ctx *task.Context, name string, t *state.Table) error {
	n := int64(ctx.Layout.Reduce)
	if e.Shed {
		e.shed(ctx, t, e.MaxRows/n)
		return nil
	}
	if bytes := t.Bytes(); e.MaxBytes > 0 && bytes > e.MaxBytes/n {
		return &ErrState{Name: name, Bytes: bytes, Rows: int64(t.Len()), Limit: e.MaxBytes, Partitions: ctx.Layout.Reduce}
	}
	return nil
}

// shed lets go of the rows that are due first, by key where several are, until no more than most are left.
func (e *Emit) shed(ctx *task.Context, t *state.Table, most int64) {
	for over := int64(t.Len()) - most; over > 0; over = int64(t.Len()) - most {
		at := t.NextDue()
		if at == 0 {
			return // what is left waits for nothing
		}
		due := t.Due(at)
		n := min(int(over), len(due))
		t.Delete(due[:n])
		ctx.Counters.Shed += int64(n)
		if rest := due[n:]; len(rest) > 0 {
			again := make([]int64, len(rest))
			for i := range again {
				again[i] = at
			}
			t.SetDue(rest, again)
		}
	}
}

// RowBytes is what a row of state counts towards a limit at which rows are shed: the same wherever it is, whatever the table has been through.
func RowBytes(key, val *row.Codec) int64 {
	const overhead, text = 96, 32
	n := int64(overhead)
	for _, c := range []*row.Codec{key, val} {
		for _, f := range c.Schema().Fields() {
			n += fixedWidth(f.Type, text)
		}
	}
	return n
}

func fixedWidth(t arrow.DataType, otherwise int64) int64 {
	if f, ok := t.(arrow.FixedWidthDataType); ok {
		return int64(max(f.BitWidth()/8, 1))
	}
	return otherwise
}
