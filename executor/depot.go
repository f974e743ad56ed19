package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/checkpoint"
)

// depot is where state files and journals are kept: the checkpoint's folder, or the driver where that is not seen (P23). Slots and preparations use it
// at the same time.
type depot interface {
	write(ctx context.Context, w *deltaWork, sections []checkpoint.SectionData) (checkpoint.DeltaRef, error)
	load(ctx context.Context, ref checkpoint.DeltaRef, s checkpoint.Section) (arrow.Record, error)
	writeJournal(ctx context.Context, batch int64, source string, partition int, data []byte) error
	readJournal(ctx context.Context, batch int64, source string, partition int) (data []byte, ok bool, err error)
}

// folder is the checkpoint's own.
type folder struct{ dir *checkpoint.StateDir }

func (f folder) write(_ context.Context, w *deltaWork, sections []checkpoint.SectionData) (checkpoint.DeltaRef, error) {
	return f.dir.Write(w.run.key.batch, w.since, w.executor, w.epoch, w.attempt, sections)
}

func (f folder) load(_ context.Context, ref checkpoint.DeltaRef, s checkpoint.Section) (arrow.Record, error) {
	return f.dir.Load(ref, s)
}

func (f folder) writeJournal(_ context.Context, batch int64, source string, partition int, data []byte) error {
	return f.dir.WriteJournal(batch, source, partition, data)
}

func (f folder) readJournal(_ context.Context, batch int64, source string, partition int) ([]byte, bool, error) {
	return f.dir.ReadJournal(batch, source, partition)
}

// maxAsks is how many pieces of files an executor sends or asks for at once. The next one waits.
const maxAsks = 8

// maxJournal bounds a journal that goes to the driver, in bytes: its task fails beyond it.
const maxJournal = 1 << 30

// courier has the driver keep files. It serves one driver's connection: when that ends, so does all that waits for it.
type courier struct {
	link  *link
	asks  chan struct{} // one for each piece on its way
	turns chan struct{} // one file is deposited, or one journal fetched, at a time: the driver keeps no more of them in memory

	mu      sync.Mutex // guards what follows
	last    int64
	waiting map[int64]chan *Answer
}

func newCourier(l *link) *courier {
	return &courier{link: l, asks: make(chan struct{}, maxAsks), turns: make(chan struct{}, 1), waiting: map[int64]chan *Answer{}}
}

// errNoDriver is the end of a file's journey when the driver is gone; the next one launches its batch again.
var errNoDriver = errors.New("the driver, which keeps the files, is gone")

// enter takes a place in a queue.
func (c *courier) enter(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-c.link.down:
		return errNoDriver
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask sends what message makes of a new number, and waits for the answer.
func (c *courier) ask(ctx context.Context, message func(id int64) ToDriver) (*Answer, error) {
	if err := c.enter(ctx, c.asks); err != nil {
		return nil, err
	}
	defer func() { <-c.asks }()
	got := make(chan *Answer, 1)
	c.mu.Lock()
	c.last++
	id := c.last
	c.waiting[id] = got
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, id)
	}()
	select {
	case c.link.out <- message(id):
	case <-c.link.down:
		return nil, errNoDriver
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-got:
		if a.Err != "" {
			return nil, errors.New(a.Err)
		}
		return a, nil
	case <-c.link.down:
		return nil, errNoDriver
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// take hands an answer to who waits for it.
func (c *courier) take(a *Answer) {
	c.mu.Lock()
	got := c.waiting[a.ID]
	delete(c.waiting, a.ID)
	c.mu.Unlock()
	if got != nil {
		got <- a
	}
}

// parcel is a file on its way to the driver.
type parcel struct {
	c    *courier
	head Deposit // what all pieces have in common, and where the next one goes
	sum  *xxh3.Hasher
}

// writer makes a function an io.Writer.
type writer func(b []byte) error

func (w writer) Write(b []byte) (int, error) {
	if err := w(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// write sends bytes that are not the last.
func (p *parcel) write(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		piece := b[:min(len(b), Piece)]
		if _, err := p.send(ctx, piece, false); err != nil {
			return err
		}
		b = b[len(piece):]
	}
	return nil
}

func (p *parcel) send(ctx context.Context, piece []byte, last bool) (*Answer, error) {
	_, _ = p.sum.Write(piece)
	a, err := p.c.ask(ctx, func(id int64) ToDriver {
		d := p.head
		d.ID, d.Data, d.Last, d.Sum = id, append([]byte(nil), piece...), last, p.sum.Sum64()
		return &d
	})
	p.head.Off += int64(len(piece))
	return a, err
}

func (c *courier) write(ctx context.Context, w *deltaWork, sections []checkpoint.SectionData) (checkpoint.DeltaRef, error) {
	if err := c.enter(ctx, c.turns); err != nil {
		return checkpoint.DeltaRef{}, err
	}
	defer func() { <-c.turns }()
	p := &parcel{c: c, head: Deposit{Batch: w.run.key.batch, Attempt: w.attempt}, sum: xxh3.New()}
	out := writer(func(b []byte) error { return p.write(ctx, b) })
	ref, err := checkpoint.EncodeState(out, w.run.key.batch, w.since, sections)
	if err != nil {
		return ref, err
	}
	a, err := p.send(ctx, nil, true)
	if err != nil {
		return checkpoint.DeltaRef{}, err
	}
	ref.File = a.File
	return ref, nil
}

func (c *courier) writeJournal(ctx context.Context, batch int64, source string, partition int, data []byte) error {
	if len(data) > maxJournal {
		return fmt.Errorf("journal has %d bytes, the limit is %d where the checkpoint is on another machine: make batches smaller with --max-rate", len(data), maxJournal)
	}
	if err := c.enter(ctx, c.turns); err != nil {
		return err
	}
	defer func() { <-c.turns }()
	p := &parcel{c: c, head: Deposit{Batch: batch, Source: source, Partition: partition}, sum: xxh3.New()}
	if err := p.write(ctx, data); err != nil {
		return err
	}
	_, err := p.send(ctx, nil, true)
	return err
}

func (c *courier) load(ctx context.Context, ref checkpoint.DeltaRef, s checkpoint.Section) (arrow.Record, error) {
	var data []byte
	for int64(len(data)) < s.Len {
		n := min(s.Len-int64(len(data)), Piece)
		a, err := c.ask(ctx, func(id int64) ToDriver {
			return &Fetch{ID: id, File: ref.File, Off: s.Off + int64(len(data)), Len: int(n)}
		})
		if err != nil {
			return nil, err
		}
		if int64(len(a.Data)) != n {
			return nil, fmt.Errorf("%s: the driver gave %d of %d bytes", ref.File, len(a.Data), n)
		}
		data = append(data, a.Data...)
	}
	return checkpoint.DecodeSection(ref, s, data)
}

func (c *courier) readJournal(ctx context.Context, batch int64, source string, partition int) ([]byte, bool, error) {
	if err := c.enter(ctx, c.turns); err != nil {
		return nil, false, err
	}
	defer func() { <-c.turns }()
	var data []byte
	for {
		a, err := c.ask(ctx, func(id int64) ToDriver {
			return &Fetch{ID: id, Batch: batch, Source: source, Partition: partition, Off: int64(len(data)), Len: Piece}
		})
		switch {
		case err != nil:
			return nil, false, err
		case a.Size == NoJournal:
			return nil, false, nil
		}
		data = append(data, a.Data...)
		switch {
		case int64(len(data)) == a.Size && xxh3.Hash(data) == a.Sum:
			return data, true, nil
		case int64(len(data)) >= a.Size || len(a.Data) == 0:
			return nil, false, fmt.Errorf("journal was damaged on the way: %d of %d bytes", len(data), a.Size)
		}
	}
}
