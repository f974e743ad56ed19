#!/usr/bin/env bash
# run.sh ENGINE WORK : loads what is missing, drains it with one engine, prints its JSON line, and adds a line to measured.jsonl if RECORD=1.
#   ENGINE  flink, kstreams, spark-ss (Structured Streaming), spark-ds (DStreams), franz (the floor)      WORK  w1, w4, w5
#   N       events (default 5,000,000; a JVM needs some millions to be warm); PROFILES (default 1,000,000); settings of jvm.sh; further arguments go to Spark
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
engine=$1 work=$2; shift 2
export N=${N:-5000000} PROFILES=${PROFILES:-1000000}
case $work in
w1) data=lines ;; w4) data=ads ;; w5) data=pageviews; tool load --data profiles -n "$PROFILES" --topic "peers-profiles-$PROFILES" ;;
*) echo "run.sh: $work: want w1, w4 or w5" >&2; exit 2 ;;
esac
in=peers-$data-$N out=peers-out-$engine-$work
tool load --data $data -n "$N" --topic "$in"
tool topic "$out"
export ADS=$in LINES=$in PAGEVIEWS=peers-pageviews-$N PROFILES_TOPIC=peers-profiles-$PROFILES OUT_TOPIC=$out KAFKA=$BROKER
line=$PEERS_LAB/last.json
case $engine in
flink) name="Flink 2.0.1"; job=("$here/jvm.sh" flink "$work") ;;
kstreams) name="Kafka Streams 3.9.1"; job=("$here/jvm.sh" kstreams "$work") ;;
spark-ss) name="Spark 3.5.1 Structured Streaming"; job=("$here/spark.sh" engine=ss w="$work" n="$N" max=500000 topic="$in" out="$out" "$@") ;;
spark-ds) name="Spark 3.5.1 DStreams"; job=("$here/spark.sh" engine=ds w="$work" n="$N" maxrate=25000 interval=1000 topic="$in" out="$out" "$@") ;;
franz) name="franz-go 1.22"; work=floor; job=(tool drain --topic "$in") ;;
*) echo "run.sh: $engine: want flink, kstreams, spark-ss, spark-ds or franz" >&2; exit 2 ;;
esac
"${job[@]}" | tee "$line"
case ${RECORD:-0}/$engine in
1/spark-*) echo "run.sh: Spark's lines are for people; write the line of measured.jsonl by hand" >&2 ;;
1/*) tool record --engine "$name" --work "$work" <"$line" >>"$here/measured.jsonl" ;;
esac
