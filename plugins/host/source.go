package host

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// maxPartitions is how many a source may list.
const maxPartitions = 100_000

// source is a Source in a process. Each Read that waits has a channel of its own.
type source struct {
	r      *remote
	name   string
	config []byte
}

func (s *source) declared() (*declaration, error) { return s.r.declare(s.name, s.config, 0, 1) }

func (s *source) Schema() (*arrow.Schema, error) {
	d, err := s.declared()
	if err != nil {
		return nil, err
	}
	return d.out[0], nil
}

func (s *source) Partitions(ctx context.Context) ([]plugins.Partition, error) {
	d, err := s.declared()
	if err != nil {
		return nil, err
	}
	l, err := s.r.acquire(ctx, d)
	if err != nil {
		return nil, err
	}
	defer l.release()
	resp, _, err := l.call(ctx, &wire.Request{Method: wire.Method_PARTITIONS})
	if err != nil {
		return nil, err
	}
	n := len(resp.Blobs) / 2
	if len(resp.Blobs) != 2*n || len(resp.Numbers) != 2*n || n > maxPartitions {
		return nil, l.broken(nil, fmt.Errorf("a list of partitions with %d texts and %d numbers, where both are two for each and %d partitions are the most", len(resp.Blobs), len(resp.Numbers), maxPartitions))
	}
	out := make([]plugins.Partition, n)
	seen := map[string]bool{}
	for i := range out {
		out[i] = plugins.Partition{Key: string(resp.Blobs[2*i]), Meta: resp.Blobs[2*i+1], Start: resp.Numbers[2*i], End: resp.Numbers[2*i+1]}
		if seen[out[i].Key] || out[i].End < -1 {
			return nil, l.broken(nil, fmt.Errorf("partition %d of the list, %q from %d to %d, comes twice or ends before its start", i, printable(out[i].Key, maxName), out[i].Start, out[i].End))
		}
		seen[out[i].Key] = true
	}
	return out, nil
}

func (s *source) Read(ctx context.Context, p plugins.Partition, from int64, limit int) (plugins.Fetched, error) {
	d, err := s.declared()
	if err != nil {
		return plugins.Fetched{}, err
	}
	l, err := s.r.acquire(ctx, d, d.out[0], wire.Offsets)
	if err != nil {
		return plugins.Fetched{}, err
	}
	defer l.release()
	err = l.send(ctx, &wire.Request{Method: wire.Method_READ, Blobs: [][]byte{[]byte(p.Key), p.Meta}, Numbers: []int64{p.Start, p.End, from, int64(limit)}}, nil)
	if err != nil {
		return plugins.Fetched{}, err
	}
	var out plugins.Fetched
	var recs []arrow.Record
	bytes := int64(0)
	for {
		resp, got, err := l.receive(ctx, nil, true) // waiting for rows is what it is for
		if err == io.EOF && len(recs) > 0 {
			err = l.broken(nil, errors.New("a partition that is complete in the middle of an answer"))
		}
		if err != nil {
			return plugins.Fetched{}, err
		}
		if len(resp.Numbers) != 2 {
			return plugins.Fetched{}, l.broken(nil, fmt.Errorf("%d numbers with rows, where the next offset and the partition's end are due", len(resp.Numbers)))
		}
		out.Next, out.End = resp.Numbers[0], resp.Numbers[1]
		out.Offsets = append(out.Offsets, int64s(got[1])...)
		if got[0] != nil {
			recs = append(recs, got[0])
			bytes += batch.Bytes(got[0])
		}
		if bytes > maxAnswer {
			return plugins.Fetched{}, l.over(nil, fmt.Sprintf("it gives %s and more for a read of about %s, where %s is the limit: it was killed", bytesText(bytes), bytesText(int64(limit)), bytesText(maxAnswer)))
		}
		if !resp.More {
			break
		}
	}
	out.Rec = batch.Concat(recs)
	if err := out.Check(d.out[0], from); err != nil {
		return plugins.Fetched{}, l.broken(nil, err)
	}
	return out, nil
}

var _ plugins.Source = (*source)(nil)
