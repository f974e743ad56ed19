package windows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/bench/run"
	"github.com/millrace/millrace/bench/store"
	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/gctune"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// The workloads "sessions" and "close" open --keys windows, and then close a tenth of them in one batch, open as many again, and so on. Users come in ten
// cohorts, an hour of event time apart, and a cohort's windows are open for ten hours: sessions because that is their gap, hours of the clock ("close") because the
// watermark is so far behind. What closes a cohort is one row a source partition, of a time that is late enough.
//
//	cohort   0  1  2 …  9 | 0 closes | 10 (the users of 0) | 1 closes | 11 …
//	batches  4  4  4 …  4 |     1    |           4         |     1    |  4 …
const (
	cohorts      = 10
	cohortHours  = time.Hour
	cohortSpread = 30 * time.Minute // times of a cohort; those that close one are a quarter of an hour behind
	closingTopic = "visits"
	closings     = 20
	openings     = 4 // batches that open a cohort's windows: scripted batches must fit into the read-ahead
)

// jobEnv marks the process that runs these jobs; its value is their options.
const jobEnv = "MILLRACE_BENCH_CLOSING"

// Closing is what the workloads "sessions" and "close" print.
type Closing struct {
	Work    string  `json:"work"`
	Master  string  `json:"master"`
	Windows int     `json:"windows_open"`
	Closing int     `json:"windows_closed_per_batch"`
	Batches int     `json:"batches_measured"`
	P50     float64 `json:"batch_p50_ms"` // from plan to published
	Max     float64 `json:"batch_max_ms"`
	CPU     float64 `json:"cpu_p50_ms"` // of the process, from one batch to the next
	CPUMax  float64 `json:"cpu_max_ms"`
	Open    float64 `json:"open_cpu_p50_us_per_row"` // of a batch that opens windows: all that a row costs
	Heap    float64 `json:"live_heap_mb"`            // with all windows open, behind a collection
	PeakMB  float64 `json:"peak_rss_mb"`             // of the job's process, until all windows were open
	GrownMB float64 `json:"grown_rss_mb"`            // by how much that is more than before the job began
	EndMB   float64 `json:"peak_rss_end_mb"`         // until the end
	Correct bool    `json:"correct"`
	Why     string  `json:"why_not,omitempty"`
}

// visit is a row of the input.
type visit struct {
	User  string    `json:"user"`
	At    time.Time `json:"at"`
	Pages int64     `json:"pages"`
}

// visitor is user n of all.
func visitor(n int) string { return fmt.Sprintf("user-%07d", n) }

// cohortTime is when a visitor of cohort c comes.
func cohortTime(c, n int) time.Time {
	return time.Unix(1_700_000_000, 0).UTC().Truncate(cohortHours).Add(time.Duration(c)*cohortHours + time.Duration(n)*7919*time.Microsecond%cohortSpread)
}

// closer is the time that closes cohort c.
func closer(c int) time.Time { return cohortTime(c+cohorts, 0).Add(cohortSpread * 3 / 2) }

// closingJob counts the visits of a session, or of an hour.
func closingJob(work string) func(j *dstream.Job) {
	return func(j *dstream.Job) {
		visits, delay, window := dstream.From(j, source.LogJSON[visit](closingTopic)).Frame(), time.Duration(0), dstream.Session(cohorts*cohortHours)
		if work == "close" {
			delay, window = (cohorts-1)*cohortHours, dstream.Tumbling(cohortHours)
		}
		visits.EventTime("at", delay).Window(window).GroupBy("user").
			Agg("visits", expr.Count().As("visits"), expr.Sum("pages").As("pages")).
			To(sink.LogJSON("out-" + work))
	}
}

// Close loads the rows, runs the job in a process of its own and checks what it wrote.
func Close(ctx context.Context, o run.Options) (*Closing, error) {
	if o.Keys < 1000 || o.Keys%cohorts != 0 || o.Keys/cohorts%7919 == 0 {
		return nil, fmt.Errorf("--keys %d: want a multiple of %d, and 1000 at least", o.Keys, cohorts)
	}
	if err := os.RemoveAll(filepath.Join(o.Lab, o.Work)); err != nil {
		return nil, err
	}
	cuts, err := loadVisits(ctx, o)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(cuts)
	if err == nil {
		err = os.WriteFile(filepath.Join(o.Lab, o.Work, "cuts.json"), data, 0o644)
	}
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	options, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env, cmd.Stderr = append(os.Environ(), jobEnv+"="+string(options)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the job: %w", err)
	}
	r := &Closing{}
	if err := json.Unmarshal(out, r); err != nil {
		return nil, fmt.Errorf("the job's figures: %w", err)
	}
	st, err := store.OpenLog(filepath.Join(o.Lab, o.Work))
	if err != nil {
		return nil, err
	}
	defer st.Close()
	err = checkVisits(ctx, o, st, "out-"+o.Work)
	if r.Correct = err == nil; err != nil {
		r.Why = err.Error()
	}
	return r, nil
}

// loadVisits writes all rows and gives the batches that they are read in.
func loadVisits(ctx context.Context, o run.Options) (cuts []driver.Cut, err error) {
	log, err := commitlog.Create(store.LogDir(filepath.Join(o.Lab, o.Work)), commitlog.Options{})
	if err != nil {
		return nil, err
	}
	defer log.Close()
	t, err := log.Create(closingTopic, commitlog.Settings{Partitions: store.Partitions})
	if err != nil {
		return nil, err
	}
	p, err := t.Producer()
	if err != nil {
		return nil, err
	}
	var until [store.Partitions]int64
	send := func(user string, at time.Time) {
		val, fault := json.Marshal(visit{user, at, 1})
		err = errors.Join(err, fault, p.Send([]byte(user), val, at.UnixMicro()))
		until[commitlog.PartitionOf([]byte(user), store.Partitions)]++
	}
	cut := func() {
		c := map[string]int64{}
		for part, n := range until {
			c[strconv.Itoa(part)] = n
		}
		cuts = append(cuts, driver.Cut{Until: map[string]map[string]int64{"log:" + closingTopic: c}})
	}
	size, clocks := o.Keys/cohorts, clockUsers()
	for c := range cohorts + closings {
		if c >= cohorts {
			for _, user := range clocks {
				send(user, closer(c-cohorts))
			}
			cut()
		}
		for i := range size {
			n := i * 7919 % size
			send(visitor(c%cohorts*size+n), cohortTime(c, n))
			if i == size-1 || (i+1)%(size/openings) == 0 && i/(size/openings) < openings-1 {
				cut()
			}
		}
	}
	return cuts, errors.Join(err, p.Sync(ctx), p.Close())
}

// clockUsers are users of each source partition.
func clockUsers() []string {
	users := make([]string, store.Partitions)
	for n, left := 0, store.Partitions; left > 0; n++ {
		user := fmt.Sprintf("clock-%d", n)
		if part := commitlog.PartitionOf([]byte(user), store.Partitions); users[part] == "" {
			users[part] = user
			left--
		}
	}
	return users
}

// IsJob tells whether this process is one that Close has started; main then calls RunJob.
func IsJob() bool { return os.Getenv(jobEnv) != "" }

// RunJob is the process of the job: it runs the batches one after another and prints the figures.
func RunJob(ctx context.Context) error {
	var o run.Options
	if err := json.Unmarshal([]byte(os.Getenv(jobEnv)), &o); err != nil {
		return fmt.Errorf("%s: %w", jobEnv, err)
	}
	dir := filepath.Join(o.Lab, o.Work)
	var cuts []driver.Cut
	data, err := os.ReadFile(filepath.Join(dir, "cuts.json"))
	if err == nil {
		err = json.Unmarshal(data, &cuts)
	}
	if err != nil {
		return err
	}
	defer gctune.Start()()
	m := &closingMeter{profilePath: o.Profile, before: run.OwnPeak()}
	cfg := driver.Config{
		Name: "bench-" + o.Work, Checkpoint: filepath.Join(dir, "checkpoint"), LogDir: filepath.Join(dir, "log"), Master: o.Master, Cuts: cuts, Depth: 1,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Listeners: []driver.Listener{m.listener()},
	}
	if err := driver.Run(ctx, closingJob(o.Work), cfg); err != nil {
		return err
	}
	r := m.result()
	r.Work, r.Master, r.Windows, r.Closing = o.Work, o.Master, o.Keys, o.Keys/cohorts
	return json.NewEncoder(os.Stdout).Encode(r)
}

// closingMeter takes times of batches once all windows are open: those of one row a source partition close, the others open.
type closingMeter struct {
	last            time.Duration // CPU of the process when the batch before was published: one follows the other
	took, cpu, open []float64
	before          float64 // peak RSS
	heap, filled    float64
	profile         *os.File
	profilePath     string
}

func (m *closingMeter) listener() driver.Listener {
	return driver.Listener{
		BatchCompleted: func(b driver.BatchCompleted) {
			now := cpuTime()
			cpu := millis(now - m.last)
			m.last = now
			switch {
			case b.Batch == cohorts*openings:
				m.full()
			case b.Rows == store.Partitions:
				m.took, m.cpu = append(m.took, millis(b.TotalDelay())), append(m.cpu, cpu)
			case b.Batch > cohorts*openings:
				m.open = append(m.open, cpu*1000/float64(b.Rows))
			}
		},
	}
}

// full takes the memory once all windows are open, and begins the profile if one is wanted.
func (m *closingMeter) full() {
	m.filled = run.OwnPeak()
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	defer func() { m.last = cpuTime() }()
	m.heap = float64(mem.HeapAlloc) / (1 << 20)
	if path := m.profilePath; path != "" {
		f, err := os.Create(path)
		if err == nil && pprof.StartCPUProfile(f) == nil {
			m.profile = f
		}
		if h, err := os.Create(path + ".heap"); err == nil {
			_ = pprof.WriteHeapProfile(h)
			h.Close()
		}
	}
}

func (m *closingMeter) result() *Closing {
	if m.profile != nil {
		pprof.StopCPUProfile()
		m.profile.Close()
	}
	for _, list := range [][]float64{m.took, m.cpu, m.open} {
		slices.Sort(list)
	}
	middle, last := func(list []float64) float64 { return list[len(list)/2] }, func(list []float64) float64 { return list[len(list)-1] }
	return &Closing{
		Batches: len(m.took), P50: middle(m.took), Max: last(m.took), CPU: middle(m.cpu), CPUMax: last(m.cpu), Open: middle(m.open),
		Heap: m.heap, PeakMB: m.filled, GrownMB: m.filled - m.before, EndMB: run.OwnPeak(),
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// checkVisits wants one row for each window that has closed, of one visit each.
func checkVisits(ctx context.Context, o run.Options, st store.Store, topic string) error {
	size := o.Keys / cohorts
	var bad error
	rows, seen := 0, make([]int, o.Keys)
	err := st.Read(ctx, topic, func(_, val []byte) {
		var v struct {
			User          string
			Visits, Pages int64
		}
		if err := json.Unmarshal(val, &v); err != nil {
			bad = err
			return
		}
		var n int
		if _, err := fmt.Sscanf(v.User, "user-%d", &n); err == nil && n < len(seen) && v.Visits == 1 && v.Pages == 1 {
			seen[n]++
			rows++
		} else if err == nil {
			bad = fmt.Errorf("%s has %d visits and %d pages, want 1", v.User, v.Visits, v.Pages)
		}
	})
	if err := errors.Join(err, bad); err != nil {
		return err
	}
	for n, got := range seen {
		if want := closings / cohorts; got != want {
			return fmt.Errorf("%d windows of %s have closed, want %d; %d of all, want %d", got, visitor(n), want, rows, closings*size)
		}
	}
	return nil
}
