package flights

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// stamp is the part of a record that decides when it is replayed.
type stamp struct {
	Departed string `json:"departed"` // local time, minutes
}

// lines calls each with every departure, in order, and the time at which it happened.
func lines(each func(at time.Time, line []byte) error) error {
	f, err := data.Open("data/departures.jsonl.gz")
	if err != nil {
		return fmt.Errorf("embedded departures: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("embedded departures: %w", err)
	}
	in := bufio.NewScanner(z)
	for in.Scan() {
		var s stamp
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			return fmt.Errorf("embedded departures: %w", err)
		}
		at, err := time.Parse("2006-01-02T15:04", s.Departed)
		if err != nil {
			return fmt.Errorf("embedded departures: %w", err)
		}
		if err := each(at, in.Bytes()); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil && err != io.EOF {
		return fmt.Errorf("embedded departures: %w", err)
	}
	return nil
}

// replay writes the departures at Speed seconds of theirs for each of ours. Late steps are not skipped.
func (d *demo) replay(ctx context.Context, write func(line []byte) error) error {
	var first time.Time
	begin := d.clock.Now()
	n := 0
	return lines(func(at time.Time, line []byte) error {
		if first.IsZero() {
			first = at
		}
		due := begin.Add(time.Duration(float64(at.Sub(first)) / d.Speed))
		if wait := due.Sub(d.clock.Now()); wait > time.Millisecond {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-d.clock.After(wait):
			}
		}
		if n++; n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return write(line)
	})
}

// Expected is the result computed over the whole file at once, by carrier.
func Expected() (map[string]Punctuality, int64, error) {
	want, n := map[string]Punctuality{}, int64(0)
	err := lines(func(_ time.Time, line []byte) error {
		var d Departure
		if err := json.Unmarshal(line, &d); err != nil {
			return err
		}
		want[d.Carrier] = want[d.Carrier].Add(observe(d))
		n++
		return nil
	})
	return want, n, err
}
