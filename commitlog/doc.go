// Package commitlog is the embedded log: topics of ordered, numbered, durable records in a directory of one machine.
//
// It answers where rows live before and after a job when there is no broker. A Log is a directory, a Topic one folder in it, and
// a topic has partitions, each an ordered run of records with offsets 0, 1, 2, … A Writer appends to a partition, a Reader
// reads it; any number of processes may read, one may write each partition at a time.
//
//	DIR/TOPIC/topic.json              settings
//	DIR/TOPIC/0/00000000000000000000.log   a segment: frames, named by its first offset
//	DIR/TOPIC/0/durable               how far readers may read: two checksummed slots (P11)
//	DIR/TOPIC/0/marker                the last marker before the active segment
//	DIR/TOPIC/0/owner                 who writes: pid, token, job and epoch (I9)
//	DIR/TOPIC/0/writer.lock           flocked as long as a writer lives
//	DIR/TOPIC/0/commit.lock           flocked while a writer changes anything
//	DIR/TOPIC/journal/….journal       small commits of all partitions that one process writes, for one fsync (decision 0043)
//
// A segment is a row of checksummed frames of up to about 1 MiB, each covering the offsets [base, next) without a hole between
// one frame and the next; compaction leaves gaps within frames only. A commit is a run of frames that counts as a whole: all but
// the last say that more follows, and the last carries the marker, if there is one.
//
//	segment   | frame | frame+more | frame+more | frame, marker | frame | torn…
//	                  |<------------- one commit -------------->|       ^ durable end: readers stop here
//
// The durable end moves only after fsync, of the segment or of the journal that holds the commit too. Recovery keeps whole commits
// behind it, cuts the torn rest and says how many bytes it cut; it never cuts below the durable end. A damaged frame below it is an
// error with topic, partition, offset and file.
//
// It does not replicate, and other machines cannot read it: for that there is Kafka.
package commitlog
