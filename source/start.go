package source

import "time"

// Start is where a new job begins to read a topic. The zero value is Earliest.
type Start struct {
	latest bool
	at     time.Time
}

// Earliest is the first record that retention has left, and Latest the first that comes after the job's start.
var (
	Earliest = Start{}
	Latest   = Start{latest: true}
)

// At is the first record with a time of at least t.
func At(t time.Time) Start { return Start{at: t} }

func (s Start) isLatest() bool { return s.latest }

func (s Start) time() time.Time { return s.at }
