// Package driver decides when work happens: it cuts batches, has them computed, published and recorded, recovers from
// lost executors and drivers, and steers a job from its flags.
//
// Its heart is a state machine: machine.step takes an event and returns actions. One goroutine calls it; it does no I/O
// and reads no clock (time comes with the event), so the same machine runs in production, in scripted tests and under
// seeded simulation. The runtime around it (Start) performs the actions with real executors and posts events back:
//
//	executors, batch log, discovery, signals ──event──▶ machine.step ──action──▶ send, append, spawn, stop
//
// Main is what a job's main function calls. Start is for programs that embed a job: it gives a Running, which stops the job and tells of it; Run
// starts a job and awaits its end. A Listener hears what happens; a ManualClock lets a test move the job's time. Replay recomputes a
// committed batch from its record.
//
// The package does not compute anything: that is executor's. It does not know what a source, sink or operator does
// beyond the plan's shape.
package driver
