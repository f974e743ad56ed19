package kafkafetch

import (
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/records"
)

// Copied is what a Decoder makes of raw, by way of a kgo.Record for each record: the plain way, and the way of message sets.
func Copied(raw *records.Block, from int64, aborted []Aborted) (Decoded, error) {
	p := &kmsg.FetchResponseTopicPartition{RecordBatches: raw.Data, AbortedTransactions: aborted}
	o := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: from, IsolationLevel: kgo.ReadCommitted()}
	got, next := kgo.ProcessFetchPartition(o, p, kgo.DefaultDecompressor(), nil)
	out := Decoded{Next: from, Epoch: -1}
	for recs := got.Records; len(recs) > 0; {
		b, n := copied(recs, out.Next)
		out.Epoch = recs[n-1].LeaderEpoch
		recs = recs[n:]
		out.Blocks, out.Next = append(out.Blocks, b), b.Next
	}
	if next > out.Next { // what was left out at the end
		b := records.New(0)
		b.First, b.Next = out.Next, next
		out.Blocks, out.Next = append(out.Blocks, b), next
	}
	return out, got.Err
}

// copied copies records into a block, up to about MaxBlockBytes, and says how many it took. first is the offset behind the block before.
// Control records have no row: they only move the block's end.
func copied(recs []*kgo.Record, first int64) (*records.Block, int) {
	n, rows, size, keys, headers := 0, 0, 0, false, false
	for _, r := range recs {
		if n > 0 && size+len(r.Key)+len(r.Value) > MaxBlockBytes {
			break
		}
		n++
		if r.Attrs.IsControl() {
			continue
		}
		rows++
		size += len(r.Key) + len(r.Value)
		keys = keys || r.Key != nil
		headers = headers || len(r.Headers) > 0
		for _, h := range r.Headers {
			size += len(h.Key) + len(h.Value)
		}
	}
	b := &records.Block{
		First: first, Next: recs[n-1].Offset + 1,
		Data:   make([]byte, 0, size+records.Padding),
		Values: make([]records.Span, 0, rows), Times: make([]int64, 0, rows),
	}
	if keys {
		b.Keys = make([]records.Span, 0, rows)
	}
	if headers {
		b.Headers = make([][]records.Header, 0, rows)
	}
	dense := true
	for _, r := range recs[:n] {
		if r.Attrs.IsControl() {
			continue
		}
		dense = dense && r.Offset == first+int64(len(b.Values))
		b.Values = append(b.Values, appendSpan(b, r.Value))
		b.Times = append(b.Times, r.Timestamp.UnixMicro())
		if keys {
			b.Keys = append(b.Keys, appendSpan(b, r.Key))
		}
		if headers {
			hs := make([]records.Header, len(r.Headers))
			for i, h := range r.Headers {
				hs[i] = records.Header{Name: appendSpan(b, []byte(h.Key)), Value: appendSpan(b, h.Value)}
			}
			b.Headers = append(b.Headers, hs)
		}
	}
	if !dense {
		b.Offsets = make([]int64, 0, rows)
		for _, r := range recs[:n] {
			if !r.Attrs.IsControl() {
				b.Offsets = append(b.Offsets, r.Offset)
			}
		}
	}
	return b, n
}

func appendSpan(b *records.Block, v []byte) records.Span {
	if v == nil {
		return records.Span{Len: records.Null}
	}
	s := records.Span{Off: uint32(len(b.Data)), Len: uint32(len(v))}
	b.Data = append(b.Data, v...)
	return s
}
