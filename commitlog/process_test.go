package commitlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets tests run this binary again as another process.
func TestMain(m *testing.M) {
	if role := os.Getenv("COMMITLOG_TEST_ROLE"); role != "" {
		if err := child(role, os.Getenv("COMMITLOG_TEST_DIR")); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is what another process does with topic t.
func child(role, dir string) error {
	l, err := Open(dir, Options{journalAfter: 2})
	if err != nil {
		return err
	}
	topic, err := l.Topic("t")
	if err != nil {
		return err
	}
	switch role {
	case "hold":
		_, err := topic.Writer(0)
		fmt.Println("holding", err)
		select {}
	case "append":
		return childAppend(topic, os.Stdout)
	case "commit":
		return childCommit(topic, os.Stdout)
	case "own":
		return childOwn(topic)
	case "read":
		return childRead(topic)
	}
	return fmt.Errorf("no role %q", role)
}

// childAppend adds numbers, and prints how many are durable, for ever.
func childAppend(topic *Topic, out io.Writer) error {
	w, err := topic.Writer(0)
	if err != nil {
		return err
	}
	for n := w.Next(); ; n++ {
		if err := w.Add(nil, []byte(strconv.FormatInt(n, 10)), n); err != nil {
			return err
		}
		if n%100 == 99 {
			if err := w.Sync(context.Background()); err != nil {
				return err
			}
			fmt.Fprintln(out, n+1)
		}
	}
}

// childCommit commits batches of ten numbers with a marker, and prints the marker when it is durable, for ever.
func childCommit(topic *Topic, out io.Writer) error {
	part, _ := strconv.Atoi(os.Getenv("COMMITLOG_TEST_PART")) // 0 if it is not said
	w, err := topic.Own(part, Owner{Job: "j", Epoch: 1})
	if err != nil {
		return err
	}
	for {
		var b Batch
		next := w.Next()
		for i := range int64(10) {
			if err := b.Add(nil, []byte(strconv.FormatInt(next+i, 10)), next+i); err != nil {
				return err
			}
		}
		marker := strconv.FormatInt(next/10, 10)
		if _, err := w.Commit(context.Background(), &b, []byte(marker)); err != nil {
			return err
		}
		fmt.Fprintln(out, marker)
	}
}

// childOwn takes the partition over and commits one record for each line that it reads.
func childOwn(topic *Topic) error {
	w, err := topic.Own(0, Owner{Job: "j", Epoch: 1})
	if err != nil {
		return err
	}
	fmt.Println("owned")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var b Batch
		if err := b.Add(nil, in.Bytes(), 0); err != nil {
			return err
		}
		_, err := w.Commit(context.Background(), &b, nil)
		fmt.Println(errors.Is(err, ErrFenced), err)
	}
	return nil
}

// childRead prints records as they come.
func childRead(topic *Topic) error {
	r, err := topic.Reader(0, 0)
	if err != nil {
		return err
	}
	for {
		b, err := r.Next(context.Background())
		if err != nil {
			return err
		}
		for i := range b.Len() {
			fmt.Printf("%d %s\n", b.Offset(i), b.Value(i))
		}
	}
}

// process is another process with a role.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, topic *Topic, role string, env ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "COMMITLOG_TEST_ROLE="+role, "COMMITLOG_TEST_DIR="+topic.log.dir), env...)
	in := must[io.WriteCloser](t)(cmd.StdinPipe())
	out := must[io.ReadCloser](t)(cmd.StdoutPipe())
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	p := &process{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

func (p *process) line() string {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatalf("the process has ended: %v", p.out.Err())
	}
	return p.out.Text()
}

// kill ends the process with SIGKILL and waits for it.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// rest are the lines that the process had printed before it was killed.
func (p *process) rest() (last string) {
	for p.out.Scan() {
		last = p.out.Text()
	}
	return last
}

func TestWriterOfAnotherProcess(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{})
	p := start(t, topic, "hold")
	if got := p.line(); got != "holding <nil>" {
		t.Fatal(got)
	}
	_, err := topic.Writer(0)
	if want := fmt.Sprintf("process %d", p.cmd.Process.Pid); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("second writer: %v; want ErrLocked by %s", err, want)
	}
	if in, err := topic.Describe(0); err != nil || in.WriterPID != p.cmd.Process.Pid {
		t.Errorf("writer in Describe: %d, %v; want %d", in.WriterPID, err, p.cmd.Process.Pid)
	}
	p.kill()
	check(t, openWriter(t, topic, 0).Close()) // the lock dies with its process
}

func TestReaderInAnotherProcess(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{})
	p := start(t, topic, "read")
	w := openWriter(t, topic, 0)
	defer w.Close()
	for i := range 50 {
		check(t, w.Add(nil, []byte(fmt.Sprint("v", i)), 0))
		if got, want := p.line(), fmt.Sprintf("%d v%d", i, i); got != want {
			t.Fatalf("the reader printed %q, want %q", got, want)
		}
	}
}

// A writer is killed in the middle of its group commits, again and again: what it said is durable is there, and nothing is there in part.
func TestKilledWriter(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{SegmentBytes: 50_000})
	r := must[*Reader](t)(topic.Reader(0, 0))
	defer r.Close()
	read := int64(0)
	for round := range 8 {
		p := start(t, topic, "append")
		for range 1 + round*7%11 {
			p.line()
		}
		for range 5 { // a reader beside it sees what is true
			b, err := r.Next(t.Context())
			check(t, err)
			read = checkNumbers(t, appendBlock(t, nil, b), read)
		}
		check(t, p.cmd.Process.Signal(syscall.SIGKILL))
		acked, _ := strconv.ParseInt(p.rest(), 10, 64)
		p.kill()
		w := openWriter(t, topic, 0)
		if w.Next() < acked || w.Next() < read {
			t.Fatalf("round %d: %d records are left, %d were durable, %d read", round, w.Next(), acked, read)
		}
		check(t, w.Close())
		checkNumbers(t, readAll(t, topic, 0, 0), 0)
	}
}

// checkNumbers checks that each record's value is its offset, from offset next on.
func checkNumbers(t *testing.T, recs []rec, next int64) int64 {
	t.Helper()
	for _, r := range recs {
		if r.Offset != next || r.Value != strconv.FormatInt(next, 10) {
			t.Fatalf("record %+v, want offset %d", r, next)
		}
		next++
	}
	return next
}

// A job's writer is killed while it commits: its marker is always that of the last ten records.
func TestKilledCommitter(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{SegmentBytes: 5000})
	for round := range 8 {
		p := start(t, topic, "commit")
		for range 1 + round*5%13 {
			p.line()
		}
		check(t, p.cmd.Process.Signal(syscall.SIGKILL))
		said := p.rest()
		p.kill()
		markerIsOfLastBatch(t, topic, 0, said)
	}
}

// Two processes commit to partitions of one topic, each with a journal of its own. One of them is killed, and its partition goes to others, while the other process goes on.
func TestKilledBesideAnother(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{Partitions: 2, SegmentBytes: 5000})
	commit := func(part int) *process { return start(t, topic, "commit", fmt.Sprint("COMMITLOG_TEST_PART=", part)) }
	running := []*process{commit(0), commit(1)}
	for round := range 12 {
		part := round * 5 % 3 % 2
		for _, p := range running {
			for range 3 + round*7%20 {
				p.line()
			}
		}
		p := running[part]
		check(t, p.cmd.Process.Signal(syscall.SIGKILL))
		said := p.rest()
		p.kill()
		markerIsOfLastBatch(t, topic, part, said)
		running[1-part].line() // nothing has happened to it
		running[part] = commit(part)
	}
	for part, p := range running {
		check(t, p.cmd.Process.Signal(syscall.SIGKILL))
		said := p.rest()
		p.kill()
		markerIsOfLastBatch(t, topic, part, said)
	}
}

func markerIsOfLastBatch(t *testing.T, topic *Topic, part int, said string) {
	t.Helper()
	w := must[*Writer](t)(topic.Own(part, Owner{Job: "j", Epoch: 1}))
	defer w.Close()
	m := must[[]byte](t)(w.Marker())
	if w.Next()%10 != 0 || string(m) != strconv.FormatInt(w.Next()/10-1, 10) && w.Next() > 0 {
		t.Fatalf("%d records, marker %q", w.Next(), m)
	}
	got, _ := strconv.ParseInt(string(m), 10, 64)
	if want, _ := strconv.ParseInt(said, 10, 64); got < want {
		t.Fatalf("marker %d, but %d was durable", got, want)
	}
	checkNumbers(t, readAll(t, topic, part, 0), 0)
}

// A process that hangs loses its partition to the next owner, and finds out at its next append (I9).
func TestTakenOverFromLiveProcess(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{})
	p := start(t, topic, "own")
	if got := p.line(); got != "owned" {
		t.Fatal(got)
	}
	say := func(s string) string {
		_, err := fmt.Fprintln(p.in, s)
		check(t, err)
		return p.line()
	}
	if got := say("mine"); got != "false <nil>" {
		t.Fatal(got)
	}
	if _, err := topic.Own(0, Owner{Job: "other", Epoch: 9}); !errors.Is(err, ErrLocked) {
		t.Errorf("another job beside a live owner: %v; want ErrLocked", err)
	}
	if _, err := topic.Own(0, Owner{Job: "j", Epoch: 0}); !errors.Is(err, ErrFenced) {
		t.Errorf("an older epoch: %v; want ErrFenced", err)
	}
	check(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	w := must[*Writer](t)(topic.Own(0, Owner{Job: "j", Epoch: 2}))
	defer w.Close()
	check(t, p.cmd.Process.Signal(syscall.SIGCONT))
	if got := say("stale"); !strings.HasPrefix(got, "true ") {
		t.Errorf("the old owner's append: %s; want ErrFenced", got)
	}
	check(t, w.Add(nil, []byte("new"), 0))
	check(t, w.Sync(t.Context()))
	if got := readAll(t, topic, 0, 0); len(got) != 2 || got[1].Value != "new" {
		t.Errorf("records %+v; want mine, new", got)
	}
	p.kill()
	if _, err := topic.Writer(0); !errors.Is(err, ErrLocked) {
		t.Errorf("the old owner's end took the lock from the new: %v", err)
	}
}
