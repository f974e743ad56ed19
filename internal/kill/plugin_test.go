package kill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/source"
)

// envDie is, of a plugin's process, the seed by which it kills itself; without it, it does not.
const envDie = "MILLRACE_KILL_DIE"

// viaPlugin is words with its functions in a plugin, which is this binary once more: lines are split in one operator, words counted in another that has state.
func viaPlugin(job *dstream.Job) {
	ref := thisPlugin()
	dstream.From(job, source.LogText("lines")).Frame().
		Via(ref.Op("split")).
		GroupBy("word").Running("words").Via(ref.Op("count")).As[counted]().
		KeyBy(func(c counted) string { return c.Word }).MapValues(func(c counted) int64 { return c.Value }).
		To(output())
}

// thisPlugin is this binary as a plugin of the world.
func thisPlugin() plugins.Ref {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	env := map[string]string{envWorld: os.Getenv(envWorld)}
	if seed := os.Getenv(envDie); seed != "" {
		env[envDie] = seed
	}
	return plugins.Command(self).Set(plugins.Settings{Env: env})
}

type wordRow struct{ Word string }

// counted is a word's row behind the operator, whose output is a number: a column "value".
type counted struct {
	Word  string
	Value int64
}

// servePlugin is the plugin's main function.
func servePlugin() {
	split := plugins.FlatRows("split", func(line string, emit func(wordRow)) {
		for _, w := range strings.Fields(line) {
			emit(wordRow{w})
		}
	})
	count := plugins.Stateful("count", func(_ struct{}, rows []wordRow, st *plugins.State[int64]) []int64 {
		n := st.Get() + int64(len(rows))
		st.Set(n)
		return []int64{n}
	})
	plugins.ServePlugin(plugins.Plugin{Name: "words", Version: "1", Operators: []plugins.Operator{
		{Name: "split", Map: func(config []byte) (plugins.Map, error) {
			m, err := split.Map(config)
			return mortalMap{m}, err
		}},
		{Name: "count", Keyed: func(config []byte) (plugins.Keyed, error) {
			k, err := count.Keyed(config)
			return mortalKeyed{k}, err
		}},
		plugins.SinkOf("rows", rowFiles{}),
	}})
}

// mortalMap and mortalKeyed kill their process at some batches: before they compute, behind that and before the answer, or a moment later.
type (
	mortalMap   struct{ plugins.Map }
	mortalKeyed struct{ plugins.Keyed }
)

func (m mortalMap) Process(ctx context.Context, b plugins.Batch, in arrow.Record) (plugins.Result, error) {
	defer dying("split", b)()
	return m.Map.Process(ctx, b, in)
}

func (k mortalKeyed) Update(ctx context.Context, b plugins.Batch, in plugins.KeyedInput) (plugins.KeyedOutput, error) {
	defer dying("count", b)()
	return k.Keyed.Update(ctx, b, in)
}

// moments of a call at which its process is killed.
var moments = []string{"before", "during", "after"}

// dying kills the process now, or gives what does it behind the work; once for each operator, batch and partition. One call in six dies.
func dying(op string, b plugins.Batch) (behind func()) {
	seed, ok := fate()
	if !ok {
		return func() {}
	}
	rng := rand.New(rand.NewPCG(seed, uint64(b.Number)<<16|uint64(b.Partition)<<8|uint64(len(op)*int(op[0]))))
	if rng.IntN(6) > 0 {
		return func() {}
	}
	return die(moments[rng.IntN(len(moments))], op, fmt.Sprintf("%d-%d", b.Number, b.Partition), rng)
}

// fate is the seed of how plugins of the world die, if they do.
func fate() (seed uint64, ok bool) {
	_, err := fmt.Sscan(os.Getenv(envDie), &seed)
	return seed, err == nil
}

// die kills the process at a moment of a call, unless one was killed there before. The moment is now, or when what it gives is called.
func die(when, op, which string, rng *rand.Rand) (behind func()) {
	note := filepath.Join(os.Getenv(envWorld), fmt.Sprintf("died-%s-%s-%s", when, op, which))
	f, err := os.OpenFile(note, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return func() {}
	}
	if err != nil {
		panic(err)
	}
	_ = f.Close()
	kill := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	switch when {
	case "before":
		kill()
	case "after":
		later := time.Duration(rng.IntN(2000)) * time.Microsecond
		return func() { time.AfterFunc(later, kill) }
	}
	return kill
}

// A plugin that is killed in the middle of batches, at every moment of its work, changes nothing in the output.
func TestKillPlugin(t *testing.T) {
	needProc(t)
	w := outliving(t, func(seed uint64) *world {
		w := scriptedWorld(t, "words", "log", seed, 40)
		w.program = "plugin"
		return w
	})
	w.countDeaths(t, "split", "count")
}

// outliving runs worlds with plugins that live and with plugins that die, which must publish the same; it gives the second.
func outliving(t *testing.T, fresh func(seed uint64) *world) *world {
	t.Helper()
	seed := seedOf(t)
	run := func(env ...string) (*world, published) {
		w := fresh(seed)
		w.master = "procs[2,1]"
		w.env = append(w.env, env...)
		w.flags = append(w.flags, "--retries", "8")
		w.start(t).finish(t)
		w.awaitNoProcess(t, orphanLimit)
		return w, w.verify(t)
	}
	_, want := run()
	w, got := run(fmt.Sprintf("%s=%d", envDie, seed))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		w.failf(t, "the output differs from that of plugins that live (-living +dying):\n%s", diff)
	}
	return w
}

// Drivers and executors that are killed leave no plugin behind, and those that take over start theirs.
func TestKillAroundPlugin(t *testing.T) {
	needProc(t)
	d := &disturbance{job: "words", program: "plugin", sink: "log", scripted: true, seed: seedOf(t)}
	d.rng = rand.New(rand.NewPCG(d.seed, 3))
	for n := max(3, killCount()/3); d.kills < n; d.seed += 100 {
		d.round(t, n-d.kills)
	}
	t.Logf("%d kills, %d of the driver", d.kills, d.drivers)
}
