package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/internal/slot"
)

const (
	logDir     = "log"
	epochDir   = "epochs"
	stateDir   = "state"
	journalDir = "journal"
	valueDir   = "values"
	indexFile  = "index.db"

	segmentSuffix = ".seg"
	epochPrefix   = "e"

	// segmentBytes is where a segment rolls: the length of its frames without the header. One frame may be longer than that.
	segmentBytes = 4 << 20
	// maxSegment is more than any segment can have: a header, a quarter of that in frames, and one more frame.
	maxSegment = segmentBytes + 3*(maxPayload+frameOverhead)
)

func segmentName(n int64) string { return slot.Name("", n, segmentSuffix) }
func epochName(n int64) string   { return slot.Name(epochPrefix, n, "") }

// segment is what a reader found in one file of the log.
type segment struct {
	number int64
	epoch  int64
	first  int64 // lowest and highest batch that it says anything of, 0 for none: plans, commits, state
	last   int64
	bytes  int64 // that count
	torn   int64 // behind them, in the last segment
	void   int64 // behind them, in others: an old driver wrote on after it had been replaced
	micros int64
}

// note widens first and last by what e says.
func (s *segment) note(e *entry) {
	add := func(b int64) {
		if s.first == 0 || b < s.first {
			s.first = b
		}
		s.last = max(s.last, b)
	}
	if e.Plan != nil {
		add(e.Plan.Batch)
	}
	for _, c := range e.Commits {
		add(c.Batch)
	}
	if e.Replaced != nil {
		for _, d := range e.Replaced.Deltas {
			add(d.Batch)
		}
	}
}

// logged is a whole batch log as it was read.
type logged struct {
	ledger   *ledger
	segments []segment
}

// tornBytes is what is cut from the end.
func (l *logged) tornBytes() int64 {
	if len(l.segments) == 0 {
		return 0
	}
	return l.segments[len(l.segments)-1].torn
}

// rereads bounds how often a log is read again when a running driver may have caused what looked wrong: it removed a
// segment, or wrote a frame while we read before and behind it.
const rereads = 5

// readLog reads the batch log in dir. It takes nothing over and changes nothing; a driver may be writing. An empty or missing
// log gives an empty ledger.
func readLog(dir string) (*logged, error) {
	for try := 1; ; try++ {
		l, err := readLogOnce(dir)
		if err == nil || try == rereads || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged) {
			return l, err
		}
	}
}

func readLogOnce(dir string) (*logged, error) {
	numbers, err := slot.List(filepath.Join(dir, logDir), "", segmentSuffix)
	if err != nil {
		return nil, err
	}
	l := &logged{ledger: newLedger()}
	var before *segmentFile
	for i, n := range numbers {
		f, err := readSegmentFile(dir, n)
		if err != nil {
			return nil, err
		}
		if i > 0 && n != before.number+1 {
			return nil, &damage{file: filepath.Join(dir, logDir, segmentName(before.number+1)), off: nowhere, what: "segment is missing"}
		}
		if before != nil {
			if err := l.take(before, f.head.Accepted, f.number); err != nil {
				return nil, err
			}
		}
		before = f
	}
	if before != nil {
		return l, l.take(before, -1, 0)
	}
	return l, nil
}

// segmentFile is a segment's bytes, with its header decoded.
type segmentFile struct {
	number int64
	path   string
	data   []byte
	head   *header
}

func readSegmentFile(dir string, number int64) (*segmentFile, error) {
	f := &segmentFile{number: number, path: filepath.Join(dir, logDir, segmentName(number))}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSegment {
		return nil, &damage{file: f.path, off: maxSegment, what: "segment is longer than any can be"}
	}
	f.data = make([]byte, info.Size())
	n, err := io.ReadFull(file, f.data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) { // its writer may cut it meanwhile
		return nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	f.data = f.data[:n]
	f.head, err = headerOf(number, f.data)
	return f, inFile(err, f.path)
}

// headerOf is the header of segment n. A segment is created whole: one without a header is damaged, never torn.
func headerOf(n int64, data []byte) (*header, error) {
	payload, ok := payloadAt(data, place{n, 0})
	if !ok {
		return nil, &damage{what: errNoHeader.Error()}
	}
	e, err := decodeEntry(payload)
	switch {
	case err != nil:
		return nil, &damage{what: fmt.Sprintf("segment header cannot be decoded: %v", err)}
	case e.Header == nil:
		return nil, &damage{what: errNoHeader.Error()}
	case e.Header.Format != format:
		return nil, fmt.Errorf("batch log has format %d, this program reads %d: use the program that wrote it", e.Header.Format, format)
	case e.Header.Number != n:
		return nil, &damage{what: fmt.Sprintf("header of segment %d", e.Header.Number)}
	}
	return e.Header, nil
}

// take reads the frames of f into the ledger. accepted is how many of its bytes count according to segment next; -1 for the last segment, whose
// tail may be torn.
func (l *logged) take(f *segmentFile, accepted, next int64) error {
	data := f.data
	if accepted >= 0 {
		if accepted > int64(len(data)) {
			return &damage{file: f.path, off: int64(len(data)), what: fmt.Sprintf("segment is cut short: segment %d accepted %d bytes", next, accepted)}
		}
		data = data[:accepted]
	}
	scan, err := scanSegment(f.number, data)
	if err != nil {
		return inFile(err, f.path)
	}
	if accepted >= 0 && scan.end != accepted {
		return &damage{file: f.path, off: scan.end, what: fmt.Sprintf("no valid frame, though segment %d accepted %d bytes", next, accepted)}
	}
	s := segment{number: f.number, epoch: f.head.Epoch, bytes: scan.end, torn: scan.torn, micros: f.head.Micros}
	if accepted >= 0 {
		s.void = int64(len(f.data)) - accepted - zeros(f.data[accepted:])
	}
	if l.ledger.uuid != "" {
		if why := l.ledger.contradicts(f.head); why != "" {
			return &damage{file: f.path, what: why}
		}
	}
	for _, fr := range scan.frames {
		if err := l.ledger.check(fr.entry); err != nil {
			return &damage{file: f.path, off: fr.off, what: err.Error()}
		}
		l.ledger.apply(fr.entry, fr.place)
		s.note(fr.entry)
	}
	l.segments = append(l.segments, s)
	return nil
}

// zeros counts the zero bytes at b's end: space that was reserved and never written.
func zeros(b []byte) int64 {
	n := len(b)
	for n >= len(zeroBlock) && bytes.Equal(b[n-len(zeroBlock):n], zeroBlock[:]) {
		n -= len(zeroBlock)
	}
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return int64(len(b) - n)
}

var zeroBlock [4096]byte

// readPlan reads the plan record of batch b at p.
func readPlan(dir string, b int64, p place) (*Plan, error) {
	path := filepath.Join(dir, logDir, segmentName(p.segment))
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("plan of batch %d was pruned", b)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, frameOverhead)
	if _, err := f.ReadAt(head, p.off); err != nil {
		return nil, &damage{path, p.off, fmt.Sprintf("plan of batch %d: %v", b, err)}
	}
	e, err := entryAt(f, p, head)
	if err != nil {
		return nil, &damage{path, p.off, fmt.Sprintf("plan of batch %d: %v", b, err)}
	}
	if e.Plan == nil || e.Plan.Batch != b {
		return nil, &damage{path, p.off, fmt.Sprintf("not the plan of batch %d", b)}
	}
	return e.Plan, nil
}
