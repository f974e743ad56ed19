package source

import (
	"errors"
	"fmt"
)

// Log reads topic of the embedded log (--log). Options: From, Compacted.
func Log[T any](topic string, f Format[T], opts ...Option) Source[T] {
	return topicSource("log", topic, f, opts)
}

// LogText reads the records of a topic of the embedded log as lines of text. Options: those of Log and Text.
func LogText(topic string, opts ...Option) Source[string] {
	f, p := split(opts)
	return Log(topic, Text(f...), p...)
}

// LogJSON reads the records of a topic of the embedded log as JSON. Options: those of Log and JSON.
func LogJSON[T any](topic string, opts ...Option) Source[T] {
	f, p := split(opts)
	return Log(topic, JSON[T](f...), p...)
}

// LogCSV reads the records of a topic of the embedded log as lines of CSV. Options: those of Log and CSV.
func LogCSV[T any](topic string, opts ...Option) Source[T] {
	f, p := split(opts)
	return Log(topic, CSV[T](f...), p...)
}

// LogProtobuf reads the records of a topic of the embedded log as messages of Protocol Buffers. Options: those of Log and Protobuf.
func LogProtobuf[T any](topic string, set []byte, message string, opts ...Option) Source[T] {
	f, p := split(opts)
	return Log(topic, Protobuf[T](set, message, f...), p...)
}

// LogRaw reads the records of a topic of the embedded log as they are. Options: those of Log.
func LogRaw(topic string, opts ...Option) Source[Record] {
	f, p := split(opts)
	return Log(topic, Raw(f...), p...)
}

// LogChangelog reads a topic of the embedded log that holds the latest value of each key. Options: those of Log and Changelog.
func LogChangelog[V any](topic string, opts ...Option) Source[Change[V]] {
	f, p := split(opts)
	return Log(topic, Changelog[V](f...), append(p, Compacted())...)
}

// Kafka reads a topic of Kafka (--brokers). Options: From, Compacted.
func Kafka[T any](topic string, f Format[T], opts ...Option) Source[T] {
	return topicSource("kafka", topic, f, opts)
}

// KafkaText reads the records of a Kafka topic as lines of text. Options: those of Kafka and Text.
func KafkaText(topic string, opts ...Option) Source[string] {
	f, p := split(opts)
	return Kafka(topic, Text(f...), p...)
}

// KafkaJSON reads the records of a Kafka topic as JSON. Options: those of Kafka and JSON.
func KafkaJSON[T any](topic string, opts ...Option) Source[T] {
	f, p := split(opts)
	return Kafka(topic, JSON[T](f...), p...)
}

// KafkaCSV reads the records of a Kafka topic as lines of CSV. Options: those of Kafka and CSV.
func KafkaCSV[T any](topic string, opts ...Option) Source[T] {
	f, p := split(opts)
	return Kafka(topic, CSV[T](f...), p...)
}

// KafkaProtobuf reads the records of a Kafka topic as messages of Protocol Buffers. Options: those of Kafka and Protobuf.
func KafkaProtobuf[T any](topic string, set []byte, message string, opts ...Option) Source[T] {
	f, p := split(opts)
	return Kafka(topic, Protobuf[T](set, message, f...), p...)
}

// KafkaRaw reads the records of a Kafka topic as they are. Options: those of Kafka.
func KafkaRaw(topic string, opts ...Option) Source[Record] {
	f, p := split(opts)
	return Kafka(topic, Raw(f...), p...)
}

// KafkaChangelog reads a Kafka topic that holds the latest value of each key. Options: those of Kafka and Changelog.
func KafkaChangelog[V any](topic string, opts ...Option) Source[Change[V]] {
	f, p := split(opts)
	return Kafka(topic, Changelog[V](f...), append(p, Compacted())...)
}

// topicSource is a source over a topic of the log or of Kafka.
func topicSource[T any](kind, topic string, f Format[T], opts []Option) Source[T] {
	o, err := collect("a topic", opts, "From", "Compacted")
	if topic == "" {
		err = errors.Join(err, fmt.Errorf("source %s: want the name of a topic", kind))
	}
	if f.header {
		err = errors.Join(err, errors.New("option Header is for files; use Columns"))
	}
	s := f.spec(kind, topic)
	s.Err = errors.Join(s.Err, err)
	s.Mutable = o.compacted
	if kind == "log" {
		s.OnDisk = true
		s.Open = openLog(topic, o.start)
	} else {
		s.Open = openKafka(topic, o.start, kafkaOptions{mutable: o.compacted})
	}
	return Of[T](s)
}
