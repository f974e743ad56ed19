package source

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
)

// Tick is a row of Rate.
type Tick struct {
	Value int64     // 0, 1, 2, … over all partitions
	Time  time.Time // when it was due
}

// Rate generates perSecond rows a second, from the job's first start on and for ever. A row is a function of its offset (P18): row n is
// due n/perSecond seconds after the start, which the checkpoint remembers. While a job is down rows go on being due.
// Options: Partitions; partition p of n has the values p, p+n, p+2n, ….
func Rate(perSecond int, opts ...Option) Source[Tick] {
	o, err := collect("a rate", opts, "Partitions")
	if err == nil && (perSecond < 1 || perSecond > 100e6) {
		err = fmt.Errorf("rate of %d rows a second: want 1 to 100,000,000", perSecond)
	}
	f := Format[Tick]{text: "tick", err: err, reader: func() recordReader[Tick] { return readTick }}
	s := f.spec("rate", fmt.Sprintf("%d/s", perSecond))
	s.Text += fmt.Sprintf(" %d partitions", o.partitions)
	s.Open = func(_ context.Context, env Env) (Connector, error) {
		return &rateConnector{perSecond: int64(perSecond), parts: o.partitions, clock: env.Clock}, nil
	}
	return Of[Tick](s)
}

// readTick reads a record of 8 bytes of value; its time is the record's.
func readTick(b *records.Block, i int, dst *Tick) string {
	v := b.Value(i)
	if len(v) != 8 || b.Times == nil {
		return "not a tick"
	}
	*dst = Tick{int64(binary.LittleEndian.Uint64(v)), time.UnixMicro(b.Times[i]).UTC()}
	return ""
}

// rateMeta is a partition's Meta.
type rateMeta struct {
	Start     int64 `cbor:"1,keyasint"` // µs since 1970 UTC
	PerSecond int64 `cbor:"2,keyasint"`
	Parts     int   `cbor:"3,keyasint"`
}

type rateConnector struct {
	perSecond int64
	parts     int
	clock     clock.Clock

	mu   sync.Mutex // guards meta
	meta rateMeta   // zero until known
}

// Resume implements Resumer: the start is that of the job's first run.
func (c *rateConnector) Resume(recorded []Partition) error {
	for _, p := range recorded {
		if _, _, err := c.adopt(p); err != nil {
			return err
		}
	}
	return nil
}

// adopt reads a recorded partition and makes its start the connector's.
func (c *rateConnector) adopt(p Partition) (part int, m rateMeta, err error) {
	if err := cbor.Unmarshal(p.Meta, &m); err != nil {
		return 0, m, fmt.Errorf("rate partition %s: read its meta: %w", p.Key, err)
	}
	part, err = strconv.Atoi(p.Key)
	if err != nil || part < 0 || part >= m.Parts || m.PerSecond != c.perSecond || m.Parts != c.parts {
		return 0, m, fmt.Errorf("rate partition %s was recorded with %d rows a second in %d partitions, the job has %d in %d; give the source another name with Named", p.Key, m.PerSecond, m.Parts, c.perSecond, c.parts)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if fault.Planted("P18-rate-start") {
		m.Start = c.clock.Now().UnixMicro() - 1e6
	}
	c.meta = m
	return part, m, nil
}

// Partitions implements Connector.
func (c *rateConnector) Partitions(context.Context) ([]Partition, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.meta == (rateMeta{}) {
		c.meta = rateMeta{c.clock.Now().UnixMicro(), c.perSecond, c.parts}
	}
	meta, err := cbor.Marshal(c.meta)
	if err != nil {
		return nil, err
	}
	var out []Partition
	for i := range c.parts {
		out = append(out, Partition{Key: strconv.Itoa(i), Meta: meta, End: c.meta.end(c.clock.Now(), i)})
	}
	return out, nil
}

// end is how many rows of partition p are due at now.
func (m rateMeta) end(now time.Time, p int) int64 {
	us := now.UnixMicro() - m.Start
	if us < 0 {
		return 0
	}
	due := us/1e6*m.PerSecond + us%1e6*m.PerSecond/1e6 + 1 // rows 0 … due-1 over all partitions
	return (due - int64(p) + int64(m.Parts) - 1) / int64(m.Parts)
}

// due is when value v is due, in µs since 1970.
func (m rateMeta) due(v int64) int64 {
	return m.Start + v/m.PerSecond*1e6 + (v%m.PerSecond*1e6+m.PerSecond-1)/m.PerSecond
}

// Reader implements Connector.
func (c *rateConnector) Reader(_ context.Context, p Partition, from int64) (Reader, error) {
	part, meta, err := c.adopt(p)
	if err != nil {
		return nil, err
	}
	return &rateReader{meta, part, from, c.clock}, nil
}

// Close implements Connector.
func (c *rateConnector) Close() error { return nil }

type rateReader struct {
	meta  rateMeta
	part  int
	next  int64
	clock clock.Clock
}

// rateBlockRows is how many rows a block holds at most.
const rateBlockRows = 16 << 10

// Next implements Reader.
func (r *rateReader) Next(ctx context.Context) (*records.Block, error) {
	for {
		now := r.clock.Now()
		if n := min(r.meta.end(now, r.part)-r.next, rateBlockRows); n > 0 {
			return r.block(int(n)), nil
		}
		wait := time.UnixMicro(r.meta.due(r.value(r.next))).Sub(now)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.clock.After(max(wait, time.Millisecond)): // at most a thousand blocks a second
		}
	}
}

// value is the value of row off.
func (r *rateReader) value(off int64) int64 { return off*int64(r.meta.Parts) + int64(r.part) }

func (r *rateReader) block(n int) *records.Block {
	b := &records.Block{First: r.next, Next: r.next + int64(n), Data: make([]byte, 8*n, 8*n+records.Padding)}
	b.Values, b.Times = make([]records.Span, n), make([]int64, n)
	for i := range n {
		v := r.value(r.next + int64(i))
		binary.LittleEndian.PutUint64(b.Data[8*i:], uint64(v))
		b.Values[i] = records.Span{Off: uint32(8 * i), Len: 8}
		b.Times[i] = r.meta.due(v)
	}
	r.next = b.Next
	return b
}

// End implements Reader.
func (r *rateReader) End() int64 { return r.meta.end(r.clock.Now(), r.part) }

// Close implements Reader.
func (r *rateReader) Close() error { return nil }
