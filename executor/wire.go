package executor

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/rdd"
)

// outgoing are blocks of one task for one peer.
type outgoing struct {
	key    runKey
	from   rdd.TaskID
	says   []int64 // of event time, see rdd.Timeline.Hear
	blocks []rdd.Block
	loud   bool // the batch is not quiet
}

// A blocks frame, little-endian:
//
//	batch 8, length of the plan hash 4, plan hash, from node 4, from part 4, flags 4 (1: the batch is not quiet), blocks 4, watermarks 4, each 8
//	per block: node 4, input 4, part 4, checksum 8, length 8 (noRows: no rows, nothing follows)
//	padding to 8 bytes, then the blocks' bytes (batch.Marshal), each padded to 8 bytes
const (
	noRows        = ^uint64(0)
	blockHead     = 28
	maxPlanHash   = 64
	maxFrameParts = 1 << 20
	flagLoud      = 1
)

// marshal is the frame's payload in parts for a vectored write.
func (o outgoing) marshal() [][]byte {
	head := make([]byte, 0, 32+len(o.key.hash)+8*len(o.says)+blockHead*len(o.blocks)+8)
	head = binary.LittleEndian.AppendUint64(head, uint64(o.key.batch))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(o.key.hash)))
	head = append(head, o.key.hash...)
	head = binary.LittleEndian.AppendUint32(head, uint32(o.from.Node))
	head = binary.LittleEndian.AppendUint32(head, uint32(o.from.Part))
	flags := uint32(0)
	if o.loud {
		flags |= flagLoud
	}
	head = binary.LittleEndian.AppendUint32(head, flags)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(o.blocks)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(o.says)))
	for _, at := range o.says {
		head = binary.LittleEndian.AppendUint64(head, uint64(at))
	}
	parts := [][]byte{nil}
	for _, b := range o.blocks {
		n := noRows
		if b.Rec != nil {
			at := len(parts)
			parts = batch.Marshal(b.Rec, parts)
			n = 0
			for _, p := range parts[at:] {
				n += uint64(len(p))
			}
			if pad := -n & 7; pad > 0 {
				parts = append(parts, make([]byte, pad))
			}
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(b.Edge.Node))
		head = binary.LittleEndian.AppendUint32(head, uint32(b.Edge.Input))
		head = binary.LittleEndian.AppendUint32(head, uint32(b.Part))
		head = binary.LittleEndian.AppendUint64(head, b.Sum)
		head = binary.LittleEndian.AppendUint64(head, n)
	}
	parts[0] = append(head, make([]byte, -len(head)&7)...)
	return parts
}

var errShortFrame = errors.New("blocks frame ends too early")

// cursor reads a frame's head.
type cursor struct {
	b     []byte
	at    int
	short bool
}

func (c *cursor) take(n int) []byte {
	if c.short || n < 0 || n > len(c.b)-c.at {
		c.short = true
		return make([]byte, min(max(n, 0), 8))
	}
	c.at += n
	return c.b[c.at-n : c.at : c.at]
}

func (c *cursor) u32() uint32 { return binary.LittleEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.LittleEndian.Uint64(c.take(8)) }

// says are the watermarks of a frame: none, or one for each event time of the plan.
func (c *cursor) says(plan *rdd.Plan) ([]int64, error) {
	n := c.u32()
	if n == 0 || c.short {
		return nil, nil
	}
	if int(n) != len(plan.Events) {
		return nil, fmt.Errorf("%d watermarks, the plan has %d event times", n, len(plan.Events))
	}
	says := make([]int64, n)
	for i := range says {
		says[i] = int64(c.u64())
	}
	return says, nil
}

// unmarshal reads a frame and verifies each block's checksum. Blocks alias payload. Bytes from outside never panic. plan is the job's: blocks of what
// was built for a batch stay bytes.
func unmarshal(plan *rdd.Plan, payload []byte) (inbound, error) {
	var in inbound
	c := &cursor{b: payload}
	in.key.batch = int64(c.u64())
	n := c.u32()
	if n > maxPlanHash {
		return in, fmt.Errorf("plan hash of %d bytes", n)
	}
	in.key.hash = string(c.take(int(n)))
	from := rdd.TaskID{Node: int(int32(c.u32())), Part: int(int32(c.u32()))}
	flags, count := c.u32(), c.u32()
	says, err := c.says(plan)
	if err != nil {
		return in, err
	}
	if c.short || count > maxFrameParts || int(count)*blockHead > len(payload)-c.at {
		return in, errShortFrame
	}
	in.blocks = make([]arrival, count)
	lengths := make([]uint64, count)
	for i := range in.blocks {
		b := &in.blocks[i]
		b.From, b.says = from, says
		b.Edge.Node, b.Edge.Input, b.Part = int(int32(c.u32())), int(int32(c.u32())), int(int32(c.u32()))
		b.Sum, lengths[i] = c.u64(), c.u64()
		if b.Part < 0 {
			return in, fmt.Errorf("block for part %d", b.Part)
		}
	}
	c.take(-c.at & 7)
	for i := range in.blocks {
		if lengths[i] == noRows {
			if in.blocks[i].Sum != 0 {
				return in, errors.New("a block without rows has a checksum")
			}
			continue
		}
		if lengths[i] > uint64(len(payload)) {
			return in, errShortFrame
		}
		data := c.take(int(lengths[i]))
		c.take(-c.at & 7)
		if c.short {
			return in, errShortFrame
		}
		if inHole(plan, in.blocks[i].Edge) && xxh3.Hash(data) == in.blocks[i].Sum {
			in.blocks[i].raw = data
			continue
		}
		rec, err := block(schemaOf(plan, in.blocks[i].Edge), in.blocks[i].Sum, data)
		if err != nil {
			return in, fmt.Errorf("batch %d, block of task %d/%d for node %d part %d: %w", in.key.batch, from.Node, from.Part, in.blocks[i].Edge.Node, in.blocks[i].Part, err)
		}
		in.blocks[i].Rec = rec
	}
	if c.short || c.at != len(payload) {
		return in, errShortFrame
	}
	switch flags {
	case 0:
	case flagLoud:
		in.blocks = append(in.blocks, arrival{loud: true})
	default:
		return in, fmt.Errorf("flags %x", flags)
	}
	return in, nil
}

// block reads one block: its checksum is that of its bytes.
func block(schema *arrow.Schema, sum uint64, data []byte) (arrow.Record, error) {
	if schema == nil {
		return nil, errors.New("the plan has no such edge")
	}
	if got := xxh3.Hash(data); got != sum {
		return nil, fmt.Errorf("damaged on the way: checksum %x instead of %x", got, sum)
	}
	return batch.Unmarshal(schema, data)
}

// inHole tells whether an edge leads to a node that is built for each batch.
func inHole(p *rdd.Plan, edge rdd.EdgeID) bool {
	return edge.Node >= 0 && edge.Node < len(p.Nodes) && p.Nodes[edge.Node].Kind == rdd.Hole
}
