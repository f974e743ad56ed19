# Sourced by the scripts here: where things are.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PEERS_LAB=${PEERS_LAB:-$here/../../.lab/peers}   # builds, data, state; nothing is written elsewhere
mkdir -p "$PEERS_LAB"; PEERS_LAB=$(cd "$PEERS_LAB" && pwd); export PEERS_LAB
export BROKER=${BROKER:-127.0.0.1:9092}
export CAMPAIGNS=${CAMPAIGNS:-$PEERS_LAB/campaigns.csv}

tool() { "$PEERS_LAB/tool" --brokers "$BROKER" "$@"; }
