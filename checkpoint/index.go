package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/millrace/millrace/internal/slot"
)

// The index says in bbolt what the log says: for tools that want it without reading the log, and as a witness that the log is
// whole. It is written behind the log and made anew at each opening, in a file of its own that then takes the name: an old
// driver goes on writing to a file that nobody sees.
type index struct {
	db   *bolt.DB
	path string
}

var (
	metaBucket     = []byte("meta")
	operatorBucket = []byte("operators")
	settingBucket  = []byte("settings")
	valueBucket    = []byte("values")
	segmentBucket  = []byte("segments")
	snapshotBucket = []byte("snapshots")
	metaKey        = []byte("checkpoint")
)

// indexMeta is the index's summary.
type indexMeta struct {
	UUID      string `cbor:"1,keyasint"`
	Timeline  int64  `cbor:"2,keyasint"`
	Job       string `cbor:"3,keyasint"`
	Epoch     int64  `cbor:"4,keyasint"`
	Planned   int64  `cbor:"5,keyasint"` // last planned batch
	Committed int64  `cbor:"6,keyasint"`
	Durable   int64  `cbor:"7,keyasint"`
	Horizon   int64  `cbor:"8,keyasint"`
	Finished  bool   `cbor:"9,keyasint"`
}

// indexSegment describes a segment of the log.
type indexSegment struct {
	Epoch int64 `cbor:"1,keyasint"`
	First int64 `cbor:"2,keyasint"`
	Last  int64 `cbor:"3,keyasint"`
	Bytes int64 `cbor:"4,keyasint"`
}

// indexLockWait is how long opening waits for another process's lock.
const indexLockWait = 50 * time.Millisecond

// newIndex makes an empty index under a name of its own.
func newIndex(dir string, epoch int64, volatile bool) (*index, error) {
	path := filepath.Join(dir, fmt.Sprintf(".%s-%d", indexFile, epoch))
	if err := remove(path); err != nil {
		return nil, err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: indexLockWait, NoSync: volatile, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("make index %s: %w", path, err)
	}
	return &index{db, path}, nil
}

// publish gives the index its name.
func (x *index) publish(path string) error {
	if err := os.Rename(x.path, path); err != nil {
		x.close()
		return fmt.Errorf("publish index: %w", err)
	}
	x.path = path
	return nil
}

func (x *index) close() error { return x.db.Close() }

// writeIndex writes what the ledger says now. It is called behind the log, never on the batch path.
func (s *Store) writeIndex() error {
	s.mu.Lock()
	l := s.ledger
	meta := indexMeta{l.uuid, l.timeline, l.job, s.epoch, l.lastPlanned(), l.committed, l.durable, l.horizon(l.durable), l.finished}
	operators, settings, values := l.operators, l.settingList(), l.valueList()
	segments := append(append([]segment(nil), s.old...), s.current)
	s.mu.Unlock()
	err := s.index.db.Update(func(tx *bolt.Tx) error {
		b := &indexWriter{tx: tx}
		b.bucket(metaBucket)
		b.put(metaKey, meta)
		b.bucket(operatorBucket)
		for _, o := range operators {
			b.put([]byte(o.Name), o)
		}
		b.bucket(settingBucket)
		for _, p := range settings {
			b.put([]byte("="+p.Key), p.Value)
		}
		b.bucket(valueBucket)
		for _, v := range values {
			b.put(v.Hash[:], v)
		}
		b.bucket(segmentBucket)
		for _, g := range segments {
			b.put([]byte(segmentName(g.number)), indexSegment{g.epoch, g.first, g.last, g.bytes})
		}
		b.bucket(snapshotBucket)
		b.put([]byte("durable"), meta.Durable)
		b.put([]byte("horizon"), meta.Horizon)
		return b.err
	})
	if err != nil {
		return fmt.Errorf("write index %s: %w", s.index.path, err)
	}
	return nil
}

// indexWriter fills one bucket after the other and remembers the first error.
type indexWriter struct {
	tx  *bolt.Tx
	b   *bolt.Bucket
	err error
}

// bucket makes the bucket anew and fills it from now on.
func (w *indexWriter) bucket(name []byte) {
	if w.err != nil {
		return
	}
	if w.err = w.tx.DeleteBucket(name); w.err == nil || errors.Is(w.err, bolterrors.ErrBucketNotFound) {
		w.b, w.err = w.tx.CreateBucket(name)
	}
}

func (w *indexWriter) put(key []byte, v any) {
	if w.err != nil {
		return
	}
	data, err := encoding.Marshal(v)
	if err != nil {
		w.err = err
		return
	}
	w.err = w.b.Put(key, data)
}

// readIndex reads the index's summary. It is zero if there is none, a driver holds it, or it cannot be read: it can always be made anew from
// the log.
func readIndex(dir string) (m indexMeta) {
	path := filepath.Join(dir, indexFile)
	if _, err := os.Stat(path); err != nil {
		return m
	}
	// bbolt maps the file: a page that a crash left torn must not end the process.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			m = indexMeta{}
		}
	}()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: indexLockWait})
	if err != nil {
		return m
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(metaBucket)
		if b == nil {
			return bolterrors.ErrBucketNotFound
		}
		return decoding.Unmarshal(b.Get(metaKey), &m)
	})
	if err != nil {
		return indexMeta{}
	}
	return m
}

// missing compares the log with an index that was read before it. The index is never ahead of the log: if it is, segments were removed. An index
// that is away or unreadable, a zero indexMeta, is no witness.
func (m indexMeta) missing(dir string, log *logged) error {
	l := log.ledger
	if m.UUID == l.uuid && (m.Committed > l.committed || m.Planned > l.lastPlanned()) {
		return &damage{file: filepath.Join(dir, logDir), off: nowhere, what: fmt.Sprintf(
			"the index knows batches up to %d (%d committed), the log ends with %d (%d): its newest segments are missing; restore them, or delete %s to go on without them",
			m.Planned, m.Committed, l.lastPlanned(), l.committed, filepath.Join(dir, indexFile))}
	}
	return nil
}

// syncDirOf makes the directory entry of path durable.
func syncDirOf(path string) error { return slot.SyncDir(filepath.Dir(path)) }
