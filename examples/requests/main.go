// Command requests watches a web server's log: requests by status, visits of each user, and paths that fail too often. It is the job that
// docs/guide.md builds.
//
//	go run ./examples/requests --in ./logs --until-caught-up                              # prints
//	go run ./examples/requests --in ./logs --out ./alerts --checkpoint ./state            # alerts as files, exactly once
package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

var (
	in    = pflag.String("in", "logs", "folder of JSON lines, one a request")
	out   = pflag.String("out", "", "folder for alerts as JSON lines; needs --checkpoint (default: the terminal)")
	limit = pflag.Int64("limit", 3, "failures of a path within a minute that are an alert")
)

// Request is a line of the server's log.
type Request struct {
	User   string
	Path   string
	Status int32
}

// Visit is what is kept of a user who is here: how many requests so far.
type Visit struct {
	Requests int64
}

// Gone says that a user has left.
type Gone struct {
	Requests int64
}

func main() { driver.Main(watch) }

func watch(job *dstream.Job) {
	requests := dstream.From(job, source.FilesJSON[Request](*in))
	byStatus(requests).Print(10)
	visits(requests).Print(10)
	failing(requests).To(alerts())
}

// byStatus counts each batch's requests.
func byStatus(requests dstream.Stream[Request]) dstream.Keyed[int32, int64] {
	return requests.KeyBy(func(r Request) int32 { return r.Status }).CountByKey()
}

// failing gives, every five seconds, the paths whose number of failures in the last minute has changed and is at the limit or above.
func failing(requests dstream.Stream[Request]) dstream.Keyed[string, int64] {
	failures := requests.
		Filter(func(r Request) bool { return r.Status >= 500 }).
		KeyBy(func(r Request) string { return r.Path }).
		MapValues(func(Request) int64 { return 1 })
	return failures.
		ReduceByKeyAndWindow("failures", plus, time.Minute, 5*time.Second, dstream.Inverse(minus)).
		Changes().
		Filter(func(n int64) bool { return n >= *limit })
}

func plus(a, b int64) int64  { return a + b }
func minus(a, b int64) int64 { return a - b }

// visits counts the requests of each user, and gives the count once the user has been idle for 30 seconds.
func visits(requests dstream.Stream[Request]) dstream.Keyed[string, Gone] {
	return requests.
		KeyBy(func(r Request) string { return r.User }).
		Stateful("visits", func(user string, rs []Request, st *dstream.State[Visit]) []Gone {
			if st.Expired() {
				return []Gone{{st.Get().Requests}}
			}
			st.Set(Visit{st.Get().Requests + int64(len(rs))})
			st.ExpireAfter(30 * time.Second)
			return nil
		})
}

func alerts() sink.Sink {
	if *out != "" {
		return sink.FilesJSON(*out)
	}
	return sink.Console().Named("alerts")
}
