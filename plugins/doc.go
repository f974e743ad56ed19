// Package plugins answers: who else may compute?
//
// It is the contract between millrace and operators that live in processes of their own, in any language. Rows cross the
// boundary as Arrow record batches and nothing else does but numbers, schemas and opaque bytes:
//
//	Map        record batch to record batch, with a declared output schema
//	Scalar     a function of columns, row by row, for expressions
//	Aggregate  partial results before the shuffle, merged behind it
//	Keyed      rows of a key together, with state and timers that the engine keeps
//	Source     replayable partitions by offset
//	Sink       lanes that stage, and publish rows and marker together
//
// A Plugin lists what a process offers, Serve offers it, and package host starts such processes and calls them. Protocol is the version of all this; changing the meaning
// of anything here is a new one. docs/plugins.md is the guide.
//
// Few implement these interfaces. Rows, FlatRows, With, Filter, Func1, Aggregated, Stateful, SourceOf and SinkOf make operators out of functions of Go values; Configured
// gives them a configuration. Package plugintest tests them.
//
// What holds for closures of a job holds for plugins. Output is a function of the arguments alone: no clock, no random numbers, no
// order of a hash table; a call may come again after a crash, in another process, and must give equal bytes (I2). State is in the
// engine's hands, never in the plugin's memory: a process may be ended between any two calls. Records given to a plugin are
// immutable and valid until the call returns; records that it returns belong to the engine.
//
// The package does not start processes, and it does not know sources, sinks or jobs of the engine: package dstream makes operators of jobs out of it.
package plugins
