package kill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/sink"
)

// rowFiles is a plugin's sink: a file for each lane, which is replaced as a whole, with its rows and its marker. A lane's lock is held from reading its file to replacing it, so that
// no owner that was taken over can come between.
type rowFiles struct{}

// rowFile is what such a file holds.
type rowFile struct {
	Owner   plugins.Owner
	Taken   int64 // how often it was taken over
	Marker  []byte
	Batches []rowBatch
}

type rowBatch struct {
	Number int64
	Marker []byte // as it was published with
	Rows   []wordCount
}

// wordCount is a row of the job words.
type wordCount struct {
	Key   string
	Value int64
}

func rowFileName(dir string, lane int) string {
	return filepath.Join(dir, fmt.Sprintf("lane-%d.json", lane))
}

// readRowFile is what a lane's file holds, nothing if there is none.
func readRowFile(path string) (f rowFile, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	return f, err
}

// change replaces a lane's file by what do makes of it.
func change(path string, do func(*rowFile) error) error {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	f, err := readRowFile(path)
	if err == nil {
		err = do(&f)
	}
	if err != nil {
		return err
	}
	b, err := json.Marshal(f)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

func (rowFiles) Lane(_ context.Context, n, _ int, o plugins.Owner) (plugins.TypedLane[wordCount], error) {
	dir := filepath.Join(os.Getenv(envWorld), outDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l := &rowLane{path: rowFileName(dir, n), staged: map[int64][]wordCount{}}
	return l, change(l.path, func(f *rowFile) error {
		if f.Owner.ID == o.ID && f.Owner.Epoch > o.Epoch {
			return plugins.Fenced(fmt.Errorf("%+v is behind %+v", o, f.Owner))
		}
		f.Owner = o
		f.Taken++
		l.taken, l.marker = f.Taken, f.Marker
		return nil
	})
}

// rowLane kills its process at some batches, as mortalMap does.
type rowLane struct {
	path   string
	taken  int64
	marker []byte
	staged map[int64][]wordCount
}

func (l *rowLane) Marker() []byte { return l.marker }

func (l *rowLane) Stage(_ context.Context, b plugins.Batch, rows []wordCount) error {
	defer dyingOnce("stage", b)()
	for n := range l.staged {
		if n >= b.Number {
			delete(l.staged, n)
		}
	}
	l.staged[b.Number] = rows
	return nil
}

func (l *rowLane) Publish(_ context.Context, b plugins.Batch, marker []byte) error {
	defer dyingOnce("publish", b)()
	rows, ok := l.staged[b.Number]
	if !ok {
		return fmt.Errorf("batch %d is published, and was not staged", b.Number)
	}
	err := change(l.path, func(f *rowFile) error {
		if f.Taken != l.taken {
			return plugins.Fenced(fmt.Errorf("%+v has taken the lane over", f.Owner))
		}
		f.Batches = append(f.Batches, rowBatch{b.Number, marker, rows})
		f.Marker = marker
		return nil
	})
	if err == nil {
		delete(l.staged, b.Number)
	}
	return err
}

// dyingOnce is dying where calls are few: each moment of each call comes once, in an order that the seed says, two batches after the one before.
func dyingOnce(call string, b plugins.Batch) (behind func()) {
	seed, ok := fate()
	if !ok {
		return func() {}
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	for i, at := range rng.Perm(2 * len(moments)) {
		if of := []string{"stage", "publish"}[at%2]; of == call && b.Number > int64(2*i) {
			if _, err := os.Stat(filepath.Join(os.Getenv(envWorld), fmt.Sprintf("died-%s-%s-once", moments[at/2], call))); err != nil {
				return die(moments[at/2], call, "once", rng)
			}
		}
	}
	return func() {}
}

func (l *rowLane) Flush(context.Context) error { return nil }
func (l *rowLane) Close() error                { return nil }

// readPlugin reads what the sink has published. The batch of a row is that of the engine's marker, and must be the one that the sink was told.
func (w *world) readPlugin() (published, error) {
	paths, err := filepath.Glob(filepath.Join(w.path(outDir), "lane-*.json"))
	if err != nil {
		return nil, err
	}
	out := published{}
	for _, path := range paths {
		var lane int
		if _, err := fmt.Sscanf(filepath.Base(path), "lane-%d.json", &lane); err != nil {
			return nil, err
		}
		f, err := readRowFile(path)
		if err != nil {
			return nil, err
		}
		for _, b := range f.Batches {
			var m sink.Marker
			if err := cbor.Unmarshal(b.Marker, &m); err != nil || m.Batch != b.Number {
				return nil, fmt.Errorf("lane %d: batch %d was published with the marker of batch %d (%v)", lane, b.Number, m.Batch, err)
			}
			for _, r := range b.Rows {
				out[lane] = append(out[lane], row{b.Number, r.Key, strconv.FormatInt(r.Value, 10)})
			}
		}
	}
	return out, nil
}

// A plugin that is killed while it stages and publishes, at every moment of it, publishes each row once.
func TestKillPluginSink(t *testing.T) {
	needProc(t)
	w := outliving(t, func(seed uint64) *world { return scriptedWorld(t, "words", "plugin", seed, 20) })
	w.countDeaths(t, "stage", "publish")
}

// Drivers, executors and plugins are killed around a sink that is one.
func TestKillAroundPluginSink(t *testing.T) {
	needProc(t)
	d := &disturbance{job: "words", sink: "plugin", scripted: true, seed: seedOf(t)}
	d.rng = rand.New(rand.NewPCG(d.seed, 5))
	for n := max(3, killCount()/3); d.kills < n; d.seed += 100 {
		d.round(t, n-d.kills)
	}
	t.Logf("%d kills, %d of the driver", d.kills, d.drivers)
}

// countDeaths fails the test unless plugins died in these calls, and before, during and after the work of a call.
func (w *world) countDeaths(t *testing.T, calls ...string) {
	t.Helper()
	notes, err := filepath.Glob(w.path("died-*"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, n := range notes {
		parts := strings.Split(filepath.Base(n), "-") // as dying writes them
		count[parts[1]]++
		count[parts[2]]++
	}
	t.Logf("deaths: %v", count)
	for _, what := range append(slices.Clone(moments), calls...) {
		if count[what] == 0 {
			w.failf(t, "no plugin died: %s", what)
		}
	}
}
