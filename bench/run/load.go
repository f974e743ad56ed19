package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/millrace/millrace/bench/check"
	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/bench/store"
	"github.com/millrace/millrace/examples/workloads"
)

// eventMicros is the event time of record i of a run that is not paced.
func eventMicros(i int) int64 { return gen.EventMillis(i) * 1000 }

// prepare empties the outputs and the checkpoint, and fills the inputs. With paced they are left empty, but for the table of a join.
func (o *Options) prepare(ctx context.Context, st store.Store, paced bool) error {
	if err := os.RemoveAll(o.path("checkpoint")); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Lab, 0o755); err != nil {
		return err
	}
	if err := writeCampaigns(o.path("campaigns.csv")); err != nil {
		return err
	}
	for _, out := range workloads.Outputs(o.job()) {
		if err := st.Recreate(ctx, out); err != nil {
			return err
		}
	}
	if o.Keep {
		return nil
	}
	if o.nexmark() {
		return o.loadNexmark(ctx, st, paced)
	}
	for _, topic := range workloads.Inputs(o.job()) {
		n := o.Records
		switch {
		case topic == "profiles":
			n = o.Profiles
		case paced:
			n = 0
		}
		mk := gen.Maker(func(i int, _ int64) (key, val []byte) { return nil, check.Touch(i, o.Keys) })
		if topic != "touches" {
			var err error
			if mk, err = gen.New(topic, gen.Seed); err != nil {
				return err
			}
		}
		err := o.ensure(ctx, st, map[string]int{topic: n}, fmt.Sprint("seed ", gen.Seed, " keys ", o.keysOf(topic)), n, func(i int) (store.Record, error) {
			key, val := mk(i, gen.EventMillis(i))
			return store.Record{Topic: topic, Key: key, Val: val, Micros: eventMicros(i)}, nil
		})
		if err != nil {
			return fmt.Errorf("load %s: %w", topic, err)
		}
	}
	return nil
}

func (o *Options) keysOf(topic string) int {
	if topic == "touches" {
		return o.Keys
	}
	return 0
}

func (o *Options) loadNexmark(ctx context.Context, st store.Store, paced bool) error {
	n := o.Records
	if paced {
		n = 0
	}
	topics := map[string]int{}
	for kind, count := range gen.NexmarkCount(n) {
		topics[gen.Topics[kind]] = count
	}
	next := nexmarkFeed(gen.NexmarkStart(), gen.NexmarkStep, nil)
	return o.ensure(ctx, st, topics, fmt.Sprint("seed ", gen.Seed, " of ", n), n, next)
}

// nexmarkFeed gives the events in order. pace, where not nil, waits until one is due.
func nexmarkFeed(start time.Time, step time.Duration, pace func(i int) error) func(i int) (store.Record, error) {
	x := gen.NewNexmark(gen.Seed, start, step)
	return func(i int) (store.Record, error) {
		if pace != nil {
			if err := pace(i); err != nil {
				return store.Record{}, err
			}
		}
		e := x.Next()
		return store.Record{Topic: gen.Topics[e.Kind], Val: e.Append(nil), Micros: e.At.UnixMicro()}, nil
	}
}

// ensure loads topics, records of each, unless the lab's list says that this very data is there and the topics have as many records.
func (o *Options) ensure(ctx context.Context, st store.Store, topics map[string]int, data string, n int, next func(i int) (store.Record, error)) error {
	list, err := readJSON[map[string]string](o.path("loaded.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if list == nil {
		list = map[string]string{}
	}
	there := n > 0
	for topic, count := range topics {
		have, err := st.Count(ctx, topic)
		if err != nil {
			return err
		}
		there = there && have == int64(count) && list[st.ID()+" "+topic] == data
	}
	if there {
		return nil
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		delete(list, st.ID()+" "+topic)
	}
	if err := o.writeList(list); err != nil {
		return err
	}
	for topic := range topics {
		if err := st.Recreate(ctx, topic); err != nil {
			return err
		}
	}
	if n == 0 {
		return nil
	}
	if err := st.Load(ctx, n, false, next); err != nil {
		return err
	}
	for topic := range topics {
		list[st.ID()+" "+topic] = data
	}
	return o.writeList(list)
}

func (o *Options) writeList(list map[string]string) error {
	data, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.path("loaded.json"), data, 0o644)
}

// writeCampaigns writes W4's static table.
func writeCampaigns(path string) error {
	table := gen.CampaignOf()
	var b bytes.Buffer
	for _, ad := range slices.Sorted(maps.Keys(table)) {
		fmt.Fprintf(&b, "%s,%s\n", ad, table[ad])
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// checkData is what the checker of a run that is not paced needs.
func (o *Options) checkData() check.Data {
	return check.Data{
		N: o.Records, Profiles: o.Profiles, Keys: o.Keys, Window: o.Window, Event: eventMicros, Start: gen.NexmarkStart(), Step: gen.NexmarkStep,
	}
}

// checkOutput reads the whole output and says whether it is right.
func (o *Options) checkOutput(ctx context.Context, st store.Store, r *Result, d check.Data) error {
	c, err := check.New(o.job(), d)
	if err != nil {
		return err
	}
	err = st.Read(ctx, workloads.Outputs(o.job())[0], func(key, val []byte) { c.Take(key, val) })
	r.verdict(c.Done())
	return err
}
