package sink

import (
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/assert"
)

// keyRouters tell the partitions of keys, as Kafka's clients choose them. Many tasks route at once.
type keyRouters struct {
	pool sync.Pool // of *keyRouter
}

// keyRouter is what it takes to tell the keys of rows.
type keyRouter struct {
	enc *encoder
	key []byte // scratch
}

// route says to which of n partitions of a topic the rows of rec go by their keys.
func (k *keyRouters) route(kind, topic string, s Schema, rec arrow.Record, n int, to []int32) {
	r, _ := k.pool.Get().(*keyRouter)
	if r == nil {
		enc, err := newKeyEncoder(s)
		assert.True(err == nil, "%s %s: keys that were checked when the job was built: %v", kind, topic, err)
		r = &keyRouter{enc: enc}
	}
	err := r.enc.key.bind(rec.Columns()[:s.Keys])
	assert.True(err == nil, "%s %s: keys of the schema that the sink was opened with: %v", kind, topic, err)
	for i := range to {
		to[i] = int32(commitlog.PartitionOf(r.enc.key.bytes(&r.key, i), n))
	}
	r.enc.key.unbind()
	k.pool.Put(r)
}
