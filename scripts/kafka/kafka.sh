#!/usr/bin/env bash
# One Apache Kafka broker (KRaft, one node, loopback) from Maven Central's jars, for tests and benchmarks.
# Needs Java 17 and Maven.
#
#   kafka.sh jars | start | stop | status
#
# Environment:
#   KAFKA_LAB      folder for jars, data and logs   (default: .lab/kafka beside the Makefile)
#   KAFKA_PORT     broker port; the controller takes the next one   (default: 9092)
#   KAFKA_HEAP     the broker's heap                (default: 512m)
#   KAFKA_VERSION  3.9.1 or a newer 4.x             (default: 3.9.1)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${KAFKA_LAB:-$here/../../.lab/kafka}
version=${KAFKA_VERSION:-3.9.1}
port=${KAFKA_PORT:-9092}
heap=${KAFKA_HEAP:-512m}
lib=$lab/lib-$version
run=$lab/run-$port
data=$run/data-$version
pidfile=$run/broker.pid
mkdir -p "$lab" "$run"

jars() {
  [ -e "$lib/.complete" ] && return
  command -v java >/dev/null || { echo "kafka.sh: java not found: install a Java 17 runtime" >&2; exit 1; }
  command -v mvn >/dev/null || { echo "kafka.sh: mvn not found: install Maven" >&2; exit 1; }
  mkdir -p "$lib"
  mvn -q -B -f "$here/pom.xml" -Dkafka.version="$version" dependency:copy-dependencies -DoutputDirectory="$lib"
  touch "$lib/.complete"
}

# Log settings for both log4j (3.x) and log4j2 (4.x): warnings to standard error.
logconf() {
  cat > "$run/log4j.properties" <<'P'
log4j.rootLogger=WARN, E
log4j.appender.E=org.apache.log4j.ConsoleAppender
log4j.appender.E.target=System.err
log4j.appender.E.layout=org.apache.log4j.PatternLayout
log4j.appender.E.layout.ConversionPattern=%d %p %c %m%n
P
  cat > "$run/log4j2.properties" <<'P'
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = E
appender.console.type = Console
appender.console.name = E
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c %m%n
P
}
java_kafka() {
  logconf
  case $version in
    3.*) log=-Dlog4j.configuration=file:$run/log4j.properties ;;
    *)   log=-Dlog4j2.configurationFile=$run/log4j2.properties ;;
  esac
  java "$log" -cp "$lib/*" "$@"
}
alive() { [ -e "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }

# One at a time: packages' tests run in parallel, and each asks for the broker. Whoever comes second finds it running.
lock() {
  for _ in $(seq 1 1200); do
    if mkdir "$run/lock" 2>/dev/null; then
      echo $$ > "$run/lock/pid"
      trap 'rm -rf "$run/lock"' EXIT
      return
    fi
    owner=$(cat "$run/lock/pid" 2>/dev/null || true)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then rm -rf "$run/lock"; fi
    sleep 0.2
  done
  echo "kafka.sh: $run/lock has been held for minutes by process ${owner:-unknown}; remove it if that is gone" >&2; exit 1
}

case "${1:-}" in
jars) lock; jars ;;
start)
  lock
  jars
  if alive; then echo "already running, pid $(cat "$pidfile"), 127.0.0.1:$port"; exit 0; fi
  cat > "$run/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$data
num.partitions=1
num.network.threads=2
num.io.threads=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.max.timeout.ms=900000
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.retention.hours=-1
log.retention.check.interval.ms=1000
log.message.timestamp.after.max.ms=9223372036854775807
P
  if [ ! -e "$data/meta.properties" ]; then
    mkdir -p "$data"
    id=$(java_kafka -Xmx128m kafka.tools.StorageTool random-uuid 2>"$run/format.log")
    java_kafka -Xmx128m kafka.tools.StorageTool format -t "$id" -c "$run/server.properties" >>"$run/format.log" 2>&1 ||
      { cat "$run/format.log" >&2; exit 1; }
  fi
  logconf
  case $version in
    3.*) log=-Dlog4j.configuration=file:$run/log4j.properties ;;
    *)   log=-Dlog4j2.configurationFile=$run/log4j2.properties ;;
  esac
  nohup setsid java -Xms"$heap" -Xmx"$heap" "$log" -cp "$lib/*" kafka.Kafka "$run/server.properties" \
    >"$run/broker.log" 2>&1 </dev/null &
  echo $! > "$pidfile"
  for _ in $(seq 1 240); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "started, pid $(cat "$pidfile"), 127.0.0.1:$port"; exit 0; fi
    alive || { echo "kafka.sh: the broker ended; its last lines:" >&2; tail -20 "$run/broker.log" >&2; exit 1; }
    sleep 0.25
  done
  echo "kafka.sh: no answer on port $port within 60 s; see $run/broker.log" >&2; exit 1 ;;
stop)
  lock
  if alive; then
    kill "$(cat "$pidfile")"
    for _ in $(seq 1 120); do alive || break; sleep 0.25; done
    alive && kill -9 "$(cat "$pidfile")"
  fi
  rm -f "$pidfile"; echo stopped ;;
status)
  if alive; then echo "running, pid $(cat "$pidfile"), 127.0.0.1:$port"; else echo "not running"; exit 1; fi ;;
*) sed -n '2,12p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
