package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/slot"
)

// A state file is the magic and then one Arrow IPC stream a section, back to back. Where they lie and their checksums are in
// the DeltaRef, in the commit record: a file without a commit is nobody's.
const (
	stateMagic  = "MRSTATE1"
	stateSuffix = ".state"
	maxSection  = 1 << 31
)

// StateDir reads and writes state files; every executor that sees the checkpoint's folder has one. It is safe for concurrent use.
type StateDir struct {
	dir     string // of the checkpoint
	buffers sync.Pool
	most    int64 // bytes in memory of a delta that goes to a tract; tests: -1, a file for each as before there were tracts

	mu    sync.Mutex // guards tract
	tract *tract     // that small deltas are added to, nil before the first
}

// OpenState opens the state folder of the checkpoint in dir.
func OpenState(dir string) (*StateDir, error) {
	for _, name := range []string{stateDir, journalDir} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, explain(dir, err)
		}
	}
	return &StateDir{dir: dir, most: tractMost, buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}, nil
}

// SectionData is one section to write. Rec may be nil (an empty full dump).
type SectionData struct {
	Operator    string
	From, Until int
	Full        bool
	Rec         arrow.Record
}

// Write writes a delta, without fsync: Arrow IPC streams, one a section. A small one is added to a tract, another has a file of its own. Names are made of batch, executor, epoch and attempt; a file that
// exists is never taken: another name is.
func (d *StateDir) Write(batch, since int64, executor string, epoch int64, attempt int, sections []SectionData) (DeltaRef, error) {
	ref := DeltaRef{Batch: batch, Since: since}
	if d.small(sections) {
		if err := d.append(&ref, executor, epoch, sections); err != nil {
			return DeltaRef{}, explain(d.dir, err)
		}
		return ref, nil
	}
	f, err := d.create(fileStem(batch, executor, epoch, attempt), stateSuffix)
	if err != nil {
		return ref, explain(d.dir, err)
	}
	ref.File = filepath.Base(f.Name())
	buf := d.buffers.Get().(*bytes.Buffer)
	defer d.buffers.Put(buf)
	err = fill(f, buf, &ref, sections)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return DeltaRef{}, explain(d.dir, err)
	}
	return ref, nil
}

// fileStem begins the name of a state file.
func fileStem(batch int64, executor string, epoch int64, attempt int) string {
	return fmt.Sprintf("%012d-%s-e%d-a%d", batch, plain(executor), epoch, attempt)
}

// create makes a new file whose name begins with stem.
func (d *StateDir) create(stem, suffix string) (*os.File, error) {
	name := stem
	for n := 2; ; n++ {
		f, err := os.OpenFile(filepath.Join(d.dir, stateDir, name+suffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
		name = stem + "-" + strconv.Itoa(n)
	}
}

// fill writes the sections to f, by way of buf, and describes them in ref.
func fill(f io.Writer, buf *bytes.Buffer, ref *DeltaRef, sections []SectionData) error {
	buf.Reset()
	buf.WriteString(stateMagic)
	whole := xxh3.New()
	for _, data := range sections {
		s := Section{Operator: data.Operator, From: data.From, Until: data.Until, Full: data.Full, Off: ref.Bytes + int64(buf.Len())}
		if data.Rec != nil && data.Rec.NumRows() > 0 {
			at := buf.Len()
			if err := encodeRecord(buf, data.Rec); err != nil {
				return fmt.Errorf("operator %q: %w", data.Operator, err)
			}
			section := buf.Bytes()[at:]
			if len(section) > maxSection {
				return fmt.Errorf("operator %q: section has %d bytes, the limit is %d", data.Operator, len(section), maxSection)
			}
			s.Rows, s.Len, s.Sum = data.Rec.NumRows(), int64(len(section)), xxh3.Hash(section)
		}
		ref.Sections = append(ref.Sections, s)
		if buf.Len() > 1<<20 {
			if err := flush(f, buf, whole, ref); err != nil {
				return err
			}
		}
	}
	if err := flush(f, buf, whole, ref); err != nil {
		return err
	}
	ref.Sum = whole.Sum64()
	return nil
}

func flush(f io.Writer, buf *bytes.Buffer, whole *xxh3.Hasher, ref *DeltaRef) error {
	_, _ = whole.Write(buf.Bytes())
	n, err := f.Write(buf.Bytes())
	ref.Bytes += int64(n)
	buf.Reset()
	return err
}

// encodeRecord appends rec as an Arrow IPC stream.
func encodeRecord(w io.Writer, rec arrow.Record) error {
	out := ipc.NewWriter(w, ipc.WithSchema(rec.Schema()))
	if err := out.Write(rec); err != nil {
		return err
	}
	return out.Close()
}

// decodeRecord reads what encodeRecord wrote. Bytes that are not such a stream give an error.
func decodeRecord(data []byte) (rec arrow.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			rec, err = nil, fmt.Errorf("arrow stream: %v", p)
		}
	}()
	in, err := ipc.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer in.Release()
	if !in.Next() {
		if in.Err() != nil {
			return nil, in.Err()
		}
		return nil, errors.New("arrow stream without a record")
	}
	rec = in.Record()
	rec.Retain()
	return rec, nil
}

// Load reads one section's rows, nil where it has none. A checksum that differs, a missing or torn file is ErrDamaged.
func (d *StateDir) Load(ref DeltaRef, s Section) (arrow.Record, error) {
	if s.Rows == 0 && s.Len == 0 {
		return nil, nil
	}
	path, err := d.path(ref.File)
	if err != nil {
		return nil, err
	}
	data, err := readSection(path, s)
	if err != nil {
		return nil, err
	}
	return rowsOf(path, s, data)
}

// rowsOf makes the rows of a section's bytes, which lie in the file that path names.
func rowsOf(path string, s Section, data []byte) (arrow.Record, error) {
	if xxh3.Hash(data) != s.Sum && !fault.Planted("P15-sum") {
		return nil, &damage{path, s.Off, fmt.Sprintf("section of operator %q has another checksum than the commit record", s.Operator)}
	}
	rec, err := decodeRecord(data)
	if err != nil {
		return nil, &damage{path, s.Off, fmt.Sprintf("section of operator %q: %v", s.Operator, err)}
	}
	if rec.NumRows() != s.Rows {
		return nil, &damage{path, s.Off, fmt.Sprintf("section of operator %q has %d rows, the commit record says %d", s.Operator, rec.NumRows(), s.Rows)}
	}
	return rec, nil
}

// path is where a state file is; a name that leads elsewhere is damage.
func (d *StateDir) path(file string) (string, error) {
	path := filepath.Join(d.dir, stateDir, file)
	if file == "" || file != filepath.Base(file) || strings.HasPrefix(file, ".") {
		return "", &damage{path, nowhere, "not the name of a state file"}
	}
	return path, nil
}

func readSection(path string, s Section) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &damage{path, nowhere, "file is missing"}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if s.Off < 0 || s.Len < 0 || s.Len > maxSection || s.Off > info.Size()-s.Len {
		return nil, &damage{path, s.Off, fmt.Sprintf("file of %d bytes ends before the section of operator %q", info.Size(), s.Operator)}
	}
	data := make([]byte, s.Len)
	if _, err := f.ReadAt(data, s.Off); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// Check verifies a whole delta against ref.
func (d *StateDir) Check(ref DeltaRef) error {
	path, err := d.path(ref.File)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return &damage{path, nowhere, "file is missing"}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	alone := !strings.HasSuffix(ref.File, tractSuffix)
	if end := ref.At + ref.Bytes; ref.At < 0 || ref.Bytes < 0 || end < ref.At || info.Size() < end || alone && (info.Size() != end || ref.At != 0) {
		return &damage{path, min(info.Size(), max(end, 0)), fmt.Sprintf("file has %d bytes, the commit record says %d", info.Size(), end)}
	}
	whole := xxh3.New()
	if _, err := io.Copy(whole, io.NewSectionReader(f, ref.At, ref.Bytes)); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if whole.Sum64() != ref.Sum && !fault.Planted("P15-sum") {
		return &damage{path, nowhere, fmt.Sprintf("batch %d has another checksum than the commit record", ref.Batch)}
	}
	return nil
}

// sync makes the deltas of batches (after, until] durable, each file once.
func (d *StateDir) sync(refs []DeltaRef, after, until int64) error {
	synced := map[string]bool{}
	for _, ref := range refs {
		if ref.Batch <= after || ref.Batch > until || synced[ref.File] {
			continue
		}
		path, err := d.path(ref.File)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			return &damage{path, nowhere, "file is missing"}
		}
		if err != nil {
			return err
		}
		err = syncData(f)
		f.Close()
		if err != nil {
			return err
		}
		synced[ref.File] = true
	}
	if len(synced) == 0 {
		return nil
	}
	return slot.SyncDir(filepath.Join(d.dir, stateDir))
}

// plain makes s fit for a file name, as one word without dashes.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '_'
	}, s)
}

// batchOf is the batch in the name of a state file or journal.
func batchOf(name string) (int64, bool) {
	digits, _, ok := strings.Cut(name, "-")
	if !ok || len(digits) < 12 {
		return 0, false
	}
	b, err := strconv.ParseInt(digits, 10, 64)
	return b, err == nil && b >= 0
}
