package dstream

import (
	"crypto/sha256"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// Shared is a value that is the same in every process of a job, see Value.
type Shared[T any] struct{ v T }

// Get is the value. Callers must not change what it refers to: all tasks of a process see the same.
func (s *Shared[T]) Get() T { return s.v }

// Value is a shared value: f runs once, on the driver, while the job is built; its result travels to every executor, and its
// hash is part of the plan (P21). It is the way for files, clocks and settings into functions of a job. T must survive
// encoding as CBOR: exported fields, maps, slices and scalars.
func Value[T any](job *Job, name string, f func() T) *Shared[T] {
	at, s := rdd.Caller(), &Shared[T]{}
	job.b.Need(at, "Value", f == nil)
	if name == "" {
		job.mistakef(at, "a shared value needs a name")
	}
	if job.hasValue(at, name) || f == nil {
		return s
	}
	data, err := job.valueBytes(name, func() ([]byte, error) { return canonical.Marshal(f()) })
	if err == nil {
		err = cbor.Unmarshal(data, &s.v) // on the driver too: everybody sees what survives encoding
	}
	if err != nil {
		job.mistakef(at, "shared value %q: %v", name, err)
		return s
	}
	job.shared.Values = append(job.shared.Values, sharedValue(name, data))
	return s
}

func sharedValue(name string, data []byte) rdd.Value {
	return rdd.Value{Name: name, Hash: sha256.Sum256(data), Data: data}
}

// hasValue tells whether there is a shared value of that name already, which is a mistake.
func (j *Job) hasValue(at rdd.Site, name string) bool {
	for _, v := range j.shared.Values {
		if v.Name == name {
			j.mistakef(at, "there is a shared value %q already; names of shared values are unique", name)
			return true
		}
	}
	return false
}

// canonical encodes equal values as equal bytes: maps are sorted by key.
var canonical = func() cbor.EncMode {
	o := cbor.CanonicalEncOptions()
	o.Time = cbor.TimeRFC3339Nano
	m, err := o.EncMode()
	if err != nil {
		panic(err)
	}
	return m
}()

// valueBytes are those that the driver made with f.
func (j *Job) valueBytes(name string, f func() ([]byte, error)) (data []byte, err error) {
	if j.options.Executor && !fault.Planted("P21-value-everywhere") {
		for _, v := range j.options.Values {
			if v.Name == name {
				return v.Data, nil
			}
		}
		return nil, fmt.Errorf("the driver has sent none; driver and executor run different programs")
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return f()
}
