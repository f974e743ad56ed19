package kafkatx

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/millrace/millrace/internal/clock"
)

// Settled are the offsets, by partition, up to which a topic's records are committed, once no transaction is open there: a broker writes the ends of transactions into
// the partitions behind its answer that they are committed. What is still open after limit has lost its owner.
func Settled(ctx context.Context, ck clock.Clock, adm *kadm.Client, topic string, limit time.Duration) (map[int32]int64, error) {
	began := ck.Now()
	for {
		all, err := adm.ListEndOffsets(ctx, topic)
		if err = errors.Join(err, all.Error()); err != nil {
			return nil, err
		}
		committed, err := adm.ListCommittedOffsets(ctx, topic)
		if err = errors.Join(err, committed.Error()); err != nil {
			return nil, err
		}
		open, ends := false, map[int32]int64{}
		committed.Each(func(o kadm.ListedOffset) {
			end, ok := all.Lookup(topic, o.Partition)
			open = open || !ok || o.Offset < end.Offset
			ends[o.Partition] = o.Offset
		})
		if !open || ck.Now().Sub(began) > limit {
			return ends, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ck.After(10 * time.Millisecond):
		}
	}
}
