// Package executor answers: where does work happen?
//
// An executor owns source partitions, reduce partitions with their state, and sink lanes, as the driver's Assign says.
// It reads ahead (prefetch), runs the tasks of each launched batch on its slots, exchanges blocks with its peers, stages
// and publishes its lanes, and writes one state delta file a batch. One goroutine owns all of that as a state machine
// (core); slots, lanes, readers and connections are goroutines that post events to it.
//
//	driver ──Launch──▶ core ──▶ slots: source and wide tasks ──blocks──▶ core, peers
//	                    │  ◀── events ── readers, lanes, peers
//	                    └──Staged──▶ driver ──Publish──▶ lanes ──Published──▶ driver ──Committed──▶ forget
//
// What it does not do: it never decides. Which offsets make a batch, who owns what, when to publish and how often to try
// again is the driver's business.
package executor
