package plugins

import (
	"time"
)

// Ref names an operator of a plugin that runs in a process of its own. It is a value: methods give a new one, and nothing is started before a job is built with it.
type Ref struct {
	Path     string   // of the executable
	Args     []string // of it
	Operator string   // "": the plugin's only one
	Config   []byte   // part of the plan (P1)
	Settings Settings
}

// Settings say how a plugin's process is run, and what it may use. The zero value works. They decide nothing about results, and are not part of the plan.
type Settings struct {
	Sum       string            // sha256 of the executable, 64 hex digits; "": the lock file's, and any where there is none
	Lock      string            // path of a lock file; "": millrace-plugins.lock in the working directory, where it exists
	Env       map[string]string // its environment, beside PATH, HOME, LANG, TZ, TMPDIR of this process and what go-plugin needs; never secrets: name files
	Dir       string            // its working directory; "": a new empty one
	Processes Processes
	Start     time.Duration // limit for its start; 0: 10 s
	Call      time.Duration // limit for the answer to a record batch; 0: 30 s
	Memory    int64         // bytes that the process and its children may have resident; 0: 2 GiB
	Grow      int           // rows out for one row in; 0: 1,000
	Portable  bool          // gRPC with Arrow IPC even where shared memory would do
}

// Processes says how many processes of a plugin an executor has.
type Processes int

// Auto has one where the plugin says that it does several things at a time, and PerSlot's otherwise.
const (
	Auto Processes = iota
	Shared
	PerSlot
)

// Command is the plugin behind an executable, which takes no part in the job's build. Python plugins are "python3 script.py": Command("python3", "score.py").
func Command(path string, args ...string) Ref { return Ref{Path: path, Args: args} }

// Op chooses one of the plugin's operators by name.
func (r Ref) Op(name string) Ref {
	r.Operator = name
	return r
}

// With configures the operator.
func (r Ref) With(config []byte) Ref {
	r.Config = config
	return r
}

// Set changes how its process is run.
func (r Ref) Set(s Settings) Ref {
	r.Settings = s
	return r
}
