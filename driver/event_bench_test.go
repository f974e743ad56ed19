package driver

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// BenchmarkEventTimeStep is what one message of an executor costs the driver between two ticks, by partitions: one of them has read on.
func BenchmarkEventTimeStep(b *testing.B) {
	for _, parts := range []int{10, 1000, 10_000} {
		for _, events := range []int{0, 1, 2} {
			b.Run(fmt.Sprintf("partitions %d event times %d", parts, events), func(b *testing.B) {
				m, now := manyPartitions(parts, events)
				held := &executor.Held{Parts: make([]executor.HeldPart, 1)}
				i := 0
				for b.Loop() {
					held.Parts[0] = executor.HeldPart{Source: "a", Partition: i % parts, Until: 11, End: -1}
					m.step(now, message{"e7-1", held})
					i++
				}
			})
		}
	}
}

// manyPartitions is a machine that runs, behind a first batch that has read ten rows of each partition.
func manyPartitions(parts, events int) (*machine, int64) {
	u := setup{
		interval: 1_000_000, depth: 2, executors: 1, every: 1, program: []byte("p"), layout: rdd.Layout{Reduce: 1, Lanes: map[string]int{"out": 1}},
		shape:     shape{sources: []sourceShape{{name: "a"}}, inputs: map[int]string{0: "a"}, sinks: []sinkShape{{"out", false}}, nodes: []string{"source"}},
		recovered: checkpoint.Recovered{UUID: "U", Timeline: 1, Epoch: 7},
	}
	for e := range events {
		u.shape.events = append(u.shape.events, eventShape{name: fmt.Sprint("a.at", e), sources: []string{"a"}, time: rdd.EventTime{Idle: 5_000_000}})
	}
	m := newMachine(u)
	now := int64(1_000_000)
	m.start(now)
	m.step(now, joined{name: "e7-1", slots: 1, hosts: true})
	d, held, staged := discovered{source: "a"}, &executor.Held{}, &executor.Staged{Batch: 1, Generation: 1}
	for p := range parts {
		d.parts = append(d.parts, source.Partition{Key: fmt.Sprint(p), End: 1 << 40})
		held.Parts = append(held.Parts, executor.HeldPart{Source: "a", Partition: p, Until: 10, End: -1})
		staged.Tasks = append(staged.Tasks, executor.TaskDone{Batch: 1, Task: rdd.TaskID{Part: p}, Highs: []int64{int64(p), int64(parts - p)}})
	}
	m.step(now, d)
	m.step(now, message{"e7-1", &executor.Assigned{Generation: m.generation}})
	m.step(now, message{"e7-1", held})
	now += 1_000_000
	m.step(now, tick{})
	m.step(now, message{"e7-1", staged})
	m.step(now, appended{plan: 1})
	m.step(now, message{"e7-1", &executor.Published{Batch: 1, Generation: m.generation}})
	m.step(now+100_000, tick{})
	m.step(now+100_000, appended{commits: 1})
	if m.committed != 1 || events > 0 && m.marks[0] != 0 {
		panic(fmt.Sprintf("committed %d, watermarks %v", m.committed, m.marks))
	}
	return m, now + 200_000
}
