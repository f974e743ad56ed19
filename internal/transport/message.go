package transport

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/internal/assert"
)

// decoding has strict limits: what it reads comes from another process.
var decoding = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   16,
		MaxArrayElements:  16 << 20,
		MaxMapPairs:       1 << 20,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode()
	assert.True(err == nil, "decoding options: %v", err)
	return m
}()

// Encode is v as CBOR.
func Encode(v any) ([]byte, error) {
	b, err := cbor.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return b, nil
}

// Decode reads CBOR into v, a pointer. Unknown fields, tags, repeated keys and bytes left over are errors.
func Decode(b []byte, v any) error {
	if err := decoding.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	return nil
}
