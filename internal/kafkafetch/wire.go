package kafkafetch

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/records"
)

// MaxVersion is the newest form of a fetch that a Wire understands; a client with a Wire must not speak a newer one (kgo.MaxVersions).
const MaxVersion = 12

// flexibleVersion is the first with compact lengths and tags.
const flexibleVersion = 12

// DialFunc connects to a broker.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Wire takes the records out of answers to fetches before a client reads them: it would put each answer, of several megabytes, into memory of its own. In
// place of a partition's records the client gets a ticket. Safe for concurrent use.
type Wire struct {
	dial DialFunc

	mu     sync.Mutex // guards what follows
	blocks map[uint64]*records.Block
	last   uint64
}

// NewWire is a Wire over connections of dial.
func NewWire(dial DialFunc) *Wire { return &Wire{dial: dial, blocks: map[uint64]*records.Block{}} }

// Dial is for kgo.Dialer.
func (w *Wire) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := w.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, wire: w, in: bufio.NewReaderSize(c, 8<<10)}, nil
}

// Take is the block whose Data is what the broker sent as a partition's records, for a ticket: FetchResponseTopicPartition.RecordBatches of an answer. It is the caller's.
// nil: the broker sent nothing, or the connection has closed or answered another fetch since.
func (w *Wire) Take(ticket []byte) *records.Block {
	if len(ticket) != ticketBytes {
		return nil
	}
	n := binary.BigEndian.Uint64(ticket)
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.blocks[n]
	delete(w.blocks, n)
	return b
}

const ticketBytes = 8

// conn is a connection whose answers to fetches are read by itself. A client sends whole requests, in order, and Kafka answers them in that order.
type conn struct {
	net.Conn
	wire *Wire

	mu    sync.Mutex // guards what follows: a client writes and reads in goroutines of their own
	asked []int16    // requests without an answer yet: a fetch's version, or other
	begun []byte     // the beginning of a request that is being written
	rest  int        // how much of a request is still to be written

	// The reader's.
	in   *bufio.Reader
	out  []byte // for the client
	pass int    // bytes of an answer that go to the client as they are

	held   []uint64 // tickets of the last answer; wire.mu guards it
	closed bool     // and this
}

// other is a request that is no fetch.
const other = -1

// requestHead is the length, key and version at a request's beginning.
const requestHead = 8

// Write notes which requests go out.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	for q := p; len(q) > 0; {
		q = c.note(q)
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// note takes some of what is written.
func (c *conn) note(p []byte) []byte {
	if c.rest > 0 {
		n := min(c.rest, len(p))
		c.rest -= n
		return p[n:]
	}
	n := min(requestHead-len(c.begun), len(p))
	c.begun = append(c.begun, p[:n]...)
	if len(c.begun) < requestHead {
		return p[n:]
	}
	be := binary.BigEndian
	version := int16(other)
	if be.Uint16(c.begun[4:]) == uint16(kmsg.Fetch) {
		version = int16(be.Uint16(c.begun[6:]))
	}
	c.asked = append(c.asked, version)
	c.rest = max(0, int(int32(be.Uint32(c.begun)))+4-requestHead)
	c.begun = c.begun[:0]
	return p[n:]
}

// answered is the request that the next answer is for.
func (c *conn) answered() int16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asked) == 0 {
		return other
	}
	v := c.asked[0]
	c.asked = append(c.asked[:0], c.asked[1:]...)
	return v
}

// Read gives the client answers, those to fetches without their records.
func (c *conn) Read(p []byte) (int, error) {
	for {
		if len(c.out) > 0 {
			n := copy(p, c.out)
			c.out = c.out[n:]
			return n, nil
		}
		if c.pass > 0 {
			n, err := c.in.Read(p[:min(len(p), c.pass)])
			c.pass -= n
			return n, err
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
}

// next begins with the next answer.
func (c *conn) next() error {
	var size [4]byte
	if _, err := io.ReadFull(c.in, size[:]); err != nil {
		return err
	}
	n := int(int32(binary.BigEndian.Uint32(size[:])))
	version := c.answered()
	if version == other || version > MaxVersion || n < 0 || n > maxAnswer {
		c.out, c.pass = append([]byte(nil), size[:]...), max(n, 0) // the client has its say about sizes
		return nil
	}
	c.drop(false)
	a := &answer{in: c.in, left: n, out: make([]byte, 4, 1<<10), flexible: version >= flexibleVersion, version: version, keep: c.keep}
	if err := a.read(); err != nil {
		return err
	}
	binary.BigEndian.PutUint32(a.out, uint32(len(a.out)-4))
	c.out = a.out
	return nil
}

// maxAnswer is how large an answer may be, as it is for the client.
const maxAnswer = 100 << 20

// keep gives a block a ticket.
func (c *conn) keep(b *records.Block) uint64 {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	if c.closed {
		return 0
	}
	c.wire.last++
	c.wire.blocks[c.wire.last] = b
	c.held = append(c.held, c.wire.last)
	return c.wire.last
}

// Close forgets what nobody took.
func (c *conn) Close() error {
	c.drop(true)
	return c.Conn.Close()
}

// drop forgets the blocks of the last answer that nobody took: the client gave it up.
func (c *conn) drop(closed bool) {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	c.closed = c.closed || closed
	for _, n := range c.held {
		if b := c.wire.blocks[n]; b != nil {
			b.Free()
			delete(c.wire.blocks, n)
		}
	}
	c.held = c.held[:0]
}
