package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/fault"
)

// Files reads the lines of all files in a directory, or of one file, and of those that come later. Options: Settle.
//
// Each file is a partition; the offset of a record is that of its first byte (within gzip: of the unpacked text). Names that begin
// with "." or "_", or end in ".tmp", ".part" or "~", are passed over, directories and empty files too; ".gz" is unpacked.
// A file is read when it is complete: unchanged for 2 s (see Settle). Files go by the time they were last written, then by name.
// A file that changes after it was taken as complete stops the job (P18); one that is removed after it was read does not.
func Files[T any](dir string, f Format[T], opts ...Option) Source[T] {
	o, err := collect("files", opts, "Settle")
	if dir == "" {
		err = errors.Join(err, errors.New("want a directory or file"))
	}
	if f.binary {
		err = errors.Join(err, errors.New("files are read line by line, and messages of Protocol Buffers are no lines; read them from a topic"))
	}
	s := f.spec("files", dir)
	s.Err = errors.Join(s.Err, err)
	s.OnDisk = true
	limit := f.limit
	if limit == 0 {
		limit = MaxRecordBytes
	}
	s.Open = func(_ context.Context, env Env) (Connector, error) {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("%w; create the directory, or run the job where it is", err)
		}
		return &fileConnector{dir: dir, env: env, settle: o.settle, limit: limit, header: f.header,
			listing: make(chan struct{}, 1), known: map[string]fileMeta{}, seen: map[string]sighting{}}, nil
	}
	return Of[T](s)
}

// FilesText reads the lines of files as text. Options: those of Files and Text.
func FilesText(dir string, opts ...Option) Source[string] {
	f, p := split(opts)
	return Files(dir, Text(f...), p...)
}

// FilesJSON reads files with one JSON value a line. Options: those of Files and JSON.
func FilesJSON[T any](dir string, opts ...Option) Source[T] {
	f, p := split(opts)
	return Files(dir, JSON[T](f...), p...)
}

// FilesCSV reads files of CSV. Options: those of Files and CSV.
func FilesCSV[T any](dir string, opts ...Option) Source[T] {
	f, p := split(opts)
	return Files(dir, CSV[T](f...), p...)
}

// fileMeta is a partition's Meta: what the file was when it was taken as complete (P18).
type fileMeta struct {
	Path   string `cbor:"1,keyasint"`
	Size   int64  `cbor:"2,keyasint"`
	MTime  int64  `cbor:"3,keyasint"` // ns since 1970
	Sum    uint64 `cbor:"4,keyasint"` // xxh3 of its bytes
	Length int64  `cbor:"5,keyasint"` // of the text: Size, or unpacked
}

func (m fileMeta) partition() (Partition, error) {
	meta, err := cbor.Marshal(m)
	key := fmt.Sprintf("%s|%d|%d", m.Path, m.Size, m.MTime)
	return Partition{Key: key, Meta: meta, End: m.Length, Complete: true}, err
}

// ErrFileChanged is returned by Connector.Partitions, Resume and readers of files: a file has changed since it was planned (P18). It is not worth a
// second try.
var ErrFileChanged = errors.New("has changed since it was taken as complete")

// check compares a file with what it was.
func (m fileMeta) check(st fs.FileInfo) error {
	if fault.Planted("P18-changed-file") || st.Size() == m.Size && st.ModTime().UnixNano() == m.MTime {
		return nil
	}
	return fmt.Errorf("file %s %w: it had %d bytes of %s, now %d of %s; restore it or move it away, and give new rows as a new file",
		m.Path, ErrFileChanged, m.Size, time.Unix(0, m.MTime).UTC().Format(time.RFC3339Nano), st.Size(), st.ModTime().UTC().Format(time.RFC3339Nano))
}

// sighting is what an incomplete file was when it was first seen so.
type sighting struct {
	size, mtime int64
	at          time.Time
}

type fileConnector struct {
	dir    string
	env    Env
	settle time.Duration
	limit  int
	header bool

	listing chan struct{} // holds a token while a listing runs, which owns what follows

	listed []fileMeta          // in the order in which they were found
	known  map[string]fileMeta // listed, by path
	seen   map[string]sighting // incomplete files, by path
	later  bool                // there was a listing before
}

// Resume implements Resumer: what was planned may not have changed, and keeps its place.
func (c *fileConnector) Resume(recorded []Partition) error {
	c.listing <- struct{}{}
	defer func() { <-c.listing }()
	for _, p := range recorded {
		var m fileMeta
		if err := cbor.Unmarshal(p.Meta, &m); err != nil {
			return fmt.Errorf("source files %s: meta of partition %s: %w", c.dir, p.Key, err)
		}
		if _, ok := c.known[m.Path]; !ok {
			c.listed = append(c.listed, m)
			c.known[m.Path] = m
		}
	}
	return nil
}

// Partitions implements Connector. The first listing waits, at most for the time of Settle, for files that are there but were
// written just now, so that a bounded run reads them.
func (c *fileConnector) Partitions(ctx context.Context) ([]Partition, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case c.listing <- struct{}{}:
		defer func() { <-c.listing }()
	}
	waiting, err := c.scan(ctx)
	if err == nil && waiting > 0 && !c.later {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.env.Clock.After(waiting):
			_, err = c.scan(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	c.later = true
	out := make([]Partition, len(c.listed))
	for i, m := range c.listed {
		if out[i], err = m.partition(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scan adds the files that are complete now to the list, and tells how long the others have to wait at most.
func (c *fileConnector) scan(ctx context.Context) (waiting time.Duration, err error) {
	paths, err := c.paths()
	if err != nil {
		return 0, err
	}
	now := c.env.Clock.Now()
	var found []fileMeta
	for _, path := range paths {
		st, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!st.Mode().IsRegular() || st.Size() == 0) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if m, ok := c.known[path]; ok {
			if err := m.check(st); err != nil {
				return 0, err
			}
			continue
		}
		if left := c.unsettled(path, st, now); left > 0 {
			waiting = max(waiting, left)
			continue
		}
		m, err := measure(ctx, path, st)
		if err != nil {
			return 0, err
		}
		found = append(found, m)
	}
	slices.SortFunc(found, func(a, b fileMeta) int {
		return cmp.Or(cmp.Compare(a.MTime, b.MTime), cmp.Compare(a.Path, b.Path))
	})
	for _, m := range found {
		c.listed = append(c.listed, m)
		c.known[m.Path] = m
		delete(c.seen, m.Path)
	}
	return waiting, nil
}

// paths are the files that may be read, by name.
func (c *fileConnector) paths() ([]string, error) {
	st, err := os.Stat(c.dir)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return []string{c.dir}, nil
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".part") || strings.HasSuffix(name, "~") {
			continue
		}
		paths = append(paths, filepath.Join(c.dir, name))
	}
	return paths, nil
}

// unsettled is how long the file must stay as it is to be complete, 0 if it is.
func (c *fileConnector) unsettled(path string, st fs.FileInfo, now time.Time) time.Duration {
	s := sighting{st.Size(), st.ModTime().UnixNano(), now}
	if old, ok := c.seen[path]; ok && old.size == s.size && old.mtime == s.mtime {
		s.at = old.at
	} else {
		c.seen[path] = s
	}
	age := max(now.Sub(st.ModTime()), now.Sub(s.at))
	return max(c.settle-age, 0)
}

// measure reads a complete file once for its checksum and length.
func measure(ctx context.Context, path string, st fs.FileInfo) (fileMeta, error) {
	m := fileMeta{Path: path, Size: st.Size(), MTime: st.ModTime().UnixNano(), Length: st.Size()}
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer f.Close()
	if m.Sum, err = checksum(ctx, f); err != nil {
		return m, err
	}
	if st, err := f.Stat(); err != nil {
		return m, err
	} else if err := m.check(st); err != nil {
		return m, err
	}
	if packed(path) {
		text, err := unpack(f)
		if err == nil {
			m.Length, err = io.Copy(io.Discard, contextReader{ctx, text})
		}
		if err != nil {
			return m, fmt.Errorf("file %s: gzip: %w; replace it by a whole one, or move it away", path, err)
		}
	}
	return m, nil
}

// checksum is the xxh3 of all of f.
func checksum(ctx context.Context, f *os.File) (uint64, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	h := xxh3.New()
	_, err := io.CopyBuffer(h, contextReader{ctx, f}, make([]byte, 256<<10))
	return h.Sum64(), err
}

// contextReader fails once ctx is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Close implements Connector.
func (c *fileConnector) Close() error { return nil }
