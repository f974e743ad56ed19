// Package plugins answers: who else may compute?
//
// It is the contract between millrace and operators that live in processes of their own, in any language. Rows cross the
// boundary as Arrow record batches and nothing else does but numbers, schemas and opaque bytes:
//
//	Map        record batch to record batch, with a declared output schema
//	Aggregate  partial results before the shuffle, merged behind it
//	Keyed      rows of a key together, with state and timers that the engine keeps
//	Source     replayable partitions by offset
//	Sink       lanes that stage, and publish rows and marker together
//
// A Plugin lists what a process offers; the host that starts such processes and calls them is not there yet, and neither are the
// SDKs. Until then this package is what they will be built against; Protocol is its version, and changing the meaning
// of anything here is a new one.
//
// What holds for closures of a job holds for plugins. Output is a function of the arguments alone: no clock, no random numbers, no
// order of a hash table; a call may come again after a crash, in another process, and must give equal bytes (I2). State is in the
// engine's hands, never in the plugin's memory: a process may be ended between any two calls. Records given to a plugin are
// immutable and valid until the call returns; records that it returns belong to the engine.
//
// The package does not start processes, and it does not know sources, sinks or jobs of the engine: package dstream will make
// operators out of it.
package plugins
