#!/usr/bin/env bash
# spark.sh key=value… : runs a job of spark/ and prints its RESULT line (keys: see SparkBench). HEAP (4g), JOPTS: more options for the JVM.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
home=$PEERS_LAB/spark
opens=$(for p in java.base/java.lang java.base/java.lang.invoke java.base/java.lang.reflect java.base/java.io java.base/java.net java.base/java.nio \
  java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic java.base/sun.nio.ch java.base/sun.nio.cs java.base/sun.security.action java.base/sun.util.calendar; do
  printf -- '--add-opens=%s=ALL-UNNAMED ' $p; done)
rm -rf "$home/ckpt" "$home/tmp"; mkdir -p "$home/ckpt" "$home/tmp"
exec java -Xmx"${HEAP:-4g}" ${JOPTS:-} $opens -Djava.io.tmpdir="$home/tmp" -cp "$home/classes:$home/lib/*" bench.SparkBench \
  ckpt="$home/ckpt" tmp="$home/tmp" campaigns="$CAMPAIGNS" "$@"
