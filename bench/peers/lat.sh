#!/usr/bin/env bash
# lat.sh flink|kstreams w1|w4 RATE [SECONDS] : latency at a fixed rate, exactly once, checkpoint or commit interval 100 ms.
# Each record has the moment it was due (ads: event_time; lines: Kafka's timestamp, as sent). An output's Kafka timestamp is that of the newest input it includes; the probe
# reads read_committed and takes now - timestamp. W4 has windows of 1 s, not 10 s, so that there are enough of them.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
e=$1 w=$2 rate=$3 s=${4:-50}
in=peers-live-$e-$w out=peers-live-$e-$w-out
data=$([ "$w" = w1 ] && echo lines || echo ads)
tool topic "$in"; tool topic "$out"
tool load --data "$data" -n 8000 --rate 8000 --topic "$in"
export LIVE=1 ADS=$in LINES=$in OUT_TOPIC=$out CHECKPOINT_MS=${CHECKPOINT_MS:-100} COMMIT_MS=${COMMIT_MS:-100} BATCH_MS=${BATCH_MS:-100} WINDOW_MS=${WINDOW_MS:-1000} LINGER=${LINGER:-0} WM_MS=${WM_MS:-50}
"$here/jvm.sh" "$e" "$w" &
j=$!
end() {
  c=$(cat /proc/$j/task/$j/children 2>/dev/null) || return 0
  kill -TERM $c 2>/dev/null || true
  for _ in $(seq 1 20); do kill -0 $c 2>/dev/null || break; sleep 0.5; done
  kill -KILL $c 2>/dev/null || true
  wait $j || true
}
trap end EXIT # whatever happens: a JVM left behind would go on
sleep 20
tool load --data "$data" --rate "$rate" -n $((rate * s)) --topic "$in" &
g=$!
tool latency --topic "$out" --for $((s - 2))s --skip 20s --name "$e-$w-at-$rate/s"
wait $g
