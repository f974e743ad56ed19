package commitlog

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
)

// Owner is a writer that outlives its process: a job's sink. Its epoch fences those before it (I9).
type Owner struct {
	Job   string `json:"job"`   // identity; epochs are compared within one
	Epoch int64  `json:"epoch"` // a lower one is refused; the same or a higher one takes over
}

// ownerRecord says who may append; it is the content of the file "owner", changed only under that file's lock.
type ownerRecord struct {
	Owner
	PID   int    `json:"pid"`
	Token string `json:"token"`
	Plain bool   `json:"plain,omitempty"` // by Topic.Writer: the owner is remembered, but holds nothing
}

const (
	ownerName      = "owner"
	writerLockName = "writer.lock"
	ownerBytes     = 512
	takeoverWait   = 10 * time.Second
)

// lease is the right to append to a partition, until another owner takes it.
type lease struct {
	p     *partition
	token string
	alive *os.File // writer.lock, flocked as long as we live

	mu    sync.Mutex // held with the flock on owner, which does not exclude goroutines of one process
	owner *os.File
}

// acquire takes the partition over and returns with the lease locked. ErrLocked: another process writes it. ErrFenced: o is too old.
func acquire(p *partition, o *Owner) (*lease, error) {
	f, err := os.OpenFile(filepath.Join(p.dir, ownerName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, p.wrap(err)
	}
	l := &lease{p: p, token: rand.Text(), owner: f}
	if err := l.flockWithin(takeoverWait); err != nil {
		f.Close()
		return nil, err
	}
	l.mu.Lock()
	if err := l.take(o); err != nil {
		l.unlock()
		f.Close()
		return nil, err
	}
	return l, nil
}

func (l *lease) flockWithin(d time.Duration) error {
	err := flockWithin(l.owner, unix.LOCK_EX, d, l.p.log.opt.Clock)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w: process %d has been in the middle of a commit for %v; end it", ErrLocked, readOwner(l.owner).PID, d)
	}
	return l.p.wrap(err)
}

// flockWithin tries to lock f for as long as d. EWOULDBLOCK: others hold it all the time.
func flockWithin(f *os.File, how int, d time.Duration, c clock.Clock) error {
	for waited := time.Duration(0); ; waited += 2 * time.Millisecond {
		err := flock(f, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || waited >= d {
			return err
		}
		<-c.After(2 * time.Millisecond)
	}
}

// writerAlive tells whether a process holds the partition in dir. The owner lock is held.
func writerAlive(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, writerLockName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // never written
	}
	if err != nil {
		return false, err
	}
	defer unlockAll(f)
	if err = flock(f, unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// take decides under the lock whether we may write, and says so in the owner file.
func (l *lease) take(o *Owner) error {
	rec := readOwner(l.owner)
	if o != nil && rec.Job == o.Job && rec.Epoch > o.Epoch && !fault.Planted("I9-log-epoch") {
		return l.p.wrap(fmt.Errorf("%w: epoch %d of process %d is above ours, %d", ErrFenced, rec.Epoch, rec.PID, o.Epoch))
	}
	path := filepath.Join(l.p.dir, writerLockName)
	alive, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return l.p.wrap(err)
	}
	err = flock(alive, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		alive.Close()
		if o == nil || rec.Plain || (rec.Job != o.Job || o.Job == "") && !ours(rec.Token) {
			return l.p.wrap(fmt.Errorf("%w: process %d%s; one process at a time may write a partition", ErrLocked, rec.PID, jobText(rec)))
		}
		// The last owner is of our own job (or process) and not above our epoch: it may hang, but finds the new token at its next append.
		if alive, err = replaceLock(path); err != nil {
			return l.p.wrap(err)
		}
	} else if err != nil {
		alive.Close()
		return l.p.wrap(err)
	}
	next := ownerRecord{Owner: rec.Owner, PID: os.Getpid(), Token: l.token, Plain: o == nil} // the last owner's epoch is remembered
	if o != nil {
		next.Owner = *o
	}
	if err := writeOwner(l.owner, next); err != nil {
		alive.Close()
		return l.p.wrap(err)
	}
	l.alive = alive
	live.Store(l.token, true)
	return nil
}

// live are the tokens of this process's leases: a job that this process has given up cannot be in its own way.
var live sync.Map

func ours(token string) bool {
	_, ok := live.Load(token)
	return ok
}

func jobText(rec ownerRecord) string {
	if rec.Job == "" || rec.Plain {
		return ""
	}
	return " (job " + rec.Job + ")"
}

// replaceLock puts a lock file of our own in the place of one that another process holds.
func replaceLock(path string) (*os.File, error) {
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(flock(f, unix.LOCK_EX|unix.LOCK_NB), os.Rename(tmp, path)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lock begins a change of the partition. ErrFenced: it is not ours any more.
func (l *lease) lock() error {
	l.mu.Lock()
	if err := flock(l.owner, unix.LOCK_EX); err != nil {
		l.mu.Unlock()
		return l.p.wrap(err)
	}
	if rec := readOwner(l.owner); rec.Token != l.token && !fault.Planted("I9-log") {
		l.unlock()
		return l.p.wrap(fmt.Errorf("%w: process %d, epoch %d", ErrFenced, rec.PID, rec.Epoch))
	}
	return nil
}

func (l *lease) unlock() {
	_ = flock(l.owner, unix.LOCK_UN) // an open file's lock can be given back
	l.mu.Unlock()
}

func (l *lease) close() error {
	live.Delete(l.token)
	return errors.Join(l.alive.Close(), l.owner.Close())
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

// readOwner is the owner record, empty where there is none that can be read.
func readOwner(f *os.File) (rec ownerRecord) {
	var buf [ownerBytes]byte
	n, _ := f.ReadAt(buf[:], 0)
	if n < ownerBytes || binary.LittleEndian.Uint64(buf[ownerBytes-8:]) != xxh3.Hash(buf[:ownerBytes-8]) {
		return rec
	}
	size := int(binary.LittleEndian.Uint16(buf[:]))
	if size > ownerBytes-10 || json.Unmarshal(buf[2:2+size], &rec) != nil {
		return ownerRecord{}
	}
	return rec
}

func writeOwner(f *os.File, rec ownerRecord) error {
	raw, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	if len(raw) > ownerBytes-10 {
		return fmt.Errorf("job name %q is too long", rec.Job)
	}
	var buf [ownerBytes]byte
	binary.LittleEndian.PutUint16(buf[:], uint16(len(raw)))
	copy(buf[2:], raw)
	binary.LittleEndian.PutUint64(buf[ownerBytes-8:], xxh3.Hash(buf[:ownerBytes-8]))
	_, err = f.WriteAt(buf[:], 0)
	return err
}
