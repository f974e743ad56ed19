package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/slot"
)

// FileOption is an option of FilesJSON, FilesText and FilesParquet.
type FileOption func(*filesOptions)

type filesOptions struct {
	rollSize  int64
	rollEvery time.Duration
	merge     int
	grace     time.Duration
	lanes     int
}

// RollSize is how many staged bytes of a lane make a file; the default is 64 MB.
func RollSize(bytes int64) FileOption { return func(o *filesOptions) { o.rollSize = bytes } }

// RollEvery is how long a published batch waits at most for the file that holds it; the default is 1 s. Batches
// count as published, and survive every crash, before that.
func RollEvery(d time.Duration) FileOption { return func(o *filesOptions) { o.rollEvery = d } }

// MergeFiles is how many small files of a lane are merged into one, behind; the default is 64, and 0 merges none. Replaced files
// leave the manifest at once and are kept for a grace (MergeGrace) so that readers can finish.
func MergeFiles(n int) FileOption { return func(o *filesOptions) { o.merge = n } }

// MergeGrace is how long replaced files are kept; the default is 10 minutes.
func MergeGrace(d time.Duration) FileOption { return func(o *filesOptions) { o.grace = d } }

// FileLanes is how many files are written side by side; the default is one a slot of the job, at most 4. A new number takes
// effect with the first batch that is not planned yet.
func FileLanes(n int) FileOption { return func(o *filesOptions) { o.lanes = n } }

// FilesJSON writes rows to files of JSON lines in dir, exactly once: one object a row, the key's columns first ("key" and
// "value" for scalars); see JSON for how values are written. Readers take what the manifest in dir/_manifest names, see
// ReadManifest; a batch is in a file about a second after it was published (RollEvery).
func FilesJSON(dir string, opts ...FileOption) Sink { return filesSink(dir, jsonFiles{}, opts) }

// FilesParquet is FilesJSON with Parquet files (snappy). Times are timestamps in microseconds, UTC.
func FilesParquet(dir string, opts ...FileOption) Sink { return filesSink(dir, parquetFiles{}, opts) }

// fileFormat is how rows stand in files.
type fileFormat interface {
	// name is the format's name, ext the end of its files' names.
	name() string
	ext() string
	// stager makes what encodes rows of s for the staging journal; an error says which column has no form in the format.
	stager(s Schema) (stager, error)
	// write makes one file of staged payloads; next gives nil at the end. It returns a text that is the same for files that can be merged.
	write(w io.Writer, next func() ([]byte, error)) (schema string, err error)
	// merge makes one file of several with the same schema text, in order.
	merge(w io.Writer, paths []string) error
	// rows counts the rows of a file.
	rows(path string) (int64, error)
}

// stager encodes rows into pieces of a staging journal.
type stager interface {
	// add encodes rows behind those that take has not returned yet.
	add(rec arrow.Record) error
	// size is about how many bytes take would return.
	size() int
	// take returns a piece that stands for itself. It is valid until the next call.
	take() ([]byte, error)
}

func filesSink(dir string, f fileFormat, opts []FileOption) Sink {
	o := filesOptions{rollSize: 64 << 20, rollEvery: time.Second, merge: 64, grace: 10 * time.Minute}
	for _, opt := range opts {
		opt(&o)
	}
	spec := &Spec{Name: "files:" + dir, Kind: "files", Text: fmt.Sprintf("files %s %s", dir, f.name()), Durable: true, OnDisk: true}
	switch {
	case dir == "":
		spec.Err = errors.New("a file sink needs a directory")
	case o.rollSize <= 0 || o.rollEvery <= 0:
		spec.Err = fmt.Errorf("file sink %s: RollSize and RollEvery must be above 0", dir)
	}
	spec.Check = func(s Schema) error {
		_, err := f.stager(s)
		return err
	}
	spec.Open = func(_ context.Context, env Env, s Schema) (Output, error) {
		return openFiles(dir, f, o, env, s)
	}
	return New(spec)
}

// filesOutput is a file sink in one process.
type filesOutput struct {
	dir    string
	format fileFormat
	opts   filesOptions
	env    Env
	schema Schema
}

func openFiles(dir string, f fileFormat, o filesOptions, env Env, s Schema) (Output, error) {
	if _, err := f.stager(s); err != nil {
		return nil, err
	}
	if env.Elsewhere {
		return &filesOutput{dir, f, o, env, s}, nil
	}
	for _, d := range []string{manifestDir, stagingDir} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, placeError(dir, err)
		}
	}
	for _, d := range []string{dir, filepath.Dir(filepath.Clean(dir))} {
		if err := slot.SyncDir(d); err != nil {
			return nil, placeError(dir, err)
		}
	}
	return &filesOutput{dir, f, o, env, s}, nil
}

// maxFileLanes bounds the default number of lanes: each costs an fdatasync a batch and a file a second.
const maxFileLanes = 4

func (o *filesOutput) Lanes(_ context.Context, slots int) (int, error) {
	if o.opts.lanes > 0 {
		return o.opts.lanes, nil
	}
	return max(1, min(slots, maxFileLanes)), nil
}

// Route keeps all rows of a key in one lane, in order. Rows without a key stay with those of their task.
func (o *filesOutput) Route(task int, _ int64, rec arrow.Record, lanes int, lane []int32) {
	if o.schema.Keys == 0 || lanes == 1 {
		for i := range lane {
			lane[i] = int32(task % lanes)
		}
		return
	}
	routeByKey(o.schema, rec, lanes, lane)
}

// routeByKey sends equal keys to the same lane: by xxh3 of the key's text, which is the same in every process and version.
func routeByKey(s Schema, rec arrow.Record, lanes int, lane []int32) {
	enc, err := newKeyEncoder(s)
	if err != nil {
		panic(err) // the schema was checked when the job was built
	}
	var keys bytesColumn
	if err := enc.Encode(rec, &keys, nil); err != nil {
		panic(err)
	}
	for i := range lane {
		lane[i] = int32(xxh3.Hash(keys.Value(i)) % uint64(lanes))
	}
}

// Lane takes over lane n, and rolls what is left of lanes beyond lanes, which nobody else will open.
func (o *filesOutput) Lane(_ context.Context, n, lanes int, owner Owner) (Lane, error) {
	l, err := o.openLane(n, owner)
	if err != nil {
		return nil, placeError(o.dir, err)
	}
	if l.foreign {
		return l, nil
	}
	old, err := lanesOf(o.dir)
	for _, m := range old {
		if err == nil && m >= lanes && m%lanes == n {
			err = o.settle(m, owner)
		}
	}
	if err != nil {
		return nil, placeError(o.dir, errors.Join(err, l.Close()))
	}
	return l, nil
}

func (o *filesOutput) laneFiles(n int, owner Owner) (*laneFiles, error) {
	w := &laneFiles{dir: o.dir, lane: n, owner: owner, format: o.format, opts: o.opts, clock: o.env.Clock, log: o.env.Log}
	var err error
	w.m, err = readLane(o.dir, n)
	return w, err
}

func (o *filesOutput) openLane(n int, owner Owner) (*fileLane, error) {
	w, err := o.laneFiles(n, owner)
	if err != nil {
		return nil, err
	}
	s, err := o.format.stager(o.schema)
	if err != nil {
		return nil, err
	}
	if last := w.m.last; last != nil && last.UUID != owner.UUID {
		found, err := w.peekMarker()
		return newFileLane(w, s, true, found), err
	}
	if err := w.takeOver(); err != nil {
		return nil, err
	}
	found, err := w.markerInFiles()
	return newFileLane(w, s, false, found), err
}

// settle brings into files what a lane of an earlier layout published last.
func (o *filesOutput) settle(n int, owner Owner) error {
	w, err := o.laneFiles(n, owner)
	if err != nil {
		return err
	}
	found, err := openJournals(o.dir, n)
	for _, j := range found {
		err = errors.Join(err, j.f.Close())
	}
	if err != nil || len(found) == 0 || w.m.last != nil && w.m.last.UUID != owner.UUID {
		return err
	}
	return w.takeOver()
}

func (o *filesOutput) Close() error { return nil }
