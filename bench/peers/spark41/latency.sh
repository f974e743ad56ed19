#!/usr/bin/env bash
# latency.sh RATE PARTITIONS key=value… : latency of W4 in Spark's Real-time Mode (the keys of RealTime).
# Needs $SPARK41 (default: spark41 in the lab) with lib/ and classes/, see README.md. BOOT, WARM and FOR in seconds: before the generator starts, left out, measured.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../env.sh"
home=${SPARK41:-$PEERS_LAB/spark41}; lib=${LIB:-$home/lib}
rate=$1; shift 2
boot=${BOOT:-14} warm=${WARM:-25} for=${FOR:-40}
in=peers-rt out=peers-rt-out
opens=$(for p in java.base/java.lang java.base/java.lang.invoke java.base/java.lang.reflect java.base/java.io java.base/java.net java.base/java.nio \
  java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic java.base/sun.nio.ch java.base/sun.nio.cs java.base/sun.security.action java.base/sun.util.calendar java.base/jdk.internal.ref; do
  printf -- '--add-opens=%s=ALL-UNNAMED ' "$p"; done)
trap 'kill $engine ${gen:-} 2>/dev/null || true; wait 2>/dev/null' EXIT
tool topic $in; tool topic $out
rm -rf "$home/ckpt" "$home/tmp"; mkdir -p "$home/tmp"
KAFKA=$BROKER java -Xmx"${HEAP:-4g}" ${JOPTS:-} $opens -Dio.netty.tryReflectionSetAccessible=true -Djava.io.tmpdir="$home/tmp" -cp "$home/classes:$lib/*" RealTime \
  ckpt="$home/ckpt" tmp="$home/tmp" campaigns="$CAMPAIGNS" topic=$in out=$out secs=$((boot + warm + for + 6)) from=$((boot + warm - 6)) to=$((boot + warm + for - 6)) "$@" & engine=$!
sleep "$boot"
kill -0 $engine || exit 1
tool load --data ads --rate "$rate" -n $((rate * (warm + for + 3))) --topic $in & gen=$!
tool latency --topic $out --field newest --skip "${warm}s" --for $((warm + for))s --name "realtime-$rate/s" || true
wait $gen $engine || true
