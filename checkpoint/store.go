package checkpoint

import (
	"errors"
	"log/slog"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/clock"
)

// Options say how a store is opened.
type Options struct {
	Log      *slog.Logger
	Clock    clock.Clock
	Job      string // job name, kept for show and checked on reopening
	Volatile bool   // no fsync anywhere: a temporary directory of a job without --checkpoint
}

// ErrFenced is returned once another driver with a higher epoch has taken the checkpoint over (P4, I9).
var ErrFenced = errors.New("another driver has taken over this checkpoint")

// ErrDamaged is in the chain of every error about bytes that do not match their checksum or cannot be read back.
var ErrDamaged = errors.New("damaged")

// Recovered is what a checkpoint knew when it was opened.
type Recovered struct {
	Fresh      bool   // the directory was new
	UUID       string // P5
	Timeline   int64
	Epoch      int64                    // ours: higher than any before
	Committed  int64                    // last committed batch, 0 for none
	Planned    []Plan                   // planned and not committed, ascending, without gaps
	Last       *Plan                    // the last plan of all, nil for none
	Positions  map[string]map[int]int64 // source -> partition -> next offset behind the last plan
	Partitions []Partition              // every partition ever planned, by (source, number)
	Targets    []Range                  // of the first record (P32)
	Operators  []Operator
	Deltas     []DeltaRef // of committed batches, from Horizon's base on, ascending by (batch, file)
	Durable    int64      // state files up to this batch are fsynced; later ones may be torn or missing
	Finished   bool
	TornBytes  int64 // cut from the end of the batch log
}

// Store is an open checkpoint: one driver's. Append is called by one goroutine; other methods may be called concurrently with it.
type Store struct{}

// Open takes the checkpoint in dir over, or makes one: it creates the next epoch slot (P4), reads the batch log and cuts a torn tail.
func Open(dir string, o Options) (*Store, *Recovered, error) { panic("unwritten") }

// Append writes one frame, the commits and then the plan (either may be absent), and returns when it is durable: one fdatasync. ErrFenced: see there.
func (s *Store) Append(plan *Plan, commits []Commit) error { panic("unwritten") }

// Plans reads plan records [from, until] back, for lineage.
func (s *Store) Plans(from, until int64) ([]Plan, error) { panic("unwritten") }

// SetOperators records the program's stateful operators. Operators that the checkpoint has and ops lacks must be in drop. A key or state schema that differs
// is an error that names the operator and shows both schemas.
func (s *Store) SetOperators(ops []Operator, drop []string) error { panic("unwritten") }

// PutValue keeps a shared value's bytes by hash; Value reads them back.
func (s *Store) PutValue(hash [32]byte, name string, data []byte) error { panic("unwritten") }

// Value reads a shared value.
func (s *Store) Value(hash [32]byte) ([]byte, error) { panic("unwritten") }

// Setting keeps a small value beside the checkpoint in the index (segment of settings); "" if absent.
func (s *Store) Setting(key string) (string, error) { panic("unwritten") }

// PutSetting stores a small value in the index, durably.
func (s *Store) PutSetting(key, value string) error { panic("unwritten") }

// Sync fsyncs the state files of committed batches up to b and moves Durable; the driver calls it in the background, then Prune.
func (s *Store) Sync(b int64) error { panic("unwritten") }

// Durable is the last batch up to which state files are fsynced.
func (s *Store) Durable() int64 { panic("unwritten") }

// Horizon is the oldest batch that a restore could still need: state can be rebuilt from Horizon's files on, and plans after it are kept.
func (s *Store) Horizon() int64 { panic("unwritten") }

// Prune removes what is behind Horizon and keep: state files, log segments, journals.
func (s *Store) Prune(keep int64) error { panic("unwritten") }

// Finish marks the job finished (P30): a restart refuses.
func (s *Store) Finish() error { panic("unwritten") }

// Close writes the index and releases the checkpoint.
func (s *Store) Close() error { panic("unwritten") }

// Chain chooses from refs what operator op's key groups [from, until) need to be brought to version at, in order of application. refs are
// committed deltas ascending by batch; ok is false if the refs do not reach back to a full dump (or batch 0) of each group.
func Chain(refs []DeltaRef, op string, from, until int, at int64) (need []DeltaRef, ok bool) {
	panic("unwritten")
}

// StateDir reads and writes state files; every executor that sees the checkpoint's folder has one.
type StateDir struct{}

// OpenState opens the state folder of the checkpoint in dir.
func OpenState(dir string) (*StateDir, error) { panic("unwritten") }

// SectionData is one section to write. Rec may be nil (an empty full dump).
type SectionData struct {
	Operator    string
	From, Until int
	Full        bool
	Rec         arrow.Record
}

// Write writes one delta file, without fsync, under a name made of batch, executor, epoch and attempt. It holds Arrow IPC streams, one a section.
func (d *StateDir) Write(batch, since int64, executor string, epoch int64, attempt int, sections []SectionData) (DeltaRef, error) {
	panic("unwritten")
}

// Load reads one section's rows. A checksum that differs, a missing or torn file is ErrDamaged.
func (d *StateDir) Load(ref DeltaRef, s Section) (arrow.Record, error) { panic("unwritten") }

// Check verifies the whole file against ref.
func (d *StateDir) Check(ref DeltaRef) error { panic("unwritten") }

// WriteJournal keeps the raw records that a task of a mutable source read in a batch (P18), durably.
func (d *StateDir) WriteJournal(batch int64, source string, partition int, data []byte) error {
	panic("unwritten")
}

// ReadJournal reads it back; ok is false if there is none.
func (d *StateDir) ReadJournal(batch int64, source string, partition int) (data []byte, ok bool, err error) {
	panic("unwritten")
}
