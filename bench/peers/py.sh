#!/usr/bin/env bash
# py.sh NAME : one measurement of an engine in Python, or of a plain tool over files: duckdb-w4, duckdb-w1, polars-w4, polars-w1, rdkafka, wc, grep, bytewax-w4, bytewax-w1,
# pathway-w4, pathway-w1. N: records (default 5,000,000). setup.sh python comes first.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
P=$PEERS_LAB/venv/bin/python; [ -x "$P" ] || P=python3
export N=${N:-5000000} PYTHONPATH=$here/python PYTHONDONTWRITEBYTECODE=1
case $1 in *w1) data=lines ;; *) data=ads ;; esac
file=$PEERS_LAB/$data-$N.txt topic=peers-$data-$N
export ADS=$topic LINES=$topic
case $1 in duckdb-*|polars-*|wc|grep) [ -e "$file" ] || tool load --data $data -n "$N" --out "$file" ;; *) tool load --data $data -n "$N" --topic "$topic" ;; esac
rec=$PEERS_LAB/bytewax
proc="$P $here/python/proc.py $1 $N"
case $1 in
duckdb-w4|polars-w4) $P "$here/python/batch.py" "$1" "$file" "$CAMPAIGNS" ;;
duckdb-w1|polars-w1) $P "$here/python/batch.py" "$1" "$file" ;;
rdkafka) $P "$here/python/kdrain.py" "$topic" "$BROKER" ;;
wc) $proc wc -l "$file" ;;
grep) $proc grep -cF '"event_type":"view"' "$file" ;;
bytewax-*)
  tool topic "out-$1"
  rm -rf "$rec"; mkdir -p "$rec"; $P -m bytewax.recovery "$rec" 2
  job="$P -m bytewax.run ${1/-/_} -r $rec -s 1 -b 0 -a 127.0.0.1:29101;127.0.0.1:29102"
  $proc $job -i 0 ++ $job -i 1 ;;
pathway-*) tool topic "out-$1"; PATHWAY_THREADS=2 $proc $P "$here/python/pathway_job.py" "${1#pathway-}" ;;
*) sed -n '2,3p' "$0" >&2; exit 2 ;;
esac
