package driver

import (
	"time"
)

// Listener hears what happens in a job. Functions that are nil are passed over. Events of one listener come in order, one at a time, on a goroutine of its own, so a
// function may take its time and may call every method of Running but those that wait for the job's end: the job does not wait for it.
//
// Up to 1024 events wait for a listener. Those that come then are dropped, the newest first, and counted: Figures.EventsDropped. JobStopped alone is not dropped.
// A panic of a function is logged once a listener and ends that call only. When the job ends, listeners have a second for what is left
// before AwaitTermination returns; what is not heard by then is heard behind it.
//
// Events tell of this start of the job: a batch that an earlier one had planned and not finished is submitted again, with Again set. They are no record of what was
// published (after a crash some of them were never told); that is in the checkpoint and the sinks.
type Listener struct {
	JobStarted      func(JobStarted)      // executors and partitions are there, and markers are checked
	BatchSubmitted  func(BatchSubmitted)  // ranges are chosen; the plan record is being written
	BatchStarted    func(BatchStarted)    // executors have it
	OutputPublished func(OutputPublished) // all lanes of one sink have published the batch
	BatchCompleted  func(BatchCompleted)  // published everywhere, and the record of that is durable: it never comes again
	BatchFailed     func(BatchFailed)     // an attempt of a task failed
	ExecutorJoined  func(ExecutorJoined)
	ExecutorLost    func(ExecutorLost) // it ended, fell silent, or could not be started; not told of executors that end with the job
	JobStopped      func(JobStopped)   // the last event: everything has ended and is closed, and the checkpoint is free
}

// JobStarted says that batches are cut from now on.
type JobStarted struct {
	At        time.Time
	Running   *Running // the job, for a listener that is to stop it
	Job       string
	Committed int64 // last batch of earlier starts
	Planned   int   // batches that they have planned and not finished: these run first
	Executors int
}

// BatchSubmitted says what a batch will read.
type BatchSubmitted struct {
	Batch   int64
	Time    time.Time    // batch time
	At      time.Time    // when it was due, see BatchCompleted
	Sources []SourceRows // offsets: in a log with gaps these are fewer records. Sources without new ones are left out
	Again   bool         // an earlier start has planned it
}

// SourceRows are a batch's rows from one source.
type SourceRows struct {
	Source string `json:"source"`
	Rows   int64  `json:"rows"`
}

// BatchStarted says that executors work on a batch.
type BatchStarted struct {
	Batch int64
	Time  time.Time
	At    time.Time
}

// OutputPublished says that a batch is visible in one sink.
type OutputPublished struct {
	Batch int64
	Time  time.Time
	Sink  string
	At    time.Time
}

// BatchCompleted sums a batch up. Times are those of Config.Clock.
//
//	Time/Submitted ── SchedulingDelay ── Started ── ProcessingDelay ── Ended      then the record; the event
type BatchCompleted struct {
	Batch     int64
	Time      time.Time    // batch time
	Submitted time.Time    // when it was due: its tick; when it was cut, with asap; when it was taken up again, if an earlier start had planned it
	Started   time.Time    // executors had it
	Ended     time.Time    // published everywhere
	Outputs   []OutputTime // by sink, in the plan's order
	Rows      int64        // records read
	Bad       int64        // of these, could not be decoded
	Sources   []SourceRows // records read, by source
}

// OutputTime is when a sink had published a batch.
type OutputTime struct {
	Sink string    `json:"sink"`
	At   time.Time `json:"at"`
}

// SchedulingDelay is how long the batch was due and waited for those before it.
func (b BatchCompleted) SchedulingDelay() time.Duration { return b.Started.Sub(b.Submitted) }

// ProcessingDelay is how long it was computed and published.
func (b BatchCompleted) ProcessingDelay() time.Duration { return b.Ended.Sub(b.Started) }

// TotalDelay is both together.
func (b BatchCompleted) TotalDelay() time.Duration { return b.Ended.Sub(b.Submitted) }

// BatchFailed says that a task of a batch failed. It is tried again unless Final is set: then the job stops, with the batch planned.
type BatchFailed struct {
	Batch    int64
	Task     string // operator, place in the program, partition
	Attempt  int    // from 0
	Executor string
	Err      string
	Final    bool
	At       time.Time
}

// ExecutorJoined says that an executor takes part.
type ExecutorJoined struct {
	Name  string
	Slots int
	At    time.Time
}

// ExecutorLost says that one does not any more.
type ExecutorLost struct {
	Name, Why string
	At        time.Time
}

// JobStopped says how the job ended. Err is what AwaitTermination returns.
type JobStopped struct {
	At  time.Time
	Err error
}

// occasion is an event as the machine makes it: it binds itself to the function that wants it, nil if there is none.
type occasion interface{ on(l *Listener) func() }

func bind[E any](f func(E), e E) func() {
	if f == nil {
		return nil
	}
	return func() { f(e) }
}

func (e JobStarted) on(l *Listener) func()      { return bind(l.JobStarted, e) }
func (e BatchSubmitted) on(l *Listener) func()  { return bind(l.BatchSubmitted, e) }
func (e BatchStarted) on(l *Listener) func()    { return bind(l.BatchStarted, e) }
func (e OutputPublished) on(l *Listener) func() { return bind(l.OutputPublished, e) }
func (e BatchCompleted) on(l *Listener) func()  { return bind(l.BatchCompleted, e) }
func (e BatchFailed) on(l *Listener) func()     { return bind(l.BatchFailed, e) }
func (e ExecutorJoined) on(l *Listener) func()  { return bind(l.ExecutorJoined, e) }
func (e ExecutorLost) on(l *Listener) func()    { return bind(l.ExecutorLost, e) }
func (e JobStopped) on(l *Listener) func()      { return bind(l.JobStopped, e) }
