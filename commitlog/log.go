package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// DefaultSyncInterval is how long an appended record waits at most for the fsync that it shares with others.
const DefaultSyncInterval = 5 * time.Millisecond

// Options are a log's settings in this process. The zero value works.
type Options struct {
	SyncInterval time.Duration // longest wait of an appended record for its fsync; 0: DefaultSyncInterval
	Clock        clock.Clock   // nil: the machine's
	Log          *slog.Logger  // nil: silent. Warn: bytes cut by recovery. Info: segments removed
	MaxPending   int           // bytes that a Writer holds unwritten before Append blocks; 0: 32 MiB

	wrap         func(segmentFile) segmentFile // tests: what stands between the writer and its file
	journalAfter int                           // tests: small commits that bring a topic's journal into being; 0: journalAfter
	journalHalf  int64                         // tests: bytes of half of a journal; 0: journalHalf
}

// Log is a directory of topics, as this process sees it. It is safe for concurrent use.
type Log struct {
	dir string
	opt Options
	hub *hub

	mu       sync.Mutex // guards parts and journals, and the journals' refs
	parts    map[string]*partition
	journals map[string]*journal // by topic, of those that have writers here
	closed   bool
}

// Open opens the log in dir. ErrNoLog: there is no such directory; Create makes one, and so does Log.Create.
func Open(dir string, o Options) (*Log, error) {
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("log %s: %w here; make one with: millrace log create %s --topic NAME", dir, ErrNoLog, dir)
	case err != nil:
		return nil, fmt.Errorf("log: %w", err)
	case !st.IsDir():
		return nil, fmt.Errorf("log %s: is a file, not a directory", dir)
	}
	if o.SyncInterval <= 0 {
		o.SyncInterval = DefaultSyncInterval
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 32 << 20
	}
	if o.Clock == nil {
		o.Clock = clock.Fine{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Log{dir: dir, opt: o, hub: newHub(o.Clock), parts: map[string]*partition{}, journals: map[string]*journal{}}, nil
}

// Create is Open, and makes the directory (and its parents) where it is missing.
func Create(dir string, o Options) (*Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return Open(dir, o)
}

// Dir is the log's directory.
func (l *Log) Dir() string { return l.dir }

// Close ends what the log runs in the background. Close readers and writers before.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	return l.hub.close()
}

// Topics are the names of the topics that exist now, sorted.
func (l *Log) Topics() ([]string, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() || checkName(e.Name()) != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(l.dir, e.Name(), settingsFile)); err == nil {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// checkName allows the names that Kafka allows.
func checkName(name string) error {
	ok := name != "" && len(name) <= 249 && name[0] != '.' && strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}) < 0
	if !ok {
		return fmt.Errorf("topic name %q: use letters, digits, '.', '_' and '-' (not first '.'), at most 249", name)
	}
	return nil
}

// partition is the one object for a partition in this log.
func (l *Log) partition(topic string, num int) (*partition, error) {
	dir := filepath.Join(l.dir, topic, fmt.Sprint(num))
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.parts[dir]; p != nil {
		return p, nil
	}
	if l.closed {
		return nil, fmt.Errorf("log %s: %w", l.dir, ErrClosed)
	}
	if _, err := os.Stat(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("topic %s partition %d: %w", topic, num, ErrNoPartition)
		}
		return nil, fmt.Errorf("topic %s partition %d: %w", topic, num, err)
	}
	p := &partition{log: l, topic: topic, num: num, dir: dir, index: map[int64]*segmentIndex{}}
	l.parts[dir] = p
	return p, nil
}

// journal is the journal of a topic's writers in this process, for one more of them.
func (l *Log) journal(topic string) *journal {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.journals[topic]
	if j == nil {
		j = newJournal(filepath.Join(l.dir, topic, journalDir), &l.opt)
		l.journals[topic] = j
	}
	j.refs++
	return j
}

// leave gives a topic's journal up for one writer; the last one closes it.
func (l *Log) leave(topic string, j *journal) error {
	l.mu.Lock()
	j.refs--
	last := j.refs == 0
	if last {
		delete(l.journals, topic)
	}
	l.mu.Unlock()
	if !last {
		return nil
	}
	return j.close()
}
