#!/usr/bin/env bash
# idle.sh flink|kstreams SECONDS : cores that a W4 job without input keeps busy; CHECKPOINT_MS, COMMIT_MS, GUARANTEE from the environment.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
in=peers-idle
tool topic $in; tool topic $in-out
tool load --data ads -n 8000 --rate 8000 --topic $in
LIVE=1 ADS=$in OUT_TOPIC=$in-out "$here/jvm.sh" "$1" w4 >/dev/null &
j=$!
end() { c=$(cat /proc/$j/task/$j/children 2>/dev/null) || return 0; kill -TERM $c 2>/dev/null || true; for _ in 1 2 3 4 5 6 7 8; do kill -0 $c 2>/dev/null || break; sleep 0.5; done; kill -KILL $c 2>/dev/null || true; wait $j || true; }
trap end EXIT
sleep 18
c=$(cat /proc/$j/task/$j/children); c=${c%% *}
u() { awk '{print $14+$15}' "/proc/$c/stat"; }
a=$(u); sleep "$2"; b=$(u)
awk -v a="$a" -v b="$b" -v s="$2" -v n="$1" 'BEGIN{printf "{\"name\":\"idle %s\",\"cores\":%.3f}\n", n, (b-a)/100/s}'
