package run

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/bench/check"
	"github.com/millrace/millrace/bench/store"
)

// touched fills a state with keys, and then measures batches that touch few of them: what they cost must not depend on how many there are.
func (o *Options) touched(ctx context.Context, st store.Store) (*Result, error) {
	rate := o.Rate
	if rate == 0 {
		rate = 10_000
	}
	fill := *o
	fill.Records = o.Keys
	if err := fill.prepare(ctx, st, false); err != nil {
		return nil, err
	}
	first, err := fill.start("--until-caught-up")
	if err != nil {
		return nil, err
	}
	if err := first.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("the job that fills the state: %w", err)
	}
	if err := o.forget(st, "touches"); err != nil { // more records follow
		return nil, err
	}
	j, err := o.running(ctx)
	if err != nil {
		return nil, err
	}
	n, p := int(rate*o.Seconds), newPacer(rate)
	err = st.Load(ctx, n, true, func(i int) (store.Record, error) {
		return store.Record{Topic: "touches", Val: check.Touch(o.Keys+i, o.Keys), Micros: p.due(i)}, p.wait(ctx, i)
	})
	if err == nil {
		time.Sleep(time.Second)
		err = j.interrupt()
	}
	if err != nil {
		return nil, err
	}
	r, err := j.finish(n)
	if err != nil {
		return nil, err
	}
	r.Keys, r.Rate = o.Keys, rate
	d := o.checkData()
	d.N = o.Keys + n
	err = o.checkOutput(ctx, st, r, d)
	r.keepsUp(n)
	return r, err
}

// forget takes a topic off the list of what is loaded.
func (o *Options) forget(st store.Store, topic string) error {
	list, err := readJSON[map[string]string](o.path("loaded.json"))
	if err != nil {
		return err
	}
	delete(list, st.ID()+" "+topic)
	return o.writeList(list)
}
