#!/usr/bin/env bash
# setup.sh [jvm] [spark] [python] : builds what the named measurements need (default: jvm). Needs Go; Java 17 and Maven; Python 3.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
(cd "$here/../.." && CGO_ENABLED=0 go build -o "$PEERS_LAB/tool" ./bench/peers/tool)
tool campaigns "$CAMPAIGNS"
for what in "${@:-jvm}"; do
  case $what in
  jvm) mvn -q -B -f "$here/jvm/pom.xml" package -Dbuild.dir="$PEERS_LAB/jvm" ;;
  spark)
    mkdir -p "$PEERS_LAB/spark/classes"
    [ -e "$PEERS_LAB/spark/lib/.complete" ] || { mvn -q -B -f "$here/spark/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PEERS_LAB/spark/lib"; touch "$PEERS_LAB/spark/lib/.complete"; }
    javac --release 17 -nowarn -cp "$PEERS_LAB/spark/lib/*" -d "$PEERS_LAB/spark/classes" "$here"/spark/src/main/java/bench/*.java
    cp "$here"/spark/src/main/resources/* "$PEERS_LAB/spark/classes/" ;;
  python)
    python3 -m venv "$PEERS_LAB/venv"
    "$PEERS_LAB/venv/bin/pip" install -q duckdb polars bytewax confluent-kafka orjson pathway ;;
  *) echo "setup.sh: $what: want jvm, spark or python" >&2; exit 2 ;;
  esac
done
