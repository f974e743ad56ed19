package join

import (
	"fmt"

	"github.com/millrace/millrace/internal/task"
)

// Limit is how much a join may keep (I8).
type Limit struct {
	Name  string // of the operator
	Bytes int64  // over all partitions; 0: no limit
}

// check is an error if the task's tables hold more than its partition's share.
func (l Limit) check(ctx *task.Context) error {
	if l.Bytes == 0 {
		return nil
	}
	bytes, places := ctx.State.Bytes(), ctx.State.Len()
	for _, t := range ctx.More {
		bytes, places = bytes+t.Bytes(), places+t.Len()
	}
	if bytes <= l.Bytes/int64(ctx.Layout.Reduce) {
		return nil
	}
	return fmt.Errorf("the join %q keeps rows at %d places in %d bytes in one of %d partitions, which passes MaxJoinState(%d): "+
		"give it more, let the watermark pass rows sooner, or join within less time", l.Name, places, bytes, ctx.Layout.Reduce, l.Bytes)
}
