package source

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/kafkafetch"
)

// Limits of one fetch.
const (
	fetchBytes     = 8 << 20 // of all partitions
	fetchPartBytes = 1 << 20 // of one
)

// How long a broker holds a fetch back until there is data; it answers at once when there is. A partition that is not in the fetch, because it had
// no room or no reader then, waits for the next one, so that one is asked soon while partitions come and go.
const (
	waitBusy  = 10 * time.Millisecond
	waitFull  = 50 * time.Millisecond
	waitQuiet = 500 * time.Millisecond
)

// After an answer that had less than fetchSmall the next fetch begins no sooner than fetchEvery behind the one before: a broker answers as soon as one producer
// has sent something, and nobody is told of new records more often than that.
const (
	fetchSmall = 64 << 10
	fetchEvery = time.Millisecond
)

// kafkaLeader fetches from one broker, one answer after the other.
type kafkaLeader struct {
	f       *kafkaFetcher
	node    int32
	woken   chan struct{} // has an element when there may be something to fetch
	decoder *kafkafetch.Decoder
	turn    int  // which partition is first: a broker fills an answer in the order of the question
	quiet   bool // the last answer had nothing
	got     int  // bytes of records in the last answer
	began   time.Time
	failed  int // fetches in a row that were not answered

	added bool // a partition was, since the last fetch; f.mu guards it
}

func (l *kafkaLeader) run(ctx context.Context) {
	for ctx.Err() == nil {
		want, wait := l.wanted()
		if len(want) == 0 {
			select {
			case <-ctx.Done():
			case <-l.woken:
			}
			continue
		}
		if !l.space(ctx) {
			return
		}
		resp, err := l.fetch(ctx, want, wait)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.lose(ctx, want, err)
			continue
		}
		l.failed = 0
		l.answered(want, resp)
	}
}

// space waits for the time of the next fetch; false: ctx ended.
func (l *kafkaLeader) space(ctx context.Context) bool {
	clock := l.f.c.env.Clock
	wait := fetchEvery - clock.Now().Sub(l.began)
	if l.got > 0 && l.got < fetchSmall && wait > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-clock.After(wait):
		}
	}
	l.began = clock.Now()
	return true
}

// wanted is what to ask for, and how long the broker may wait.
func (l *kafkaLeader) wanted() (want []wanted, wait time.Duration) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	full := false
	for i := range l.f.readers {
		w, ok, none := l.f.readers[(i+l.turn)%len(l.f.readers)].wants(l.node)
		if ok {
			want = append(want, w)
		}
		full = full || none
	}
	l.turn++
	switch {
	case l.added || !l.quiet:
		wait = waitBusy
	case full:
		wait = waitFull
	default:
		wait = waitQuiet
	}
	l.added = false
	return want, wait
}

func (l *kafkaLeader) fetch(ctx context.Context, want []wanted, wait time.Duration) (*kmsg.FetchResponse, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = int32(wait.Milliseconds()), 1, fetchBytes, 1 // committed only
	req.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = l.f.c.topic
	for _, w := range want {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.PartitionMaxBytes = w.r.part, w.next, w.epoch, w.wrote, fetchPartBytes
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	resp, err := l.f.cl.Broker(int(l.node)).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	fetched := resp.(*kmsg.FetchResponse)
	return fetched, kerr.ErrorForCode(fetched.ErrorCode)
}

// failedTwice is after how many fetches in a row without an answer the log says so: one may be a connection that a broker closed.
const failedTwice = 2

// lose gives partitions up for others to lead, and waits a little: the broker did not answer.
func (l *kafkaLeader) lose(ctx context.Context, want []wanted, err error) {
	env := &l.f.c.env
	if l.failed++; l.failed == failedTwice {
		env.Log.Warn("kafka broker does not answer, trying again", "topic", l.f.c.topic, "broker", l.node, "err", err)
	}
	for _, w := range want {
		w.r.mu.Lock()
		if w.r.leader == l.node {
			w.r.leader = noLeader
		}
		w.r.mu.Unlock()
	}
	l.quiet = false
	l.f.look()
	select {
	case <-ctx.Done():
	case <-env.Clock.After(min(findFirst<<min(l.failed, 8), findMost)):
	}
}

// answered hands what came to the readers.
func (l *kafkaLeader) answered(want []wanted, resp *kmsg.FetchResponse) {
	l.got = 0
	at := map[int32]wanted{}
	for _, w := range want {
		at[w.r.part] = w
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			w, asked := at[p.Partition]
			if !asked {
				continue
			}
			got, err := kafkafetch.Decoded{Next: w.next, Epoch: -1}, refused(w, p)
			if raw := l.f.wire.Take(p.RecordBatches); raw != nil && err == nil {
				l.got += len(raw.Data)
				got, err = l.decoder.Decode(raw, w.next, p.AbortedTransactions)
			}
			if !w.r.take(w, p, got, err) {
				l.f.look()
			}
		}
	}
	l.quiet = l.got == 0
}
