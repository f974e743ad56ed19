package clumsy

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// badRecords are records of topic lines that are no events, each with a piece of the reason.
func badRecords() []struct{ record, reason string } {
	return []struct{ record, reason string }{
		{`{"id":1,"name":"x"`, "not the JSON"},
		{`{"id":"one","name":"x","rate":1}`, `column "id": want an integer`},
		{`{"id":1.5,"name":"x","rate":1}`, `column "id": want an integer`},
		{`{"id":1,"name":7,"rate":1}`, `column "name": want a string`},
		{`{"name":"x","rate":1}`, `column "id": missing`},
		{"{\"id\":1,\"name\":\"\xff\",\"rate\":1}", "invalid UTF-8"},
		{`{"id":1,"name":"` + strings.Repeat("x", source.MaxRecordBytes) + `","rate":1}`, "too long: more than 1048576 bytes"},
		{``, "not the JSON"},
		{`[]`, "want an object"},
	}
}

// deadLetter is a row of the dead-letter output.
type deadLetter struct {
	Source    string
	Partition int
	Offset    int64
	Reason    string
	Value     []byte
}

func (p *place) deadLetters(source string) (rows []deadLetter) {
	p.t.Helper()
	dir := filepath.Join("ck", "_dead", source)
	for _, line := range p.rows("files:" + dir) {
		var d deadLetter
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			p.t.Fatal(err)
		}
		rows = append(rows, d)
	}
	if err := sink.VerifyFiles(filepath.Join(p.dir, dir)); err != nil {
		p.t.Error(err)
	}
	return rows
}

// TestBadRecordsAreSetAside: records that cannot be decoded are counted and kept with source, partition, offset and reason; the job goes on.
func TestBadRecordsAreSetAside(t *testing.T) {
	for _, master := range []string{"local[2]", "procs[2,1]"} {
		t.Run(master, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			var records []string
			for _, b := range badRecords() {
				records = append(records, `{"id":1,"name":"good","rate":1}`, b.record)
			}
			p.produce("lines", records...)
			r := p.ok("events", "--checkpoint", "ck", "--until-caught-up", "--master", master)
			told := 0
			for _, m := range regexp.MustCompile(`records set aside that cannot be decoded" records=(\d+)`).FindAllStringSubmatch(r.err, -1) {
				n, _ := strconv.Atoi(m[1])
				told += n
			}
			if told != len(badRecords()) {
				t.Errorf("it says that %d records were set aside:\n%s", told, r.err)
			}
			if n := len(p.topic("counts")); n != len(badRecords()) {
				t.Errorf("%d good rows, want %d", n, len(badRecords()))
			}
			got := p.deadLetters("log:lines")
			if len(got) != len(badRecords()) {
				t.Fatalf("%d records set aside: %v", len(got), got)
			}
			for i, want := range badRecords() {
				d := got[i]
				if d.Source != "log:lines" || d.Partition != 0 || d.Offset != int64(2*i+1) || !strings.Contains(d.Reason, want.reason) ||
					!strings.HasPrefix(want.record, string(d.Value)) {
					t.Errorf("%.80q was set aside as %.200v", want.record, d)
				}
			}
		})
	}
}

// TestStopAtBadRecord: with --on-bad-record stop the job stops at the first bad record and names it, as often as it is started; told to keep it,
// it goes on there.
func TestStopAtBadRecord(t *testing.T) {
	p := newPlace(t)
	p.produce("lines", `{"id":1,"name":"a","rate":1}`, `{"id":2}`, `{"id":3,"name":"c","rate":1}`)
	args := []string{"--checkpoint", "ck", "--until-caught-up"}
	for range 2 {
		p.run("events", append(args, "--on-bad-record", "stop")...).refused(t, 1, "source log:lines partition 0 offset 1: bad record", `column "name": missing`, "--on-bad-record keep")
	}
	p.ok("events", args...)
	want := []string{`{"id":1,"name":"a","rate":1}`, `{"id":3,"name":"c","rate":1}`}
	if d := cmp.Diff(want, p.topic("counts")); d != "" {
		t.Error(d)
	}
	if n := len(p.deadLetters("log:lines")); n != 1 {
		t.Errorf("%d records set aside", n)
	}
}
