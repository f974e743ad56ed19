package kafkafetch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/millrace/millrace/internal/records"
)

var errAnswer = errors.New("kafka: the lengths in a broker's answer to a fetch do not add up")

// answer is a fetch response that is being read. What is not records is copied to out.
type answer struct {
	in       *bufio.Reader
	left     int // of the answer
	out      []byte
	version  int16
	flexible bool
	keep     func(*records.Block) uint64
	err      error
}

// read goes through the whole answer. The layout is that of the protocol's FetchResponse, versions 4 to 12; before 4 there are no record batches.
func (a *answer) read() error {
	a.bytes(4) // correlation id
	if a.flexible {
		a.tags()
	}
	a.bytes(4) // throttle
	if a.version >= 7 {
		a.bytes(2 + 4) // error, session
	}
	for range a.count() {
		if a.flexible {
			a.bytes(a.uvarint() - 1) // topic
		} else {
			a.bytes(a.int16())
		}
		if a.err != nil {
			return a.err
		}
		for range a.count() {
			a.partition()
			if a.err != nil {
				return a.err
			}
		}
		a.tags()
	}
	a.bytes(a.left) // tags
	return a.err
}

func (a *answer) partition() {
	a.bytes(4 + 2 + 8) // partition, error, high watermark
	if a.version >= 4 {
		a.bytes(8) // last stable offset
	}
	if a.version >= 5 {
		a.bytes(8) // log start
	}
	if a.version >= 4 {
		for range a.count() {
			a.bytes(8 + 8) // producer, first offset of what it aborted
			a.tags()
			if a.err != nil {
				return
			}
		}
	}
	if a.version >= 11 {
		a.bytes(4) // replica to read from
	}
	a.records()
	a.tags()
}

// records reads a partition's records into a block and puts its ticket in their place.
func (a *answer) records() {
	at := len(a.out)
	n := 0
	if a.flexible {
		n = a.uvarint() - 1
	} else {
		n = a.int32()
	}
	if n <= 0 || a.err != nil {
		return
	}
	if n > a.left {
		a.err = errAnswer
		return
	}
	b := records.New(n)
	a.left -= n
	if _, err := io.ReadFull(a.in, b.Data); err != nil {
		a.err = err
		b.Free()
		return
	}
	if a.flexible {
		a.out = binary.AppendUvarint(a.out[:at], ticketBytes+1)
	} else {
		a.out = binary.BigEndian.AppendUint32(a.out[:at], ticketBytes)
	}
	a.out = binary.BigEndian.AppendUint64(a.out, a.keep(b))
}

// bytes copies n bytes and returns them.
func (a *answer) bytes(n int) []byte {
	if n < 0 {
		n = 0 // null
	}
	if a.err == nil && n > a.left {
		a.err = errAnswer
	}
	if a.err != nil {
		return nil
	}
	a.left -= n
	at := len(a.out)
	a.out = append(a.out, make([]byte, n)...)
	_, a.err = io.ReadFull(a.in, a.out[at:])
	return a.out[at:]
}

func (a *answer) int32() int {
	if b := a.bytes(4); b != nil {
		return int(int32(binary.BigEndian.Uint32(b)))
	}
	return 0
}

func (a *answer) int16() int {
	if b := a.bytes(2); b != nil {
		return int(int16(binary.BigEndian.Uint16(b)))
	}
	return 0
}

func (a *answer) uvarint() int {
	v := 0
	for shift := 0; shift < 35; shift += 7 {
		b := a.bytes(1)
		if b == nil {
			return 0
		}
		if v |= int(b[0]&0x7f) << shift; b[0] < 0x80 {
			return v
		}
	}
	a.err = errAnswer
	return 0
}

// count is the length of an array, 0 for null.
func (a *answer) count() int {
	if a.flexible {
		return max(0, a.uvarint()-1)
	}
	return max(0, a.int32())
}

// tags are the optional fields at a structure's end.
func (a *answer) tags() {
	if !a.flexible {
		return
	}
	for range a.uvarint() {
		a.uvarint()
		a.bytes(a.uvarint())
		if a.err != nil {
			return
		}
	}
}
