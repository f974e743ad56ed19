package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"
)

// State files of a process that does not see the checkpoint's folder come and go in pieces (P23): it encodes and decodes, and another one,
// which has a StateDir, writes and reads bytes.

// EncodeState writes the bytes of a state file to w, about a MiB at once, and describes them. File is left to whoever keeps them.
func EncodeState(w io.Writer, batch, since int64, sections []SectionData) (DeltaRef, error) {
	ref := DeltaRef{Batch: batch, Since: since}
	if err := fill(w, new(bytes.Buffer), &ref, sections); err != nil {
		return DeltaRef{}, err
	}
	return ref, nil
}

// DecodeSection is Load for bytes that another process has read: the same checks, and the same errors.
func DecodeSection(ref DeltaRef, s Section, data []byte) (arrow.Record, error) {
	if s.Rows == 0 && s.Len == 0 {
		return nil, nil
	}
	return rowsOf(filepath.Join(stateDir, ref.File), s, data)
}

// ReadPiece reads n bytes of a state file from an offset on, as they are: whoever gets them checks them. A missing or shorter file is ErrDamaged.
func (d *StateDir) ReadPiece(file string, off int64, n int) ([]byte, error) {
	path, err := d.path(file)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &damage{path, nowhere, "file is missing"}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, n)
	_, err = f.ReadAt(data, off)
	if errors.Is(err, io.EOF) {
		return nil, &damage{path, off, fmt.Sprintf("file ends before the %d bytes that are wanted", n)}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// Incoming is a state file whose bytes come in pieces. One goroutine at a time. It ends with Keep or Drop.
type Incoming struct {
	d     *StateDir
	f     *os.File
	whole *xxh3.Hasher
}

// Receive begins a state file, under a name as Write gives.
func (d *StateDir) Receive(batch int64, executor string, epoch int64, attempt int) (*Incoming, error) {
	f, err := d.create(fileStem(batch, executor, epoch, attempt), stateSuffix)
	if err != nil {
		return nil, explain(d.dir, err)
	}
	return &Incoming{d, f, xxh3.New()}, nil
}

// Write implements io.Writer.
func (in *Incoming) Write(p []byte) (int, error) {
	_, _ = in.whole.Write(p)
	n, err := in.f.Write(p)
	return n, explain(in.d.dir, err)
}

// Keep ends the file and returns its name, for DeltaRef.File. Like Write's it is not fsynced. If its bytes have another checksum than sum, xxh3 of the
// whole, it is dropped.
func (in *Incoming) Keep(sum uint64) (file string, err error) {
	if got := in.whole.Sum64(); got != sum {
		in.Drop()
		return "", fmt.Errorf("state file was damaged on the way: checksum %x instead of %x", got, sum)
	}
	if err := in.f.Close(); err != nil {
		_ = os.Remove(in.f.Name())
		return "", explain(in.d.dir, err)
	}
	return filepath.Base(in.f.Name()), nil
}

// Drop removes what has come.
func (in *Incoming) Drop() {
	_ = in.f.Close()
	_ = os.Remove(in.f.Name())
}
