package checkpoint

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/slot"
)

// Open takes the checkpoint in dir over, or makes one: it creates the next epoch slot (P4), reads the batch log and cuts a torn tail. A directory that
// is damaged, belongs to another job or holds something else is refused before anything is taken from a driver that may be running.
func Open(dir string, o Options) (*Store, *Recovered, error) {
	if dir == "" {
		return nil, nil, errors.New("no checkpoint directory: name one with --checkpoint")
	}
	o.fill()
	s, r, err := open(dir, o)
	if errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), "restore") {
		err = fmt.Errorf("%w; nothing was changed: restore the directory from a copy (millrace checkpoint verify %s shows all of the damage), or start anew with an empty one and another output", err, dir)
	}
	if err != nil {
		return nil, nil, explain(dir, err)
	}
	return s, r, nil
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.Fine{}
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.openFile == nil {
		o.openFile = openLogFile
	}
	o.roll = cmp.Or(o.roll, segmentBytes)
}

func open(dir string, o Options) (*Store, *Recovered, error) {
	if err := prepare(dir); err != nil {
		return nil, nil, err
	}
	if err := judge(dir, o.Job); err != nil {
		return nil, nil, err
	}
	state, err := OpenState(dir)
	if err != nil {
		return nil, nil, err
	}
	s := &Store{dir: dir, o: o, state: state, fresh: map[[32]byte]int{}}
	if s.epoch, err = takeEpoch(dir, o); err != nil {
		return nil, nil, err
	}
	log, err := s.takeLog()
	if err != nil {
		return nil, nil, err
	}
	if s.index, err = newIndex(dir, s.epoch, o.Volatile); err == nil {
		err = s.writeIndex()
	}
	if err == nil {
		err = s.index.publish(s.path(indexFile))
	}
	if err != nil {
		s.file.Close()
		return nil, nil, err
	}
	r := s.ledger.recovered()
	r.Fresh, r.TornBytes = len(log.segments) == 0, log.tornBytes()
	return s, r, nil
}

// ours are the names in a checkpoint's directory that this package makes.
var ours = []string{epochDir, logDir, stateDir, journalDir, valueDir, indexFile}

// prepare makes the directories, and refuses a directory that holds something else.
func prepare(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var foreign []string
	known := false
	for _, e := range entries {
		switch {
		case slices.Contains(ours, e.Name()):
			known = true
		case !strings.HasPrefix(e.Name(), ".") && e.Name() != "lost+found":
			foreign = append(foreign, e.Name())
		}
	}
	if len(foreign) > 0 && !known {
		return fmt.Errorf("the directory holds other files (%s) and no checkpoint: name an empty or a new one with --checkpoint", some(foreign))
	}
	for _, name := range []string{"", epochDir, logDir, stateDir, journalDir, valueDir} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return errors.Join(slot.SyncDir(dir), slot.SyncDir(filepath.Dir(filepath.Clean(dir))))
	}
	return nil
}

// some are the first few of names.
func some(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// judge refuses a checkpoint that must not be opened.
func judge(dir, job string) error {
	witness := readIndex(dir)
	log, err := readLog(dir)
	if err != nil {
		return err
	}
	if len(log.segments) == 0 {
		files, err := os.ReadDir(filepath.Join(dir, stateDir))
		if err == nil && len(files) > 0 {
			return &damage{file: filepath.Join(dir, logDir), off: nowhere, what: "no batch log, though there are state files: restore the whole directory, or delete it to begin anew"}
		}
		return err
	}
	if l := log.ledger; job != "" && l.job != "" && l.job != job {
		return fmt.Errorf("it belongs to job %q, this is job %q: start with --name %s, or name another directory with --checkpoint", l.job, job, l.job)
	}
	return witness.missing(dir, log)
}

// takeEpoch creates the next epoch slot: from now on earlier drivers are fenced.
func takeEpoch(dir string, o Options) (int64, error) {
	epochs := filepath.Join(dir, epochDir)
	for {
		taken, err := slot.List(epochs, epochPrefix, "")
		if err != nil {
			return 0, err
		}
		next := int64(1)
		if len(taken) > 0 {
			next = taken[len(taken)-1] + 1
		}
		host, _ := os.Hostname()
		data := fmt.Sprintf("job %s\nhost %s\npid %d\ntime %s\n", o.Job, host, os.Getpid(), o.Clock.Now().UTC().Format("2006-01-02T15:04:05.000000Z"))
		if err = o.createSlot(epochs, epochName(next), []byte(data)); !errors.Is(err, slot.ErrTaken) {
			return next, err
		}
	}
}

// createSlot makes a slot that only its owner may read: durable, unless the checkpoint is volatile.
func (o *Options) createSlot(dir, name string, data []byte) error {
	path := filepath.Join(dir, name)
	if fault.Planted("P4-slot") {
		_ = os.Remove(path)
	}
	if !o.Volatile {
		if err := slot.Create(dir, name, data); err != nil {
			return err
		}
		return os.Chmod(path, 0o600)
	}
	tmp := filepath.Join(dir, fmt.Sprintf(".tmp-%s-%d-%p", name, os.Getpid(), o))
	defer os.Remove(tmp)
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	err := os.Link(tmp, path)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", path, slot.ErrTaken)
	}
	return err
}

// takeLog reads the log and begins a segment of this epoch behind it. A slower driver may get there first: then the log is read again.
func (s *Store) takeLog() (*logged, error) {
	for {
		log, err := readLog(s.dir)
		if err != nil {
			return nil, err
		}
		l := log.ledger
		if l.epoch > s.epoch {
			// A segment of ours behind a later driver's would end that driver too.
			return nil, fmt.Errorf("epoch %d, ours is %d: %w", l.epoch, s.epoch, ErrFenced)
		}
		next, accepted := int64(1), int64(0)
		if n := len(log.segments); n > 0 {
			next, accepted = log.segments[n-1].number+1, log.segments[n-1].bytes
		} else if l.uuid, err = newUUID(s.o.Random); err != nil {
			return nil, err
		}
		l.job = cmp.Or(s.o.Job, l.job)
		err = s.begin(l, next, accepted)
		if errors.Is(err, slot.ErrTaken) {
			if err = s.whoTook(next); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		if n := len(log.segments); n > 0 {
			if err := cut(s.path(logDir, segmentName(log.segments[n-1].number)), accepted); err != nil {
				return nil, err
			}
		}
		l.epoch = s.epoch
		s.ledger, s.old, s.synced = l, log.segments, l.durable
		return log, s.fenced()
	}
}

// whoTook is ErrFenced if segment n was created by a driver with a higher epoch than ours.
func (s *Store) whoTook(n int64) error {
	f, err := readSegmentFile(s.dir, n)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && f.head.Epoch >= s.epoch {
		err = fmt.Errorf("segment %d has epoch %d, ours is %d: %w", n, f.head.Epoch, s.epoch, ErrFenced)
	}
	return err
}

// begin creates segment n and makes it the one that is written.
func (s *Store) begin(l *ledger, n, accepted int64) error {
	h := l.header(n, s.epoch, accepted)
	h.Micros = s.o.Clock.Now().UnixMicro()
	data, err := encodeFrame(&entry{Header: h}, place{n, 0})
	if err != nil {
		return err
	}
	if err := s.o.createSlot(s.path(logDir), segmentName(n), data); err != nil {
		return err
	}
	f, err := s.o.openFile(s.path(logDir, segmentName(n)), s.o.roll+int64(len(data)))
	if err != nil {
		return err
	}
	s.file, s.head, s.at = f, int64(len(data)), place{n, int64(len(data))}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = segment{number: n, epoch: s.epoch, bytes: s.head, micros: h.Micros}
	return nil
}

// rollOver ends the current segment and begins the next. The caller holds writing.
func (s *Store) rollOver() error {
	old, done := s.file, s.current
	s.mu.Lock()
	l := s.ledger
	s.mu.Unlock()
	// Only writers change the ledger, and they hold writing.
	err := s.begin(l, s.at.segment+1, s.at.off)
	if errors.Is(err, slot.ErrTaken) {
		return fmt.Errorf("segment %d: %w", s.at.segment+1, ErrFenced)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.old = append(s.old, done)
	s.mu.Unlock()
	return errors.Join(old.Close(), cut(s.path(logDir, segmentName(done.number)), done.bytes))
}

// cut gives back the space behind a segment's frames. Nothing there counts: a later segment says so, or its writer has ended.
func cut(path string, n int64) error {
	if err := os.Truncate(path, n); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// fenced is ErrFenced if a driver with a higher epoch has begun to take over. It is asked after each fdatasync: while the next epoch's slot
// does not exist, nobody has read the log without the frame. Slots are removed in ascending order, so ours is gone only if a later
// one was there.
func (s *Store) fenced() error {
	if fault.Planted("I9-append") {
		return nil
	}
	if _, err := os.Lstat(s.path(epochDir, epochName(s.epoch+1))); err == nil {
		return fmt.Errorf("epoch %d, ours is %d: %w", s.epoch+1, s.epoch, ErrFenced)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Lstat(s.path(epochDir, epochName(s.epoch))); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the slot of our epoch %d is gone: %w", s.epoch, ErrFenced)
	} else if err != nil {
		return err
	}
	return nil
}

// newUUID is a random UUID, version 4.
func newUUID(random io.Reader) (string, error) {
	var b [16]byte
	if fault.Planted("P5-uuid") {
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
	}
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a UUID: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
