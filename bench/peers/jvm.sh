#!/usr/bin/env bash
# jvm.sh flink|kstreams w1|w4|w5 : runs one job as it is built and prints its JSON line. Topics must be there: use run.sh.
# Settings from the environment: HEAP, BACKEND (hashmap, rocksdb), CHECKPOINT_MS, COMMIT_MS, EMIT (batch, each), BATCH_MS, GUARANTEE, STORE (rocksDB, in_memory),
# CACHE, N (Kafka Streams: how many inputs to wait for), PROFILE (async-profiler from the Nth record on), LIVE.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cp=$PEERS_LAB/jvm/peers-1.jar
if [ "$1" = flink ]; then
  # Flink ships its own build of RocksDB: the two must not share a class path.
  for j in "$PEERS_LAB"/jvm/lib/*.jar; do case "$j" in */rocksdbjni-*|*/kafka-streams-*) ;; *) cp=$cp:$j ;; esac; done
  main=peers.FlinkJobs
else
  for j in "$PEERS_LAB"/jvm/lib/*.jar; do case "$j" in */frocksdbjni-*|*/flink-*) ;; *) cp=$cp:$j ;; esac; done
  main=peers.StreamsJobs
fi
export STATE_DIR=$PEERS_LAB/state/$$
mkdir -p "$STATE_DIR"
trap 'rm -rf "$STATE_DIR"' EXIT
java -Xms1g -Xmx"${HEAP:-3g}" -Dorg.slf4j.simpleLogger.defaultLogLevel="${LOG:-error}" \
  --add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
  --add-opens=java.base/java.time=ALL-UNNAMED ${JAVA_EXTRA:-} -cp "$cp" $main "$2"
