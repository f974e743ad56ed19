package kafkafetch

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/records"
)

// unpacked makes blocks of data, some of whose record batches are compressed. Batches are put one behind the other, and become a block when they are enough.
func (d *Decoder) unpacked(data []byte) (err error) {
	next := d.out.Next
	for at := 0; at < len(data) && err == nil; {
		before := next
		had := len(d.batches)
		at, next, err = d.one(data, at, next)
		if had == len(d.batches) {
			continue
		}
		if had > 0 && len(d.run) > MaxBlockBytes {
			last := d.batches[had]
			d.batches = d.batches[:had]
			if ferr := d.flush(d.run[:last.lo], before); ferr != nil {
				return ferr
			}
			d.run = append(d.run[:0], d.run[last.lo:]...)
			last.lo, last.hi = 0, len(d.run)
			d.batches = append(d.batches[:0], last)
		}
	}
	if ferr := d.flush(d.run, next); err == nil {
		err = ferr
	}
	return err
}

// flush makes a block of unpacked batches, up to an offset.
func (d *Decoder) flush(run []byte, next int64) error {
	b := records.New(len(run))
	copy(b.Data, run)
	return d.fill(b, next)
}

// unpackOne appends a batch's records to run, compressed or not.
func (d *Decoder) unpackOne(b *batch, packed []byte, codec kgo.CompressionCodecType) error {
	lo := len(d.run)
	out, err := d.unpack.Decompress(packed, codec)
	if err != nil {
		return fmt.Errorf("the record batch at offset %d: unpack it: %w", b.first, err)
	}
	if len(out) > 0 && cap(d.run) > lo && &out[0] == &d.run[:lo+1][lo] {
		d.run = d.run[:lo+len(out)] // it was unpacked there
	} else {
		d.run = append(d.run, out...)
	}
	b.lo, b.hi = lo, len(d.run)
	d.batches = append(d.batches, *b)
	return nil
}

// GetDecompressBytes is the memory behind run; see kgo.PoolDecompressBytes.
func (d *Decoder) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte {
	return d.run[len(d.run):]
}

// PutDecompressBytes has nothing to do.
func (d *Decoder) PutDecompressBytes([]byte) {}
