package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Places in the virtual tables of Arrow's format (Message.fbs, Schema.fbs), and kinds of messages and types.
const (
	messageKind, messageHeader, messageBody, messageFacts     = 6, 8, 10, 12
	schemaFields, schemaFacts, schemaFeatures                 = 6, 8, 10
	fieldTypeKind, fieldDictionary, fieldChildren, fieldFacts = 8, 12, 14, 16
	batchNodes, batchBuffers, batchCompression, batchCounts   = 6, 8, 10, 12

	kindSchema      = 1
	kindRecordBatch = 3
	typeUnion       = 14

	maxDepth = 64 // of nested fields
)

// CheckStream says what is wrong with an Arrow IPC stream from outside before a reader trusts the lengths in it: it would allocate what they say. Only schemas and record batches
// without compression are taken. Bytes never make it panic.
func CheckStream(b []byte) (err error) {
	defer func() {
		if v := recover(); v != nil { // flatbuffers check nothing but the slice's bounds
			err = errors.New("a message that cannot be read")
		}
	}()
	for len(b) > 0 {
		if len(b) < 8 || binary.LittleEndian.Uint32(b) != 0xffffffff {
			return errors.New("no stream of Arrow messages")
		}
		n := binary.LittleEndian.Uint32(b[4:])
		if n == 0 {
			return nil
		}
		if uint64(n) > uint64(len(b)-8) {
			return fmt.Errorf("a message of %d bytes with %d left", n, len(b)-8)
		}
		meta := b[8 : 8+n]
		b = b[8+n:]
		body, err := bodyOf(meta)
		if err != nil {
			return err
		}
		if body < 0 || body > int64(len(b)) {
			return fmt.Errorf("a message with a body of %d bytes with %d left", body, len(b))
		}
		b = b[body:]
	}
	return nil
}

// bodyOf is the length of a message's body.
func bodyOf(meta []byte) (int64, error) {
	t := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	if _, err := vector(t, messageFacts, 4); err != nil {
		return 0, err
	}
	kind := number(t, messageKind)
	if kind != kindSchema && kind != kindRecordBatch {
		return 0, fmt.Errorf("a message of kind %d, where schemas and record batches are taken", kind)
	}
	if o := t.Offset(messageHeader); o != 0 {
		var header flatbuffers.Table
		t.Union(&header, flatbuffers.UOffsetT(o))
		check := checkSchema
		if kind == kindRecordBatch {
			check = checkBatch
		}
		if err := check(header); err != nil {
			return 0, err
		}
	}
	if o := t.Offset(messageBody); o != 0 {
		return t.GetInt64(flatbuffers.UOffsetT(o) + t.Pos), nil
	}
	return 0, nil
}

// number is a field of one byte, 0 where it is not there.
func number(t flatbuffers.Table, field flatbuffers.VOffsetT) byte {
	if o := t.Offset(field); o != 0 {
		return t.GetByte(flatbuffers.UOffsetT(o) + t.Pos)
	}
	return 0
}

// vector is the length of a field that is a vector of elements of that many bytes, which lie within the message.
func vector(t flatbuffers.Table, field flatbuffers.VOffsetT, bytes int) (int, error) {
	o := flatbuffers.UOffsetT(t.Offset(field))
	if o == 0 {
		return 0, nil
	}
	n, at := t.VectorLen(o), t.Vector(o)
	if n < 0 || int(at) > len(t.Bytes) || n > (len(t.Bytes)-int(at))/bytes {
		return 0, fmt.Errorf("a list of %d in a message of %d bytes", n, len(t.Bytes))
	}
	return n, nil
}

func checkBatch(t flatbuffers.Table) error {
	if t.Offset(batchCompression) != 0 {
		return errors.New("a compressed record batch; write them without compression")
	}
	for field, bytes := range map[flatbuffers.VOffsetT]int{batchNodes: 16, batchBuffers: 16, batchCounts: 8} {
		if _, err := vector(t, field, bytes); err != nil {
			return err
		}
	}
	return nil
}

func checkSchema(t flatbuffers.Table) error {
	for field, bytes := range map[flatbuffers.VOffsetT]int{schemaFacts: 4, schemaFeatures: 8} {
		if _, err := vector(t, field, bytes); err != nil {
			return err
		}
	}
	left := len(t.Bytes) / 4 // fields; a message may refer to the same one again and again
	return checkFields(t, schemaFields, 0, &left)
}

func checkFields(t flatbuffers.Table, list flatbuffers.VOffsetT, depth int, left *int) error {
	n, err := vector(t, list, 4)
	if err != nil || n == 0 {
		return err
	}
	if depth == maxDepth {
		return fmt.Errorf("columns nested over %d deep", maxDepth)
	}
	at := t.Vector(flatbuffers.UOffsetT(t.Offset(list)))
	for i := range n {
		if *left--; *left < 0 {
			return errors.New("more columns than its bytes can hold")
		}
		f := flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(at + flatbuffers.UOffsetT(4*i))}
		if number(f, fieldTypeKind) == typeUnion || f.Offset(fieldDictionary) != 0 {
			return errors.New("a column of a union type, or coded by a dictionary")
		}
		if _, err := vector(f, fieldFacts, 4); err != nil {
			return err
		}
		if err := checkFields(f, fieldChildren, depth+1, left); err != nil {
			return err
		}
	}
	return nil
}
