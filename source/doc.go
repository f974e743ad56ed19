// Package source answers how rows enter a job, so that every one of them can be read again.
//
// A Source[T] is a value that names a place and a Format[T]: source.KafkaJSON[Click]("clicks"). Nothing is opened until the
// job runs. Then a Connector lists the partitions of the place, its Readers bring raw records in blocks, and a decoder
// turns those into rows, in the task that needs them.
//
//	place                     Connector            Format            job
//	topic, files, socket  ->  Partition, Reader -> rdd.Decoder  ->  []T
//	                          offsets, blocks       rows, bad records
//
// The places are the embedded log (Log…), Kafka (Kafka…), a directory of files (Files…), a TCP socket (TCPText), memory
// for tests (Memory, Feed) and a generator (Rate). The formats are Text, JSON, CSV, Protobuf, Raw, Changelog and Func. A record that
// cannot be decoded is no error: it is reported beside the rows and goes to the source's dead-letter output (P13).
//
// Replaying is what everything else stands on: from an offset on, a partition gives the same records whenever and by
// whomever it is read. Package sourcetest checks that for any connector. What package source does not do: decide what a
// batch reads (driver), or keep offsets (checkpoint).
package source
