package eventwindow

import (
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Changed is the table of open windows that have changed since they were shown, for results that come early: only their keys.
const Changed = "changed"

// ChangedVal is the codec of what that table holds.
func ChangedVal() *row.Codec {
	c, err := row.For[bool]()
	if err != nil {
		panic(err)
	}
	return c
}

// early notes which open windows have changed, and at each multiple of Every gives those that have, by key.
func (r *reducer) early(ctx *task.Context, t touched) (show []int32) {
	var open []int32
	for i, row := range t.rows {
		shown := t.crossed != nil && t.crossed[i]
		if !shown && !passed(t.ends[i], 0, r.mark.After) {
			open = append(open, row)
		}
	}
	table := ctx.More[0]
	if len(open) > 0 {
		table.Upsert(ctx.State.Keys(open), make([]int32, len(open)))
	}
	if ctx.Time%r.Emit.Every != 0 || table.Len() == 0 {
		return nil
	}
	all := table.All()
	rows := make([]int32, len(all))
	ctx.State.Find(table.Keys(all), rows)
	for i, start := range table.KeyCols(all)[r.startAt].Ints {
		if rows[i] >= 0 && !passed(r.windows.End(start), 0, r.mark.After) { // others were shown when they closed
			show = append(show, rows[i])
		}
	}
	table.Delete(all)
	return show
}
