package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// jobEnv marks the process that runs the job; its value says which kind. The others name files: startedEnv one that is there
// once batches are cut, meterEnv and profileEnv what the job's process measures of itself.
const (
	jobEnv     = "MILLRACE_BENCH_JOB"
	startedEnv = "MILLRACE_BENCH_STARTED"
	meterEnv   = "MILLRACE_BENCH_METER"
	profileEnv = "MILLRACE_BENCH_PROFILE"
)

// summary is what the job writes with --summary.
type summary struct {
	Rows         int64   `json:"rows"`
	Batches      int64   `json:"batches"`
	FirstPlanned int64   `json:"first_planned"` // µs since 1970
	FirstOutput  int64   `json:"first_published"`
	LastOutput   int64   `json:"last_published"`
	CutMicros    float64 `json:"cut_us"`
	LaunchMicros float64 `json:"launch_us"`
	CommitMicros float64 `json:"commit_us"`
	BatchP50     int64   `json:"batch_p50"` // ns
	BatchP99     int64   `json:"batch_p99"`
}

// job is the process under test.
type job struct {
	o     *Options
	cmd   *exec.Cmd
	began time.Time
	peaks *peaks
}

// start runs the job in a process of its own.
func (o *Options) start(extra ...string) (*job, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{o.path("meter.json"), o.path("summary.json"), o.path("started"), o.profile()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	cmd := exec.Command(self, o.jobArgs(extra...)...)
	cmd.Env = append(os.Environ(), jobEnv+"=1", meterEnv+"="+o.path("meter.json"), startedEnv+"="+o.path("started"))
	if o.Stages || o.Profile != "" {
		cmd.Env = append(cmd.Env, profileEnv+"="+o.profile())
	}
	if o.Quiet == nil {
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	} else {
		cmd.Stdout, cmd.Stderr = o.Quiet, o.Quiet
	}
	j := &job{o: o, cmd: cmd, began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	j.peaks = watchPeaks(cmd.Process.Pid)
	return j, nil
}

// running starts the job and waits until it runs: what comes behind it leaves the start out.
func (o *Options) running(ctx context.Context, extra ...string) (*job, error) {
	j, err := o.start(extra...)
	if err != nil {
		return nil, err
	}
	return j, j.ready(ctx)
}

// profile is where the job's CPU profile goes.
func (o *Options) profile() string {
	if o.Profile != "" {
		return o.Profile
	}
	return o.path("cpu.prof")
}

// startLimit is how long a job may take until it runs.
const startLimit = time.Minute

// ready waits until the job runs. A job that does not come so far is ended.
func (j *job) ready(ctx context.Context) error {
	for {
		switch _, err := os.Stat(j.o.path("started")); {
		case err == nil:
			return nil
		case ctx.Err() != nil || time.Since(j.began) > startLimit:
			return errors.Join(fmt.Errorf("the job does not run after %v", time.Since(j.began).Round(time.Second)), ctx.Err(), j.cmd.Process.Kill(), j.cmd.Wait())
		case j.ended():
			return fmt.Errorf("the job: %w", j.cmd.Wait())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// ended tells whether the process is over and waits to be asked for its status.
func (j *job) ended() bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", j.cmd.Process.Pid))
	_, state, _ := strings.Cut(string(data), ") ")
	return err == nil && strings.HasPrefix(state, "Z")
}

// interrupt lets the job drain and end.
func (j *job) interrupt() error { return j.cmd.Process.Signal(os.Interrupt) }

// finish waits for the job and takes its figures. records below 0: as many as the job has read.
func (j *job) finish(records int) (*Result, error) {
	err := j.cmd.Wait()
	peak := j.peaks.end()
	if err != nil {
		return nil, fmt.Errorf("the job: %w", err)
	}
	wall := time.Since(j.began).Seconds()
	m, err := readJSON[summary](j.o.path("summary.json"))
	if err != nil {
		return nil, fmt.Errorf("the job's summary: %w", err)
	}
	if records < 0 {
		records = int(m.Rows)
	}
	r := j.o.fresh()
	r.Records = records
	r.CPUUser, r.CPUSystem = j.cmd.ProcessState.UserTime().Seconds(), j.cmd.ProcessState.SystemTime().Seconds()
	cpu := r.CPUUser + r.CPUSystem
	if records > 0 {
		r.CPU = cpu / float64(records) * 1e6
	}
	r.PeakMB, r.Cores = peak, cpu/wall
	r.rowsRead = m.Rows
	if m.FirstOutput > 0 {
		r.Startup = float64(m.FirstOutput-j.began.UnixMicro()) / 1e6
	}
	r.Batches, r.BatchP50, r.BatchP99 = m.Batches, float64(m.BatchP50)/1e6, float64(m.BatchP99)/1e6
	r.Cut, r.Launch, r.Commit = m.CutMicros, m.LaunchMicros, m.CommitMicros
	if d := m.LastOutput - m.FirstPlanned; d > 0 {
		r.EventsPerS = float64(records) / (float64(d) / 1e6)
	}
	if err := j.takeMeter(r); err != nil {
		return nil, err
	}
	return r, j.takeStages(r)
}

// takeMeter adds what the process has measured of itself. With several processes the driver's own says little.
func (j *job) takeMeter(r *Result) error {
	if strings.HasPrefix(j.o.Master, "procs") {
		return nil
	}
	m, err := readJSON[meterFigures](j.o.path("meter.json"))
	if err != nil {
		return fmt.Errorf("the job's own figures: %w", err)
	}
	r.Steady, r.Allocs, r.GCShare = m.CPU, m.Allocs, m.GCShare
	return nil
}

func readJSON[T any](path string) (v T, err error) {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	return v, err
}

// TreeCPU is the user and system time so far of this process and of the children that run, in seconds.
func TreeCPU() (float64, error) { return treeCPU(os.Getpid()) }

// treeCPU is the user and system time so far of a process and its children, in seconds.
func treeCPU(pid int) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the name may hold anything
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, data)
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	sum := (user + system) / 100 // Linux counts them in hundredths, whatever the kernel's tick
	list, err3 := children(pid)
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, err
	}
	for _, c := range list {
		more, err := treeCPU(c)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		sum += more
	}
	return sum, nil
}

// children are the processes that a process has started and that run.
func children(pid int) (list []int, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it has ended, or this is a kernel without that list
	}
	for _, c := range strings.Fields(string(data)) {
		if n, err := strconv.Atoi(c); err == nil {
			list = append(list, n)
		}
	}
	return list, err
}
