package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/kafkafetch"
)

// How leaders are looked for: between two looks passes at least findFirst, and up to findMost while some partition has none.
const (
	findFirst = 50 * time.Millisecond
	findMost  = time.Second
)

// kafkaFetcher fetches partitions of a topic for readers: a goroutine that finds their leaders, and one for each broker, which asks for all partitions that it
// leads at once. close waits for all.
type kafkaFetcher struct {
	c     *kafkaConnector
	cl    *kgo.Client
	wire  *kafkafetch.Wire
	stop  context.CancelFunc
	group *errgroup.Group
	lost  chan struct{} // has an element when a reader may be without a leader

	mu      sync.Mutex     // guards what follows
	readers []*kafkaReader // by partition
	leaders map[int32]*kafkaLeader
}

func (c *kafkaConnector) newFetcher() (*kafkaFetcher, error) {
	dialer, err := c.dialer()
	if err != nil {
		return nil, err
	}
	wire := kafkafetch.NewWire(dialer)
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Fetch), kafkafetch.MaxVersion)
	cl, err := kgo.NewClient(append(c.clientOptions(), kgo.Dialer(wire.Dial), kgo.MaxVersions(versions))...)
	if err != nil {
		return nil, fmt.Errorf("kafka %s: %w", c.brokers(), err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &kafkaFetcher{c: c, cl: cl, wire: wire, stop: stop, group: &errgroup.Group{}, lost: make(chan struct{}, 1), leaders: map[int32]*kafkaLeader{}}
	f.group.Go(func() error {
		f.find(ctx)
		return nil
	})
	return f, nil
}

func (f *kafkaFetcher) close() {
	f.stop()
	_ = f.group.Wait()
	f.cl.Close()
}

func (f *kafkaFetcher) reader(part int32, from int64, shared bool) *kafkaReader {
	r := &kafkaReader{c: f.c, f: f, part: part, shared: shared, next: from, wrote: -1, end: -1, leader: noLeader, epoch: -1, ready: make(chan struct{}, 1)}
	f.mu.Lock()
	at, _ := slices.BinarySearchFunc(f.readers, part, func(r *kafkaReader, part int32) int { return int(r.part) - int(part) })
	f.readers = slices.Insert(f.readers, at, r)
	f.mu.Unlock()
	f.look()
	return r
}

func (f *kafkaFetcher) remove(r *kafkaReader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers = slices.DeleteFunc(f.readers, func(o *kafkaReader) bool { return o == r })
}

// look says that some reader may be without a leader.
func (f *kafkaFetcher) look() { signal(f.lost) }

// wake says to a broker's goroutine that some partition has room.
func (f *kafkaFetcher) wake(leader int32) {
	f.mu.Lock()
	l := f.leaders[leader]
	f.mu.Unlock()
	if l != nil {
		signal(l.woken)
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// find gives leaders to readers without one, until ctx ends.
func (f *kafkaFetcher) find(ctx context.Context) {
	pause, failed := findFirst, 0
	for {
		if pause == findFirst {
			select {
			case <-ctx.Done():
				return
			case <-f.lost:
			}
		}
		all, err := f.findOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if all {
			pause, failed = findFirst, 0
		} else {
			pause = min(2*pause, findMost)
			if failed++; failed == failedTwice {
				f.c.env.Log.Warn("kafka partitions have no leader, looking again", "topic", f.c.topic, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-f.c.env.Clock.After(pause):
		}
	}
}

// leaderless are the readers that have no leader.
func (f *kafkaFetcher) leaderless() (rs []*kafkaReader) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.readers {
		r.mu.Lock()
		if r.leader == noLeader && !r.closed {
			rs = append(rs, r)
		}
		r.mu.Unlock()
	}
	return rs
}

// findOnce asks for leaders once, and tells whether all readers have one then.
func (f *kafkaFetcher) findOnce(ctx context.Context) (bool, error) {
	rs := f.leaderless()
	if len(rs) == 0 {
		return true, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &f.c.topic
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, f.cl)
	if err != nil {
		return false, err
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			if kerr.IsRetriable(err) {
				return false, err
			}
			for _, r := range rs {
				r.fail(err)
			}
			return true, nil
		}
		for _, r := range rs {
			if at := slices.IndexFunc(t.Partitions, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Partition == r.part }); at >= 0 {
				f.lead(ctx, r, &t.Partitions[at])
			}
		}
	}
	return len(f.leaderless()) == 0, nil
}

// fail makes Next return an error.
func (r *kafkaReader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.wake()
}

// lead hands a reader to its leader's goroutine, which is started if this is its first.
func (f *kafkaFetcher) lead(ctx context.Context, r *kafkaReader, p *kmsg.MetadataResponseTopicPartition) {
	if p.Leader < 0 || kerr.ErrorForCode(p.ErrorCode) != nil && !errors.Is(kerr.ErrorForCode(p.ErrorCode), kerr.ReplicaNotAvailable) {
		return
	}
	f.mu.Lock()
	l := f.leaders[p.Leader]
	if l == nil {
		l = &kafkaLeader{f: f, node: p.Leader, woken: make(chan struct{}, 1), decoder: kafkafetch.NewDecoder()}
		f.leaders[p.Leader] = l
		f.group.Go(func() error {
			l.run(ctx)
			return nil
		})
	}
	l.added = true
	f.mu.Unlock()
	r.mu.Lock()
	r.leader, r.epoch = p.Leader, p.LeaderEpoch
	r.mu.Unlock()
	signal(l.woken)
}
