// Package kafkafetch makes blocks of what a Kafka broker answers to a fetch, without an object or a copy a record.
//
// A Wire dials for a kgo.Client and reads the records of each partition into a block while the answer comes in; the client, which does connections, versions,
// TLS and all else, sees the answer without them. A Decoder then finds the records in their record batches (magic 2), where they are: it checks
// checksums, unpacks what is compressed, and leaves out control records and what transactions aborted. Copied is the slow way to the same blocks, for tests
// and for message sets of before Kafka 0.11. Which partitions are fetched, when and from whom, is package source's.
package kafkafetch
