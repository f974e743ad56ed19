// Package sink answers: how do rows leave, once?
//
// A Sink describes an output: Console, Callback, FilesJSON, FilesParquet and the log and Kafka sinks make one. Opened in a process it is an
// Output; each of its Lanes is one ordered sequence of batches that is staged, then published together with a Marker (P6 to P8). After
// a restart the lane says what was published last, so that nothing is lost and nothing is there twice (I5).
//
// The package does not decide when a batch may be published (the driver does, I1), and knows nothing of sources, state or checkpoints.
//
// Where to read: spec.go is the contract; encode.go turns columns into bytes; files_lane.go is the life of a batch in a
// file sink, and files_open.go what happens at a takeover; sinktest is what every sink must do.
package sink
