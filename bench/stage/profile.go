package stage

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sample is a stack, from the leaf to the root, that was met for some time.
type Sample struct {
	Stack []string // names of functions
	Nanos int64
}

// Profile is what was sampled.
type Profile []Sample

var errCut = errors.New("the data ends in the middle")

// Parse reads a CPU profile as runtime/pprof writes it: a gzipped message of pprof's profile.proto.
func Parse(data []byte) (Profile, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("no gzip: %w", err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	p := parser{lines: map[uint64][]uint64{}, names: map[uint64]uint64{}}
	if err := fields(raw, p.field); err != nil {
		return nil, err
	}
	return p.profile()
}

// parser keeps the tables that samples point into.
type parser struct {
	lines   map[uint64][]uint64 // functions by location: the innermost inlined one first
	names   map[uint64]uint64   // strings by function
	strings []string
	samples []struct{ locations, values []uint64 }
}

// The numbers are those of profile.proto.
func (p *parser) field(number int, v uint64, data []byte) error {
	switch number {
	case 2: // sample
		var s struct{ locations, values []uint64 }
		err := fields(data, func(n int, v uint64, data []byte) error {
			switch n {
			case 1:
				return numbers(&s.locations, v, data)
			case 2:
				return numbers(&s.values, v, data)
			}
			return nil
		})
		p.samples = append(p.samples, s)
		return err
	case 4: // location
		var id uint64
		var functions []uint64
		err := fields(data, func(n int, v uint64, data []byte) error {
			switch n {
			case 1:
				id = v
			case 4: // line
				return fields(data, func(n int, v uint64, _ []byte) error {
					if n == 1 {
						functions = append(functions, v)
					}
					return nil
				})
			}
			return nil
		})
		p.lines[id] = functions
		return err
	case 5: // function
		var id, name uint64
		err := fields(data, func(n int, v uint64, _ []byte) error {
			switch n {
			case 1:
				id = v
			case 2:
				name = v
			}
			return nil
		})
		p.names[id] = name
		return err
	case 6:
		p.strings = append(p.strings, string(data))
	}
	return nil
}

// profile resolves the samples. Their last value is the time.
func (p *parser) profile() (Profile, error) {
	var out Profile
	for _, s := range p.samples {
		if len(s.values) == 0 {
			return nil, errors.New("a sample without values")
		}
		sample := Sample{Nanos: int64(s.values[len(s.values)-1])}
		for _, at := range s.locations {
			for _, f := range p.lines[at] {
				name := p.names[f]
				if name >= uint64(len(p.strings)) {
					return nil, fmt.Errorf("string %d of %d", name, len(p.strings))
				}
				sample.Stack = append(sample.Stack, p.strings[name])
			}
		}
		out = append(out, sample)
	}
	return out, nil
}

// fields calls f with each field of a protobuf message: with the value of a number, or the bytes of what has a length.
func fields(msg []byte, f func(number int, v uint64, data []byte) error) error {
	for len(msg) > 0 {
		tag, n := binary.Uvarint(msg)
		if n <= 0 {
			return errCut
		}
		msg = msg[n:]
		var v uint64
		var data []byte
		switch tag & 7 {
		case 0:
			if v, n = binary.Uvarint(msg); n <= 0 {
				return errCut
			}
		case 1:
			n = 8
		case 2:
			size, k := binary.Uvarint(msg)
			if k <= 0 || size > uint64(len(msg)-k) {
				return errCut
			}
			data, n = msg[k:k+int(size)], k+int(size)
		case 5:
			n = 4
		default:
			return fmt.Errorf("field of type %d", tag&7)
		}
		if n > len(msg) {
			return errCut
		}
		msg = msg[n:]
		if err := f(int(tag>>3), v, data); err != nil {
			return err
		}
	}
	return nil
}

// numbers adds one number, or those of a packed field.
func numbers(to *[]uint64, v uint64, packed []byte) error {
	if packed == nil {
		*to = append(*to, v)
		return nil
	}
	for len(packed) > 0 {
		v, n := binary.Uvarint(packed)
		if n <= 0 {
			return errCut
		}
		*to, packed = append(*to, v), packed[n:]
	}
	return nil
}
